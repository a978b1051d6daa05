"""Entity precision, recall and F1 as a metric module of `evaluate`; loaded by path, it needs no network."""

# `evaluate` reads these lines to find what the module needs, and understands one import a line.
from typing import Any

import datasets
import evaluate

from hybridner.errors import DataError
from hybridner.evaluation.metrics import PrecisionRecallF1, score_spans
from hybridner.spans import Span
from hybridner.spans.tags import begin_tag, inside_tag, parse_tag, tags_to_spans

_DESCRIPTION = """\
Precision, recall and F1 over entities: one counts when start, end and label are all right. The configuration "tags" (the default)
takes IOB2 tags and equals seqeval in its strict mode; "spans" takes [start, end) spans, nested ones included.
"""

_INPUTS = """\
Args:
    predictions, references: one list per text, of tags ("B-PER", "I-PER", "O") or of {"start", "end", "label"}.

Returns:
    overall_precision, overall_recall and overall_f1 (micro averages), and for each label a dict of precision, recall, f1 and
    number (of entities in references). Ratios are 0 where nothing was to be counted.
"""

_FEATURES = {
    "tags": datasets.Sequence(datasets.Value("string")),
    "spans": [{"start": datasets.Value("int64"), "end": datasets.Value("int64"), "label": datasets.Value("string")}],
}


class EntityF1(evaluate.Metric):
    """Scores of `hybridner.evaluation.score_spans` under the names that seqeval's metric gives them."""

    def _info(self) -> evaluate.MetricInfo:
        name = "tags" if self.config_name == "default" else self.config_name
        if name not in _FEATURES:
            raise DataError(f"entity_f1 has the configurations {', '.join(_FEATURES)}, not {name!r}")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": _FEATURES[name], "references": _FEATURES[name]}),
        )

    def _compute(self, predictions: list[list[Any]], references: list[list[Any]]) -> dict[str, Any]:
        read = _of_dicts if self.config_name == "spans" else _of_tags
        scores = score_spans([read(text) for text in references], [read(text) for text in predictions])
        labels = {label: {**_ratios(prf), "number": prf.gold} for label, prf in scores.per_label.items()}
        return {**labels, **{f"overall_{name}": value for name, value in _ratios(scores.micro).items()}}


def _of_dicts(spans: list[dict[str, Any]]) -> list[Span]:
    return [Span(span["start"], span["end"], span["label"]) for span in spans]


def _of_tags(tags: list[str]) -> list[Span]:
    """Strict IOB2: an I that continues nothing is outside."""
    parsed = [parse_tag(tag, f"token {position}") for position, tag in enumerate(tags)]
    for position, (prefix, _) in enumerate(parsed):
        if prefix not in "BIO":
            raise DataError(f"{tags[position]!r} is no IOB2 tag; only B-, I- and O are", f"token {position}")
    labels = sorted({label for prefix, label in parsed if prefix != "O"})
    number = {label: index for index, label in enumerate(labels)}
    tag_of = {"B": begin_tag, "I": inside_tag}
    return tags_to_spans([0 if prefix == "O" else tag_of[prefix](number[label]) for prefix, label in parsed], labels)


def _ratios(prf: PrecisionRecallF1) -> dict[str, float]:
    return {"precision": prf.precision, "recall": prf.recall, "f1": prf.f1}
