"""What the page's events call: plain values in, HTML and the new session state out."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import gradio as gr

from hybridner.data.feedback import Review, write_feedback
from hybridner.ensemble import FixedThreshold
from hybridner.errors import HybridNerError
from hybridner.space.files import json_lines, new_result, read_texts_of_file
from hybridner.space.limits import LimitError
from hybridner.space.reading import Reading, entity_dicts
from hybridner.space.review import Row, review_of, review_rows, reworded_rows
from hybridner.space.service import Choice, LlmChoice, Service
from hybridner.space.views import Views, note, quiet
from hybridner.space.wording import wording

#: Texts of a file that are shown on the page; all are in the download.
_SHOWN_OF_FILE = 3

#: Marked text, table and preview, in the order of the components that show them.
_Shown = tuple[str, str, str]


def said(error: HybridNerError, language: object) -> str:
    """An error as a note in the visitor's language, where it is one we have words for."""
    if isinstance(error, LimitError):
        return note(getattr(wording(language), error.reason).format(**error.values), "problem")
    return note(str(error), "problem")


class Handlers:
    """One for all visitors; what belongs to one of them comes and goes with each call."""

    def __init__(self, service: Service) -> None:
        self.service = service
        # Removed when the program ends; results older than a session are removed before that.
        self._folder = tempfile.TemporaryDirectory(prefix="hybridner-space-")

    def read(
        self,
        text: str,
        strategy: str,
        decoding: str,
        uncertainty: str,
        threshold: float,
        use_llm: bool,
        llm_model: str,
        language: str,
    ) -> tuple[Reading | None, str, str, str, str]:
        """State, note, marked text, table, preview."""
        try:
            reading = self.service.read(text, Choice(strategy, decoding, uncertainty))
        except HybridNerError as error:
            return None, said(error, language), *self.show(None, threshold, llm_model, language)
        message = note(wording(language).asking) if use_llm else ""
        return reading, message, *self.show(reading, threshold, llm_model, language)

    def read_again(
        self,
        before: Reading | None,
        strategy: str,
        decoding: str,
        uncertainty: str,
        threshold: float,
        llm_model: str,
        language: str,
    ) -> Any:
        """The text of the last reading with other settings."""
        if before is None:
            return gr.skip()
        return self.read(before.text, strategy, decoding, uncertainty, threshold, False, llm_model, language)

    def ask(
        self,
        reading: Reading | None,
        use_llm: bool,
        threshold: float,
        endpoint: str,
        llm_model: str,
        key: str,
        extra: str,
        language: str,
    ) -> Any:
        """State, note, marked text, table, preview after the LLM; whatever goes wrong, the local result stays."""
        if reading is None or not use_llm:
            return gr.skip()
        try:
            outcome = self.service.ask(reading, self.service.threshold(threshold), LlmChoice(endpoint, llm_model, key, extra))
        except HybridNerError as error:
            message = said(error, language) + note(wording(language).local_stands)
            return reading, message, *self.show(reading, threshold, llm_model, language)
        message = self._views(language).outcome(outcome)
        return outcome.reading, message, *self.show(outcome.reading, threshold, llm_model, language)

    def show(self, reading: Reading | None, threshold: float, llm_model: str, language: str) -> _Shown:
        """Marked text, table and preview for a threshold; never runs the model."""
        if reading is None:
            return quiet(wording(language).before), "", ""
        views = self._views(language)
        chosen = self.service.threshold(threshold)
        plan = self.service.plan(reading, chosen, llm_model)
        preview = views.preview(reading, plan, chosen, llm_model, self.service.limits.llm_calls)
        return views.text(reading, chosen), views.table(reading, chosen), preview

    def read_file(
        self,
        path: str | None,
        strategy: str,
        decoding: str,
        uncertainty: str,
        threshold: float,
        language: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio looks for it among the defaults
    ) -> tuple[str, Any]:
        """Summary and download of an uploaded file."""
        words = wording(language)
        try:
            texts = read_texts_of_file(path, self.service.limits)
            readings: list[Reading] = []
            for reading in self.service.read_many(texts, Choice(strategy, decoding, uncertainty)):
                readings.append(reading)
                progress((len(readings), len(texts)), desc=words.file_progress, unit=words.file_unit)
        except HybridNerError as error:
            return said(error, language), gr.skip()
        chosen = self.service.threshold(threshold)
        content = json_lines(texts, (entity_dicts(reading, chosen) for reading in readings))
        result = self._new_result("entities.jsonl")
        result.write_text(content, encoding="utf-8")
        summary = self._views(language).file_summary(readings, chosen, _SHOWN_OF_FILE)
        return summary, gr.update(value=str(result), visible=True)

    def rows(self, reading: Reading | None, language: str) -> Any:
        """The table in which the visitor says what is right."""
        rows = [] if reading is None else review_rows(reading, self._views(language).name)
        blank: Row = [None, "", "", True]  # for an entity that the model missed
        return self.reworded([*rows, blank], language)

    def reworded(self, rows: list[Row], language: str) -> Any:
        """The same table in another language; what the visitor has changed in it stays."""
        rows = reworded_rows(rows, self.service.labels, self._views(language).name)
        return gr.update(value=rows, headers=list(wording(language).review_columns))

    def review(
        self, reading: Reading | None, rows: list[Row], complete: bool, reviews: dict[str, Review] | None, language: str
    ) -> tuple[Any, str, Any]:
        """All reviews of this visitor so far by their texts, a note, and the download of them."""
        words = wording(language)
        try:
            if reading is None:
                raise LimitError("review_nothing")
            known = {**(reviews or {}), reading.text: review_of(reading, rows, self.service.labels, complete=complete)}
            if len(known) > self.service.limits.file_texts:
                raise LimitError("many_texts", limit=self.service.limits.file_texts)
        except HybridNerError as error:
            return gr.skip(), said(error, language), gr.skip()
        result = self._new_result("feedback.jsonl")
        write_feedback(known.values(), result)
        return known, note(words.review_kept.format(texts=len(known))), gr.update(value=str(result), interactive=True)

    def _new_result(self, name: str) -> Path:
        return new_result(Path(self._folder.name), name, self.service.limits.session_seconds)

    def analyse(self, text: str, threshold: float = -1.0, strategy: str = "", decoding: str = "") -> list[dict[str, Any]]:
        """The entities of a text, read by the local model.

        Args:
            text: Chinese text; its length is limited.
            threshold: entities with an uncertainty above it have needs_review true; from 0 to 1, -1 for the model's own.
            strategy: how votes are combined: score, majority, mean, and those the model was calibrated for; empty for its own.
            decoding: flat or nested; empty for the model's own.

        Returns:
            a list of entities, each with entity_group, word, start, end, score, uncertainty, source, votes, needs_review.
        """
        try:
            chosen = self.service.config.review_threshold if threshold == -1 else FixedThreshold(threshold)
            reading = self.service.read(text, Choice(strategy, decoding))
        except HybridNerError as error:
            # The caller is told; the log need not be.
            raise gr.Error(str(error), print_exception=False) from None
        return entity_dicts(reading, chosen)

    def _views(self, language: str) -> Views:
        return Views(self.service.labels, language)
