"""What the page's events call: plain values in, HTML and the new session state out.

Values come as the browser sends them, from whoever sends them: nothing about their types is taken for granted.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from hybridner.ensemble import UNCERTAINTIES, Threshold
from hybridner.errors import HybridNerError
from hybridner.space.analyzed_text import AnalyzedText
from hybridner.space.analyzer import AnalysisOptions, Analyzer
from hybridner.space.errors import VisitorError
from hybridner.space.fragments import error_note, note
from hybridner.space.kept_answers import KeptAnswers
from hybridner.space.label_display import LabelDisplay
from hybridner.space.llm_request import LlmRequest
from hybridner.space.llm_view import changes_table, outcome_notes, preview, threshold_text
from hybridner.space.models import Models
from hybridner.space.queue_data import queue_data
from hybridner.space.result_data import ResultData, as_html, count_levels
from hybridner.space.review_store import ReviewStore
from hybridner.space.session_files import new_session_file
from hybridner.space.texts import PageTexts, page_texts
from hybridner.space.uploads import read_uploaded_reviews, read_uploaded_texts
from hybridner.spans import RESOLVERS

#: Data of the result for the page's script, preview, and what the LLM changed, in the order of the components that show them.
Shown = tuple[Any, Any, Any]
_AS_BEFORE: Shown = (gr.skip(), gr.skip(), gr.skip())


class Handlers:
    """One for all visitors; what belongs to one of them comes and goes with each call.

    Args:
        models: that visitors may choose from.
        store: where reviews are kept on the server's disk; None for nowhere.
    """

    def __init__(self, models: Models, store: ReviewStore | None = None) -> None:
        self.models = models
        self.store = store
        self.limits = models.first.limits
        # Removed when the program ends; what is older than a session is removed before that.
        self._folder = tempfile.TemporaryDirectory(prefix="hybridner-space-")

    def first_result(self) -> tuple[AnalyzedText | None, Any, Any]:
        """State, data and preview of the example that the page is delivered with."""
        analyzer = self.models.first
        if not analyzer.examples:
            return None, "", ""
        analyzed = analyzer.analyze(analyzer.examples[0])
        result, costs, _ = self.show(analyzed, analyzer.slider_start, analyzer.has_own_by_label, "", None, None)
        return analyzed, result, costs

    def example(self, model: object, number: int) -> Any:
        """One of the model's examples, as a new text."""
        examples = self.models.get(model).examples
        return examples[number] if number < len(examples) else gr.skip()

    def restore(self, link: object) -> dict[str, Any]:
        """Text and settings of a link, those of them that can be; a link is nothing but what somebody wrote."""
        try:
            state = json.loads(link) if isinstance(link, str) else link
        except ValueError:
            state = None
        if not isinstance(state, dict):
            return {}
        analyzer = self.models.get(state.get("model"))
        restored: dict[str, Any] = {"model": analyzer.name}
        if isinstance(state.get("text"), str) and len(state["text"]) <= self.limits.characters:
            restored["text"] = state["text"]
        choices = {"strategy": analyzer.strategies, "decoding": tuple(RESOLVERS), "uncertainty": tuple(UNCERTAINTIES)}
        restored.update({name: state[name] for name, known in choices.items() if state.get(name) in known})
        with suppress(VisitorError):
            analyzer.check_threshold(state.get("threshold"))
            restored["threshold"] = state["threshold"]
        if isinstance(state.get("by_label"), bool):
            restored["by_label"] = state["by_label"]
        return restored

    def analyze(
        self,
        text: object,
        model: object,
        strategy: object,
        decoding: object,
        uncertainty: object,
        threshold: object,
        by_label: object,
        use_llm: object,
        llm_model: object,
        kept: KeptAnswers | None,
        language: object,
    ) -> tuple[Any, ...]:
        """State, note, result, preview, changes; what cannot be analyzed leaves the result before as it is."""
        texts, analyzer = page_texts(language), self.models.get(model)
        try:
            self._threshold(analyzer, threshold, by_label)
            analyzed = analyzer.analyze(text, _options(strategy, decoding, uncertainty))
            if use_llm and kept is not None:
                analyzed = analyzer.use_kept(analyzed, kept)
            analyzed = replace(analyzed, shown_with=(threshold, by_label, llm_model, language))
        except HybridNerError as error:
            return gr.skip(), error_note(error, texts), *_AS_BEFORE
        message = note(texts("llm.asking")) if use_llm else ""
        return analyzed, message, *self.show(analyzed, threshold, by_label, llm_model, kept, language)

    def analyze_link(self, link: object, *settings: Any) -> Any:
        """As `analyze`, for those who came by a link."""
        return self.analyze(*settings) if link else gr.skip()

    def analyze_again(self, before: AnalyzedText | None, *settings: Any) -> Any:
        """The text of the last analysis with other settings, which are those of `analyze`; answers paid for are used again."""
        if before is None:
            return gr.skip()
        analyzed, message, *shown = self.analyze(before.text, *settings)
        return analyzed, "" if isinstance(analyzed, AnalyzedText) else message, *shown

    def catch_up(self, before: AnalyzedText | None, *settings: Any) -> Any:
        """What was analyzed, as the controls, those of `analyze`, stand now; the model reads again only where it must."""
        if before is None:
            return gr.skip()
        model, strategy, decoding, uncertainty, threshold, by_label, _, llm_model, kept, language = settings
        options = (self.models.get(model).name, strategy, decoding, uncertainty)
        if options != (before.model, before.strategy, before.decoding, before.uncertainty):
            return self.analyze_again(before, *settings)
        if (threshold, by_label, llm_model, language) == before.shown_with:
            # Shown once more it could only overtake what the visitor does meanwhile.
            return gr.skip()
        return gr.skip(), gr.skip(), *self.show(before, threshold, by_label, llm_model, kept, language)

    def run_llm(
        self,
        text: object,
        analyzed: AnalyzedText | None,
        use_llm: object,
        threshold: object,
        by_label: object,
        endpoint: object,
        llm_model: object,
        key: object,
        extra: object,
        kept: KeptAnswers | None,
        language: object,
    ) -> Any:
        """State, note, result, preview, changes, kept answers after the LLM; whatever goes wrong, the local result stays."""
        # Of a text that could not be analyzed nothing is asked.
        if analyzed is None or analyzed.text != text or not use_llm:
            return gr.skip()
        texts, analyzer = page_texts(language), self.models.get(analyzed.model)
        request = LlmRequest(_as_text(endpoint), _as_text(llm_model), _as_text(key), _as_text(extra))
        analyzed = replace(analyzed, shown_with=(threshold, by_label, llm_model, language))
        path = kept.path if kept is not None else new_session_file(Path(self._folder.name), "answers.sqlite", self._seconds)
        kept = KeptAnswers(path, request.model.strip(), request.extra)
        try:
            outcome = analyzer.run_llm(analyzed, self._threshold(analyzer, threshold, by_label), request, kept)
        except HybridNerError as error:
            message = error_note(error, texts) + note(texts("llm.local_stands"))
            return analyzed, message, *self.show(analyzed, threshold, by_label, llm_model, kept, language), kept
        shown = self.show(outcome.analyzed, threshold, by_label, llm_model, kept, language)
        return outcome.analyzed, outcome_notes(outcome, texts), *shown, kept

    def show(
        self,
        analyzed: AnalyzedText | None,
        threshold: object,
        by_label: object,
        llm_model: object,
        kept: KeptAnswers | None,
        language: object,
    ) -> Shown:
        """Result, preview and changes for a threshold; never runs the model."""
        texts = page_texts(language)
        if analyzed is None:
            return _AS_BEFORE
        analyzer = self.models.get(analyzed.model)
        try:
            checked = self._threshold(analyzer, threshold, by_label)
            plan = analyzer.plan_llm(analyzed, checked, _as_text(llm_model), kept)
        except HybridNerError as error:
            # While a number is being typed, what was shown before may stay.
            return gr.skip(), error_note(error, texts), gr.skip()
        labels = self._labels(analyzer, language)
        costs = preview(analyzed, plan, checked, _as_text(llm_model), self.limits.llm_calls, texts)
        data = ResultData(labels).result(analyzed, checked)
        if analyzer.is_unfamiliar(analyzed):
            data["banner"] = self._unfamiliar(analyzer, analyzed, texts)
        data["settings"].update({"threshold": threshold, "by_label": by_label is True})
        return as_html("result", data), costs, changes_table(analyzed, labels)

    def analyze_file(
        self,
        file: object,
        model: object,
        strategy: object,
        decoding: object,
        uncertainty: object,
        threshold: object,
        by_label: object,
        language: object,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio looks for it among the defaults
    ) -> tuple[str, Any]:
        """A note, and the queue that an uploaded file makes."""
        page, analyzer = page_texts(language), self.models.get(model)
        try:
            checked = self._threshold(analyzer, threshold, by_label)
            path = _uploaded_path(file)
            texts = read_uploaded_texts(path, self.limits)
            assert path is not None
            reviews = read_uploaded_reviews(path, analyzer.labels)
            analyzed: list[AnalyzedText] = []
            for one in analyzer.analyze_many([text.text for text in texts], _options(strategy, decoding, uncertainty)):
                analyzed.append(one)
                progress((len(analyzed), len(texts)), desc=page("file.progress"), unit=page("file.progress_unit"))
        except HybridNerError as error:
            return error_note(error, page), gr.skip()
        view = ResultData(self._labels(analyzer, language))
        data = queue_data(path.name, texts, analyzed, checked, view, reviews, self.store)
        entities, review = count_levels(analyzed, checked)
        values = {"texts": len(analyzed), "entities": entities, "review": review, "threshold": threshold_text(checked, page)}
        unfamiliar = sum(map(analyzer.is_unfamiliar, analyzed))
        warning = note(page("file.unfamiliar", count=unfamiliar), "problem") if unfamiliar else ""
        return note(page("file.done", **values)) + warning, as_html("queue", data)

    def api_analyze(
        self, text: str, threshold: float = -1.0, strategy: str = "", decoding: str = "", model: str = ""
    ) -> list[dict[str, Any]]:
        """The entities of a text, found by the local model.

        Args:
            text: Chinese text; its length is limited.
            threshold: entities with an uncertainty above it have needs_review true; from 0 to 1, -1 for the model's own.
            strategy: how votes are combined: score, majority, mean, and those the model was calibrated for; empty for its own.
            decoding: flat or nested; empty for the model's own.
            model: name of one of the page's models; empty for the first.

        Returns:
            a list of entities, each with entity_group, word, start, end, score, uncertainty, source, votes, needs_review.
        """
        analyzer = self.models.get(model)
        try:
            checked = analyzer.own_threshold if threshold == -1 else analyzer.check_threshold(threshold)
            return analyzer.analyze(text, _options(strategy, decoding, "")).entity_dicts(checked)
        except HybridNerError as error:
            # The caller is told; the log need not be.
            raise gr.Error(str(error), print_exception=False) from None

    def _threshold(self, analyzer: Analyzer, value: object, by_label: object) -> Threshold:
        """The model's own thresholds by label where the visitor leaves them, else the slider's."""
        return analyzer.own_threshold if by_label is True else analyzer.check_threshold(value)

    def _unfamiliar(self, analyzer: Analyzer, analyzed: AnalyzedText, texts: PageTexts) -> str:
        """In plain words, that a result is about a text unlike those that the model knows."""
        share = f"{100 * (analyzed.ood_score or 0.0):.0f}"
        if analyzer.labels.domain:
            return texts("result.unfamiliar_domain", share=share, domain=analyzer.labels.domain)
        return texts("result.unfamiliar", share=share)

    def _labels(self, analyzer: Analyzer, language: object) -> LabelDisplay:
        return LabelDisplay(analyzer.labels, page_texts(language))

    @property
    def _seconds(self) -> int:
        return self.limits.session_seconds


def _as_text(value: object) -> str:
    return "" if value is None else str(value)


def _options(strategy: object, decoding: object, uncertainty: object) -> AnalysisOptions:
    return AnalysisOptions(_as_text(strategy), _as_text(decoding), _as_text(uncertainty))


def _uploaded_path(file: object) -> Path | None:
    """Of the description of an upload; gradio lets no file through that was not uploaded to it."""
    path = file.get("path") if isinstance(file, dict) else None
    return Path(path) if isinstance(path, str) and path else None
