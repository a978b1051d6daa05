"""What the page's events do with thresholds by type."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("gradio", reason="gradio is not installed")

from hybridner import HybridNerModel, HybridNerPipeline
from hybridner.ensemble import FixedThreshold
from hybridner.space import AnalyzedText, Analyzer, Models
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


def test_a_text_unlike_what_the_model_knows_gets_a_banner(analyzer: Analyzer) -> None:
    handlers, analyzed = Handlers(Models([analyzer])), analyzer.analyze(TEXT)

    def shown(score: float | None, language: str) -> dict[str, Any]:
        return data_of(handlers.show(replace(analyzed, ood_score=score), 0.5, False, "", None, language)[0], "result")

    for language, words in (("zh", "99% 的同类文本"), ("en", "99% of them are more typical")):
        assert words in shown(0.99, language)["banner"]
    for score in (None, analyzer.config.ood_threshold):
        assert "banner" not in shown(score, "zh")
    # Its entities are to be checked, however sure the members are.
    unfamiliar = [replace(candidate, is_unfamiliar=True) for candidate in analyzed.local]
    foreign = AnalyzedText.from_candidates(TEXT, unfamiliar, "flat")
    assert all(entity["needs_review"] for entity in foreign.entity_dicts(FixedThreshold(1.0)))


def test_a_link_restores_only_what_can_be(analyzer: Analyzer) -> None:
    handlers = Handlers(Models([analyzer]))
    state = {"text": TEXT, "model": "other", "strategy": "guess", "decoding": "nested", "threshold": 5, "by_label": "x"}
    assert handlers.restore(state) == {"model": analyzer.name, "text": TEXT, "decoding": "nested"}
    assert handlers.restore('{"text": "甲", "threshold": 0.2}') == {"model": analyzer.name, "text": "甲", "threshold": 0.2}
    for nothing in (None, "", "{", "[]", 5, []):
        assert handlers.restore(nothing) == {}
    assert "text" not in handlers.restore({"text": "甲" * 10_000})


def test_what_was_overtaken_by_the_visitor_is_shown_as_the_controls_stand(analyzer: Analyzer) -> None:
    handlers = Handlers(Models([analyzer]))
    analyzed, *_ = handlers.analyze(TEXT, "", "score", "flat", "score", 0.5, False, False, "", None, "en")

    def caught_up(strategy: str, decoding: str, threshold: float) -> tuple[Any, dict[str, Any]]:
        state, _, result, *_ = handlers.catch_up(
            analyzed, "", strategy, decoding, "score", threshold, False, False, "", None, "en"
        )
        return state, data_of(result, "result")["settings"]

    as_asked = {"strategy": "score", "decoding": "flat", "uncertainty": "score", "threshold": 0.5, "by_label": False}
    # Where nothing was moved nothing is shown again: it could overtake what is moved after it was asked for.
    assert not isinstance(handlers.catch_up(analyzed, "", "score", "flat", "score", 0.5, False, False, "", None, "en"), tuple)
    assert isinstance(handlers.catch_up(analyzed, "", "score", "flat", "score", 0.5, True, False, "", None, "en"), tuple)
    # The model reads again only where it must.
    state, settings = caught_up("score", "flat", 0.2)
    assert not isinstance(state, AnalyzedText)
    assert settings == {**as_asked, "threshold": 0.2}
    for strategy, decoding in (("mean", "flat"), ("score", "nested")):
        state, settings = caught_up(strategy, decoding, 0.2)
        assert (state.text, state.strategy, state.decoding) == (TEXT, strategy, decoding)
        assert settings == {**as_asked, "strategy": strategy, "decoding": decoding, "threshold": 0.2}
    assert not isinstance(handlers.catch_up(None, *[""] * 10), tuple)
