"""How good predictions are."""

from hybridner.evaluation.metadata import collect_metadata
from hybridner.evaluation.metrics import PrecisionRecallF1, SpanScores, score_spans, text_counts
from hybridner.evaluation.partial import score_boundaries, score_types
from hybridner.evaluation.runs import Run, RunMetadata, make_run
from hybridner.evaluation.slices import (
    score_by,
    score_by_length,
    score_by_nesting,
    score_by_seen,
    seen_boundaries,
    training_surfaces,
)
from hybridner.evaluation.systems import evaluate_systems, predict_systems, systems_of

__all__ = [
    "PrecisionRecallF1",
    "Run",
    "RunMetadata",
    "SpanScores",
    "collect_metadata",
    "evaluate_systems",
    "make_run",
    "predict_systems",
    "score_boundaries",
    "score_by",
    "score_by_length",
    "score_by_nesting",
    "score_by_seen",
    "score_spans",
    "score_types",
    "seen_boundaries",
    "systems_of",
    "text_counts",
    "training_surfaces",
]
