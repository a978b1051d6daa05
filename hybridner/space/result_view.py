"""The result of an analysis as HTML: marked text with a legend, the table of entities, the summary of a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hybridner.ensemble import Kind, Threshold
from hybridner.llm import VerifiedCandidate
from hybridner.space.analyzed_text import AnalyzedText, needs_review
from hybridner.space.fragments import decimals, escape, note, small_print
from hybridner.space.label_display import LabelDisplay
from hybridner.space.llm_view import failure_text, threshold_text
from hybridner.space.marked_text import Hint, Mark, mark_text
from hybridner.spans import NON_ENTITY


class ResultView:
    """Results in the language of a label display."""

    def __init__(self, labels: LabelDisplay) -> None:
        self.labels = labels
        self.texts = labels.texts

    def marked_text(self, analyzed: AnalyzedText, threshold: Threshold) -> str:
        """The text with its marks, and the legend below it."""
        marks = [self._mark(item, threshold) for item in analyzed.entities]
        hints = [
            Hint(item.candidate.start, item.candidate.end, self._tooltip(item, threshold, kind))
            for item, kind in analyzed.other_routed(threshold)
        ]
        empty = "" if marks else small_print(self.texts("result.no_entities"))
        body = mark_text(analyzed.text, marks, hints)
        return f'<div class="hn-text" lang="zh">{body}</div>{empty}{self._legend(marks, bool(hints), analyzed.entities)}'

    def table(self, analyzed: AnalyzedText, threshold: Threshold) -> str:
        """One row for each entity; on a narrow page the style sheet turns rows into cards."""
        if not analyzed.entities:
            return ""
        columns = [escape(column) for column in self.texts.group("columns").values()]
        head = "".join(f'<th scope="col">{column}</th>' for column in columns)
        rows = "".join(
            "<tr>"
            + "".join(f'<td data-column="{column}">{cell}</td>' for column, cell in zip(columns, cells, strict=True))
            + "</tr>"
            for cells in (self._cells(analyzed.text, item, threshold) for item in analyzed.entities)
        )
        return f'<table class="hn-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'

    def file_summary(self, analyzed: Sequence[AnalyzedText], threshold: Threshold, shown: int) -> str:
        """Counts over a file, and its first texts with their marks."""
        entities = [item for one in analyzed for item in one.entities]
        done = self.texts(
            "file.done",
            texts=len(analyzed),
            entities=len(entities),
            review=sum(needs_review(item, threshold) for item in entities),
            threshold=threshold_text(threshold, self.texts),
        )
        first = analyzed[:shown]
        bodies = (mark_text(one.text, [self._mark(item, threshold) for item in one.entities]) for one in first)
        boxes = "".join(f'<div class="hn-text hn-small" lang="zh">{body}</div>' for body in bodies)
        return note(done) + small_print(self.texts("file.first", count=len(first))) + boxes

    def decided_by(self, item: VerifiedCandidate) -> str:
        """Who decided, in words."""
        known = item.provenance
        if known.source == "llm":
            return self.texts("result.by_llm", model=known.model or "LLM")
        if known.llm_label is not None and known.llm_label != item.candidate.label:
            return self.texts("result.llm_overruled", label=self.labels.name(known.llm_label))
        return self.texts("result.by_ensemble")

    def _mark(self, item: VerifiedCandidate, threshold: Threshold) -> Mark:
        candidate = item.candidate
        return Mark(
            candidate.start,
            candidate.end,
            self.labels.name(candidate.label),
            self.labels.style(candidate.label),
            self._tooltip(item, threshold),
            needs_review(item, threshold),
            item.provenance.source == "llm",
        )

    def _tooltip(self, item: VerifiedCandidate, threshold: Threshold, kind: Kind | None = None) -> str:
        texts, candidate, known = self.texts, item.candidate, item.provenance
        lines = [texts("tooltip.candidate", kind=texts(f"kinds.{kind}"))] if kind else []
        if candidate.label != NON_ENTITY:
            lines.append(texts("tooltip.type", label=self.labels.full_name(candidate.label)))
        uncertainty = decimals(known.uncertainty, 3)
        lines.append(texts("tooltip.score", score=decimals(candidate.score, 3), uncertainty=uncertainty))
        lines.append(texts("tooltip.votes"))
        lines += [f"  {member} → {self.labels.name(vote)}" for member, vote in candidate.votes.items()]
        lines += self._no_votes(item)
        lines.append(texts("tooltip.decided_by", source=self.decided_by(item)))
        if known.failure is not None:
            lines.append(texts("tooltip.llm_failed", reason=failure_text(known.failure, known.llm_error, texts)))
        if needs_review(item, threshold):
            lines.append(texts("tooltip.doubtful"))
        return "\n".join(lines)

    def _no_votes(self, item: VerifiedCandidate) -> list[str]:
        """How an entity came by a type that no member voted for."""
        candidate = item.candidate
        if candidate.label == NON_ENTITY or candidate.label in candidate.votes.values():
            return []
        return [self.texts("result.no_votes_llm" if item.provenance.source == "llm" else "result.no_votes_local")]

    def _legend(self, marks: Sequence[Mark], has_hints: bool, entities: Sequence[VerifiedCandidate]) -> str:
        if not marks and not has_hints:
            return ""
        texts, counts = self.texts, Counter(item.candidate.label for item in entities)
        entries = [f"{self.labels.chip(label)} {count}" for label, count in counts.most_common()]
        if any(mark.is_doubtful for mark in marks):
            entries.append(f'<span class="hn-chip hn-doubt hn-plain">{escape(texts("result.legend_doubtful"))}</span>')
        if has_hints:
            entries.append(f'<span class="hn-hint">{escape(texts("result.legend_candidate"))}</span>')
        if any(mark.is_by_llm for mark in marks):
            entries.append(f'<span class="hn-chip hn-by-llm hn-plain">{escape(texts("result.legend_by_llm"))}</span>')
        items = "".join(f"<li>{entry}</li>" for entry in entries)
        return f'<ul class="hn-legend" aria-label="{escape(texts("result.legend"))}">{items}</ul>'

    def _cells(self, text: str, item: VerifiedCandidate, threshold: Threshold) -> tuple[str, ...]:
        candidate, known = item.candidate, item.provenance
        is_doubtful = needs_review(item, threshold)
        badge = f' <span class="hn-review">{escape(self.texts("result.needs_review"))}</span>' * is_doubtful
        width = round(100 * known.uncertainty)
        bar = f'<span class="hn-bar{" hn-over" * is_doubtful}"><i style="width:{width}%"></i></span>'
        return (
            f"<b>{escape(text[candidate.start : candidate.end])}</b>",
            self.labels.chip(candidate.label),
            f"{candidate.start}–{candidate.end}",
            decimals(candidate.score, 2),
            bar + decimals(known.uncertainty, 2),
            self._votes(item),
            escape(self.decided_by(item)) + badge,
        )

    def _votes(self, item: VerifiedCandidate) -> str:
        votes, label = item.candidate.votes, item.candidate.label
        lines = [f"{member}: {self.labels.name(vote)}" for member, vote in votes.items()] + self._no_votes(item)
        agree = sum(vote == label for vote in votes.values())
        dots = "●" * agree + "○" * (len(votes) - agree)
        items = "".join(f"<li>{escape(line)}</li>" for line in lines)
        return (
            f"<details><summary>{agree}/{len(votes)} <span aria-hidden='true'>{dots}</span></summary><ul>{items}</ul></details>"
        )
