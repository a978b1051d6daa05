"""Bulk annotation: whole corpora in, Parquet with provenance out, on many processes, stopped and resumed at will."""

from hybridner.annotation.decision import AnnotationConfig
from hybridner.annotation.dry_run import PlannedUse, plan_annotation
from hybridner.annotation.files import KINDS, FileSource
from hybridner.annotation.job import annotate
from hybridner.annotation.records import Fields
from hybridner.annotation.sources import Source
from hybridner.annotation.streams import StreamSource
from hybridner.mapping import Annotator, fingerprint

__all__ = [
    "KINDS",
    "AnnotationConfig",
    "Annotator",
    "Fields",
    "FileSource",
    "PlannedUse",
    "Source",
    "StreamSource",
    "annotate",
    "fingerprint",
    "plan_annotation",
]
