"""Reading, repairing, splitting and writing data sets."""

from hybridner.data.corpora.catalog import label_set
from hybridner.data.corpora.prepare import load_prepared_label_set
from hybridner.data.formats import FORMATS, WRITABLE, detect_format
from hybridner.data.formats.cluener import write_cluener
from hybridner.data.formats.jsonl import write_jsonl
from hybridner.data.formats.markup import Document, Relation, Sentence, read_corpus
from hybridner.data.options import ReadOptions
from hybridner.data.reading import iter_annotated, iter_records, read_records, read_splits, split_files
from hybridner.data.repairs import RULES, RepairLog
from hybridner.data.splitting import assign_folds, collect_labels, split_records, split_sentences
from hybridner.data.writing import convert, write_records

__all__ = [
    "FORMATS",
    "RULES",
    "WRITABLE",
    "Document",
    "ReadOptions",
    "Relation",
    "RepairLog",
    "Sentence",
    "assign_folds",
    "collect_labels",
    "convert",
    "detect_format",
    "iter_annotated",
    "iter_records",
    "label_set",
    "load_prepared_label_set",
    "read_corpus",
    "read_records",
    "read_splits",
    "split_files",
    "split_records",
    "split_sentences",
    "write_cluener",
    "write_jsonl",
    "write_records",
]
