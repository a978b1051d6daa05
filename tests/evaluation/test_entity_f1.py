"""The metric module against seqeval's strict mode, and against our own function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import evaluate
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.v1 import precision_recall_fscore_support
from seqeval.scheme import IOB2

from hybridner.errors import DataError
from hybridner.evaluation import score_spans
from hybridner.evaluation.entity_f1 import PATH
from hybridner.spans import Span
from tests.evaluation.spans import PAIRS

#: Any sequence of tags, illegal ones too: an I after O or after another label.
TAGS = st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B"])
TEXTS = st.lists(st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=12), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("metrics"))


@pytest.fixture(scope="module")
def of_tags(folder: str) -> Any:
    return evaluate.load(PATH, cache_dir=folder, keep_in_memory=True)


@pytest.fixture(scope="module")
def of_spans(folder: str) -> Any:
    return evaluate.load(str(Path(PATH).parent), "spans", cache_dir=folder, keep_in_memory=True)


@settings(deadline=None, max_examples=50)
@given(TEXTS)
def test_equals_strict_seqeval(of_tags: Any, texts: list[list[tuple[str, str]]]) -> None:
    gold = [[tag for tag, _ in text] for text in texts]
    predicted = [[tag for _, tag in text] for text in texts]
    result = of_tags.compute(references=gold, predictions=predicted)
    # seqeval cannot count where there is no entity at all.
    if not any(tag.startswith("B") for tags in (*gold, *predicted) for tag in tags):
        assert result == {"overall_precision": 0, "overall_recall": 0, "overall_f1": 0}
        return
    expected = precision_recall_fscore_support(gold, predicted, scheme=IOB2, average="micro", zero_division=0)
    assert [result[f"overall_{name}"] for name in ("precision", "recall", "f1")] == pytest.approx(expected[:3])
    columns = precision_recall_fscore_support(gold, predicted, scheme=IOB2, average=None, zero_division=0)
    labels = sorted(name for name in result if not name.startswith("overall"))
    for label, *values in zip(labels, *columns, strict=True):
        assert [result[label][name] for name in ("precision", "recall", "f1", "number")] == pytest.approx(values)


@settings(deadline=None, max_examples=50)
@given(PAIRS.filter(lambda pair: len(pair[0]) > 0))
def test_spans_equal_our_own_function(of_spans: Any, pair: tuple[list[list[Span]], list[list[Span]]]) -> None:
    gold, predicted = ([[span._asdict() for span in text] for text in texts] for texts in pair)
    result = of_spans.compute(references=gold, predictions=predicted)
    expected = score_spans(*pair)
    assert result["overall_f1"] == expected.micro.f1
    assert {name: result[name]["number"] for name in expected.per_label} == {n: p.gold for n, p in expected.per_label.items()}


def test_other_tags_and_configurations_are_refused(of_tags: Any, folder: str) -> None:
    with pytest.raises(DataError, match="token 1: 'E-A' is no IOB2 tag"):
        of_tags.compute(references=[["B-A", "E-A"]], predictions=[["B-A", "I-A"]])
    with pytest.raises(DataError, match="configurations tags, spans"):
        evaluate.load(PATH, "bioes", cache_dir=folder)
