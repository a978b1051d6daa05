"""The index of examples that a run leaves for the prompts of an LLM, once it has both a composite and out-of-fold predictions."""

from __future__ import annotations

from pathlib import Path

from hybridner.ensemble import Predictions
from hybridner.hybrid import ExampleIndex, HybridNerModel
from hybridner.training.folders import REPORT
from hybridner.training.recipe import COMPOSITE

#: The out-of-fold predictions of a run, in its output folder.
OUT_OF_FOLD = "oof.parquet"
#: The index lies beside the composite and not in it, where it would be published with it: it holds the training sentences.
EXAMPLES = "examples.parquet"


def index_examples(output: Path) -> Path | None:
    """Index gold and the doubtful out-of-fold candidates, unless that was done after both were made.

    Args:
        output: folder of a run.

    Returns:
        the file; None where the run has no composite with a SpanNER yet, or no out-of-fold predictions.
    """
    report, predictions, examples = output / COMPOSITE / REPORT, output / OUT_OF_FOLD, output / EXAMPLES
    if not (report.exists() and predictions.exists()):
        return None
    if examples.exists() and examples.stat().st_mtime >= max(path.stat().st_mtime for path in (report, predictions)):
        return examples
    model = HybridNerModel.from_pretrained(output / COMPOSITE)
    if model.spanner is None:
        return None
    ExampleIndex.build(model, Predictions.load(predictions)).save(examples)
    return examples
