"""How good predictions are."""

from hybridner.evaluation.metrics import Prf, SpanScores, score_spans
from hybridner.evaluation.systems import evaluate_systems, predict_systems

__all__ = ["Prf", "SpanScores", "evaluate_systems", "predict_systems", "score_spans"]
