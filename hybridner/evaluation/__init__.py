"""How good predictions are."""

from hybridner.evaluation.circumstances import circumstances
from hybridner.evaluation.metrics import Prf, SpanScores, score_spans, text_counts
from hybridner.evaluation.partial import score_boundaries, score_types
from hybridner.evaluation.runs import Circumstances, Run, make_run
from hybridner.evaluation.slices import (
    score_by,
    score_by_length,
    score_by_nesting,
    score_by_seen,
    seen_boundaries,
    training_surfaces,
)
from hybridner.evaluation.systems import evaluate_systems, predict_systems

__all__ = [
    "Circumstances",
    "Prf",
    "Run",
    "SpanScores",
    "circumstances",
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
    "text_counts",
    "training_surfaces",
]
