"""What the page's events do with thresholds by type."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("gradio", reason="gradio is not installed")

from hybridner import HybridNerModel, HybridNerPipeline
from hybridner.space import Analyzer, Models
from hybridner.space.handlers import Handlers
from hybridner.space.page import build
from tests.support.page import data_of
from tests.support.tiny import TEXT


@pytest.fixture
def analyzer(composite: HybridNerModel, monkeypatch: pytest.MonkeyPatch) -> Analyzer:
    """A model with thresholds by type: nothing of the first type is doubtful, everything else is."""
    config = composite.config
    by_label = replace(config.review_threshold, default=0.0, by_label={config.labels.names[0]: 1.0})
    monkeypatch.setattr(config, "threshold", by_label.default)
    monkeypatch.setattr(config, "label_thresholds", dict(by_label.by_label))
    return Analyzer(HybridNerPipeline(composite, device="cpu"))


def test_thresholds_by_type_hold_until_the_visitor_sets_one_for_all(analyzer: Analyzer) -> None:
    analyzed = analyzer.analyze(TEXT)
    handlers, first = Handlers(Models([analyzer])), analyzer.labels.names[0]
    others = sum(item.candidate.label != first for item in analyzed.entities)
    for by_label, value, expected, shown in ((True, 0.9, others, "τ by type"), (False, 0.0, len(analyzed.entities), "τ = 0.00")):
        result, preview, _ = handlers.show(analyzed, value, by_label, "", None, "en")
        entities = [mark for mark in data_of(result, "result")["found"] if mark["label"] is not None]
        assert sum(mark["level"] == "check" for mark in entities) == expected
        assert shown in preview
    assert 0 < others < len(analyzed.entities)


def test_the_page_offers_thresholds_by_type_where_there_are_any(analyzer: Analyzer) -> None:
    def settings() -> tuple[object, ...]:
        blocks = {block.elem_id: block for block in build(Models([analyzer])).blocks.values() if block.elem_id}
        box, slider = blocks["by-label"], blocks["threshold"]
        return box.visible, box.value, slider.interactive

    assert settings() == (True, True, False)
    analyzer.config.label_thresholds = None
    assert settings() == (False, False, True)
