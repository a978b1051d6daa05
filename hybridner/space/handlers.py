"""What the page's events call: plain values in, HTML and the new session state out.

Values come as the browser sends them, from whoever sends them: nothing about their types is taken for granted.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import gradio as gr

from hybridner.data.feedback import Review, write_feedback
from hybridner.ensemble import Threshold
from hybridner.errors import HybridNerError
from hybridner.space.analyzed_text import AnalyzedText
from hybridner.space.analyzer import AnalysisOptions, Analyzer
from hybridner.space.downloads import json_lines, new_download
from hybridner.space.errors import VisitorError
from hybridner.space.fragments import error_note, note, small_print
from hybridner.space.label_display import LabelDisplay
from hybridner.space.llm_request import LlmRequest
from hybridner.space.llm_view import outcome_notes, preview
from hybridner.space.result_view import ResultView
from hybridner.space.review_table import Row, review_from_rows, review_rows, translate_rows
from hybridner.space.texts import page_texts
from hybridner.space.uploads import read_uploaded_texts

#: Texts of a file that are shown on the page; all are in the download.
_SHOWN_OF_FILE = 3

#: Marked text, table and preview, in the order of the components that show them.
Shown = tuple[Any, Any, Any]


class Handlers:
    """One for all visitors; what belongs to one of them comes and goes with each call."""

    def __init__(self, analyzer: Analyzer) -> None:
        self.analyzer = analyzer
        # Removed when the program ends; downloads older than a session are removed before that.
        self._folder = tempfile.TemporaryDirectory(prefix="hybridner-space-")

    def analyze(
        self,
        text: object,
        strategy: object,
        decoding: object,
        uncertainty: object,
        threshold: object,
        by_label: object,
        use_llm: object,
        llm_model: object,
        language: object,
    ) -> tuple[Any, ...]:
        """State, note, marked text, table, preview."""
        texts = page_texts(language)
        try:
            self._threshold(threshold, by_label)
            analyzed = self.analyzer.analyze(text, _options(strategy, decoding, uncertainty))
        except HybridNerError as error:
            return None, error_note(error, texts), *self.show(None, threshold, by_label, llm_model, language)
        message = note(texts("llm.asking")) if use_llm else ""
        return analyzed, message, *self.show(analyzed, threshold, by_label, llm_model, language)

    def analyze_again(
        self,
        before: AnalyzedText | None,
        strategy: object,
        decoding: object,
        uncertainty: object,
        threshold: object,
        by_label: object,
        llm_model: object,
        language: object,
    ) -> Any:
        """The text of the last analysis with other settings."""
        if before is None:
            return gr.skip()
        return self.analyze(before.text, strategy, decoding, uncertainty, threshold, by_label, False, llm_model, language)

    def run_llm(
        self,
        analyzed: AnalyzedText | None,
        use_llm: object,
        threshold: object,
        by_label: object,
        endpoint: object,
        llm_model: object,
        key: object,
        extra: object,
        language: object,
    ) -> Any:
        """State, note, marked text, table, preview after the LLM; whatever goes wrong, the local result stays."""
        if analyzed is None or not use_llm:
            return gr.skip()
        texts = page_texts(language)
        request = LlmRequest(_as_text(endpoint), _as_text(llm_model), _as_text(key), _as_text(extra))
        try:
            outcome = self.analyzer.run_llm(analyzed, self._threshold(threshold, by_label), request)
        except HybridNerError as error:
            message = error_note(error, texts) + note(texts("llm.local_stands"))
            return analyzed, message, *self.show(analyzed, threshold, by_label, llm_model, language)
        shown = self.show(outcome.analyzed, threshold, by_label, llm_model, language)
        return outcome.analyzed, outcome_notes(outcome, texts), *shown

    def show(
        self, analyzed: AnalyzedText | None, threshold: object, by_label: object, llm_model: object, language: object
    ) -> Shown:
        """Marked text, table and preview for a threshold; never runs the model."""
        texts = page_texts(language)
        if analyzed is None:
            return small_print(texts("input.nothing_yet")), "", ""
        try:
            checked = self._threshold(threshold, by_label)
        except HybridNerError as error:
            # While a number is being typed, what was shown before may stay.
            return gr.skip(), gr.skip(), error_note(error, texts)
        view, model = ResultView(self._labels(language)), _as_text(llm_model)
        plan = self.analyzer.plan_llm(analyzed, checked, model)
        costs = preview(analyzed, plan, checked, model, self.analyzer.limits.llm_calls, texts)
        return view.marked_text(analyzed, checked), view.table(analyzed, checked), costs

    def analyze_file(
        self,
        file: object,
        strategy: object,
        decoding: object,
        uncertainty: object,
        threshold: object,
        by_label: object,
        language: object,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio looks for it among the defaults
    ) -> tuple[str, Any]:
        """Summary and download of an uploaded file."""
        page = page_texts(language)
        try:
            checked = self._threshold(threshold, by_label)
            texts = read_uploaded_texts(_uploaded_path(file), self.analyzer.limits)
            analyzed: list[AnalyzedText] = []
            for one in self.analyzer.analyze_many(texts, _options(strategy, decoding, uncertainty)):
                analyzed.append(one)
                progress((len(analyzed), len(texts)), desc=page("file.progress"), unit=page("file.progress_unit"))
        except HybridNerError as error:
            return error_note(error, page), gr.skip()
        download = self._new_download("entities.jsonl")
        download.write_text(json_lines(texts, (one.entity_dicts(checked) for one in analyzed)), encoding="utf-8")
        summary = ResultView(self._labels(language)).file_summary(analyzed, checked, _SHOWN_OF_FILE)
        return summary, gr.update(value=str(download), visible=True)

    def review_table(self, analyzed: AnalyzedText | None, language: object) -> Any:
        """The table in which the visitor corrects a result."""
        rows = [] if analyzed is None else review_rows(analyzed, self._labels(language).name)
        blank: Row = [None, "", "", True]  # for an entity that the model missed
        return self.translate_review([*rows, blank], language)

    def translate_review(self, rows: list[Row], language: object) -> Any:
        """The same table in another language; what the visitor has changed in it stays."""
        rows = translate_rows(rows, self.analyzer.labels, self._labels(language).name)
        return gr.update(value=rows, headers=list(page_texts(language).group("review_columns").values()))

    def save_review(
        self,
        analyzed: AnalyzedText | None,
        rows: list[Row],
        complete: object,
        reviews: dict[str, Review] | None,
        language: object,
    ) -> tuple[Any, str, Any]:
        """All reviews of this visitor so far by their texts, a note, and the download of them."""
        texts, limit = page_texts(language), self.analyzer.limits.file_texts
        try:
            if analyzed is None:
                raise VisitorError("review_nothing")
            review = review_from_rows(analyzed, rows, self.analyzer.labels, complete=bool(complete))
            known = {**(reviews or {}), analyzed.text: review}
            if len(known) > limit:
                raise VisitorError("many_texts", limit=limit)
        except HybridNerError as error:
            return gr.skip(), error_note(error, texts), gr.skip()
        download = self._new_download("feedback.jsonl")
        write_feedback(known.values(), download)
        return known, note(texts("review.kept", texts=len(known))), gr.update(value=str(download), interactive=True)

    def api_analyze(self, text: str, threshold: float = -1.0, strategy: str = "", decoding: str = "") -> list[dict[str, Any]]:
        """The entities of a text, found by the local model.

        Args:
            text: Chinese text; its length is limited.
            threshold: entities with an uncertainty above it have needs_review true; from 0 to 1, -1 for the model's own.
            strategy: how votes are combined: score, majority, mean, and those the model was calibrated for; empty for its own.
            decoding: flat or nested; empty for the model's own.

        Returns:
            a list of entities, each with entity_group, word, start, end, score, uncertainty, source, votes, needs_review.
        """
        try:
            checked = self.analyzer.own_threshold if threshold == -1 else self.analyzer.check_threshold(threshold)
            return self.analyzer.analyze(text, _options(strategy, decoding, "")).entity_dicts(checked)
        except HybridNerError as error:
            # The caller is told; the log need not be.
            raise gr.Error(str(error), print_exception=False) from None

    def _threshold(self, value: object, by_label: object) -> Threshold:
        """The model's own thresholds by label where the visitor leaves them, else the slider's."""
        return self.analyzer.own_threshold if by_label is True else self.analyzer.check_threshold(value)

    def _labels(self, language: object) -> LabelDisplay:
        return LabelDisplay(self.analyzer.labels, page_texts(language))

    def _new_download(self, name: str) -> Path:
        return new_download(Path(self._folder.name), name, self.analyzer.limits.session_seconds)


def _as_text(value: object) -> str:
    return "" if value is None else str(value)


def _options(strategy: object, decoding: object, uncertainty: object) -> AnalysisOptions:
    return AnalysisOptions(_as_text(strategy), _as_text(decoding), _as_text(uncertainty))


def _uploaded_path(file: object) -> Path | None:
    """Of the description of an upload; gradio lets no file through that was not uploaded to it."""
    path = file.get("path") if isinstance(file, dict) else None
    return Path(path) if isinstance(path, str) and path else None
