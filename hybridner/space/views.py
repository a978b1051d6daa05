"""From a reading to what the page shows: marked text with a legend, the table, the routing preview, notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from hybridner.ensemble import KINDS, Kind, Threshold
from hybridner.llm import Plan, VerifiedCandidate
from hybridner.space.colours import label_colours
from hybridner.space.markup import Hint, Mark, escape, marked
from hybridner.space.reading import Reading, is_doubtful, other_routed
from hybridner.space.service import DEFAULT_LLM, LlmOutcome
from hybridner.space.wording import Wording, wording
from hybridner.spans import NON_ENTITY, Label, LabelSet


class Views:
    """HTML in one language, for one label set.

    Args:
        labels: the model's entity types.
        language: "zh" or "en".
    """

    def __init__(self, labels: LabelSet, language: object) -> None:
        self.words: Wording = wording(language)
        self.language = "en" if language == "en" else "zh"
        self._labels = labels
        self._colours = label_colours(labels.names)
        chinese = {label.name: label.title or label.name for label in labels.labels}
        self._names = dict.fromkeys(chinese) if language == "en" else chinese

    def name(self, label: str) -> str:
        """What a label is called in this language."""
        return self.words.tip_no_vote if label == NON_ENTITY else self._names.get(label) or label

    def about(self, members: Sequence[str]) -> str:
        """What the model knows, in a line that opens to its entity types and members."""
        words = self.words
        domain = words.about_domain.format(domain=self._labels.domain) if self._labels.domain else ""
        said = words.about.format(domain=domain, labels=len(self._labels))
        who = words.about_members.format(members=", ".join(members))
        return (
            f'<details class="hn-about"><summary>{escape(said)}</summary>{self.types()}{quiet(who)}</details>'
            f'<a class="hn-jump" href="#settings">{escape(words.to_settings)}</a>'
        )

    def types(self) -> str:
        """All entity types in their colours; hovering one shows what belongs to it."""
        return f'<p class="hn-types">{" ".join(map(self._type, self._labels.labels))}</p>'

    def _type(self, label: Label) -> str:
        tip = f' tabindex="0" data-tip="{escape(label.description)}"' if label.description else ""
        style = self._colours[label.name].style
        return f'<span class="hn-chip" style="{style}"{tip}>{escape(self.name(label.name))}</span>'

    def text(self, reading: Reading, threshold: Threshold, *, with_hints: bool = True) -> str:
        """The text with its marks, and the legend below it."""
        marks = [self._mark(item, threshold) for item in reading.entities]
        others = other_routed(reading, threshold) if with_hints else []
        hints = [Hint(item.candidate.start, item.candidate.end, self._tip(item, threshold, kind)) for item, kind in others]
        empty = "" if marks else f'<p class="hn-quiet">{escape(self.words.none_found)}</p>'
        body = marked(reading.text, marks, hints)
        return f'<div class="hn-text" lang="zh">{body}</div>{empty}{self._legend(marks, bool(hints), reading.entities)}'

    def _mark(self, item: VerifiedCandidate, threshold: Threshold) -> Mark:
        candidate, known = item.candidate, item.provenance
        return Mark(
            candidate.start,
            candidate.end,
            self.name(candidate.label),
            self._colours[candidate.label].style,
            self._tip(item, threshold),
            is_doubtful(item, threshold),
            known.source == "llm",
        )

    def _tip(self, item: VerifiedCandidate, threshold: Threshold, kind: Kind | None = None) -> str:
        words, candidate, known = self.words, item.candidate, item.provenance
        lines = [words.tip_hint.format(kind=words.kinds[kind])] if kind else []
        if candidate.label != NON_ENTITY:
            lines.append(words.tip_type.format(label=self._full_name(candidate.label)))
        lines.append(words.tip_score.format(score=candidate.score, uncertainty=known.uncertainty))
        lines.append(words.tip_votes)
        lines += [f"  {member} → {self.name(vote)}" for member, vote in candidate.votes.items()]
        lines.append(words.tip_decided.format(source=self.source(item)))
        if known.llm_error:
            lines.append(words.tip_llm.format(error=known.llm_error))
        if is_doubtful(item, threshold):
            lines.append(words.tip_routed)
        return "\n".join(lines)

    def _full_name(self, label: str) -> str:
        name = self.name(label)
        return name if name == label else f"{name} ({label})"

    def source(self, item: VerifiedCandidate) -> str:
        """Who decided, in words."""
        known = item.provenance
        if known.source == "llm":
            return self.words.source_llm.format(model=known.model or "LLM")
        if known.llm_label is not None and known.llm_label != item.candidate.label:
            return self.words.source_held.format(label=self.name(known.llm_label))
        return self.words.source_local

    def _legend(self, marks: Sequence[Mark], hints: bool, entities: Sequence[VerifiedCandidate]) -> str:
        if not marks and not hints:
            return ""
        counts = Counter(item.candidate.label for item in entities)
        words = self.words
        entries = [
            f'<li><span class="hn-chip" style="{self._colours[label].style}">{escape(self.name(label))}</span> {count}</li>'
            for label, count in counts.most_common()
        ]
        if any(mark.doubtful for mark in marks):
            entries.append(f'<li><span class="hn-chip hn-doubt hn-plain">{escape(words.legend_doubt)}</span></li>')
        if hints:
            entries.append(f'<li><span class="hn-hint">{escape(words.legend_hint)}</span></li>')
        if any(mark.by_llm for mark in marks):
            entries.append(f'<li><span class="hn-chip hn-by-llm hn-plain">{escape(words.legend_llm)}</span></li>')
        return f'<ul class="hn-legend" aria-label="{escape(words.legend)}">{"".join(entries)}</ul>'

    def table(self, reading: Reading, threshold: Threshold) -> str:
        """One row for each entity; on a narrow page the style sheet turns rows into cards."""
        if not reading.entities:
            return ""
        columns = self.words.columns
        head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
        rows = "".join(
            "<tr>"
            + "".join(f'<td data-column="{escape(c)}">{cell}</td>' for c, cell in zip(columns, cells, strict=True))
            + "</tr>"
            for cells in (self._cells(reading.text, item, threshold) for item in reading.entities)
        )
        return f'<table class="hn-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'

    def _cells(self, text: str, item: VerifiedCandidate, threshold: Threshold) -> tuple[str, ...]:
        candidate, known, words = item.candidate, item.provenance, self.words
        doubtful = is_doubtful(item, threshold)
        review = f' <span class="hn-review">{escape(words.review)}</span>' * doubtful
        width = round(100 * known.uncertainty)
        style = self._colours[candidate.label].style
        return (
            f"<b>{escape(text[candidate.start : candidate.end])}</b>",
            f'<span class="hn-chip" style="{style}">{escape(self.name(candidate.label))}</span>',
            f"{candidate.start}–{candidate.end}",
            f"{candidate.score:.2f}",
            f'<span class="hn-bar{" hn-over" * doubtful}"><i style="width:{width}%"></i></span>{known.uncertainty:.2f}',
            self._votes(item),
            escape(self.source(item)) + review,
        )

    def _votes(self, item: VerifiedCandidate) -> str:
        votes, label = item.candidate.votes, item.candidate.label
        lines = "".join(f"<li>{escape(member)}: {escape(self.name(vote))}</li>" for member, vote in votes.items())
        agree = sum(vote == label for vote in votes.values())
        dots = "●" * agree + "○" * (len(votes) - agree)
        return (
            f"<details><summary>{agree}/{len(votes)} <span aria-hidden='true'>{dots}</span></summary><ul>{lines}</ul></details>"
        )

    def preview(self, reading: Reading, plan: Plan, threshold: Threshold, model: str, calls_limit: int) -> str:
        """How many spans would be routed and what that would cost; always of the same height, however the slider moves."""
        words = self.words
        routed = [item for call in plan.calls for item in call.routed]
        count, candidates = len(routed) + len(plan.over_budget), len(reading.local)
        if not count:
            none = words.preview_none.format(threshold=threshold.value(), candidates=candidates)
            return _preview(none, words.preview_free, 0, 0)
        by_kind = Counter(item.kind for item in (*routed, *plan.over_budget))
        kinds = ", ".join(f"{words.kinds[kind]} {by_kind[kind]}" for kind in KINDS if by_kind[kind])
        usage = plan.usage
        said = words.preview.format(
            threshold=threshold.value(),
            routed=count,
            candidates=candidates,
            kinds=kinds if self.language == "en" else kinds.replace(", ", "、"),
        )
        costs = words.preview_calls.format(
            calls=usage.calls, tokens_in=f"{usage.prompt_tokens:,}", tokens_out=f"{usage.completion_tokens:,}"
        )
        model = model.strip() or DEFAULT_LLM
        if plan.cost is not None and plan.price is not None:
            costs += words.preview_cost.format(cost=plan.cost, currency=plan.price.currency, model=model)
        else:
            costs += words.preview_no_price.format(model=model)
        if plan.over_budget:
            costs += " " + words.preview_over.format(limit=calls_limit, over=len(plan.over_budget))
        return _preview(said, costs, count, round(100 * count / max(candidates, 1)))

    def outcome(self, outcome: LlmOutcome) -> str:
        """What came of asking the LLM, as one note or two."""
        words, report = self.words, outcome.report
        notes = []
        if report.calls or report.cached:
            cost = "" if report.cost is None else f" ({report.cost:.5f} {report.currency})"
            tokens = f"{report.prompt_tokens + report.completion_tokens:,}"
            notes.append(note(words.asked.format(calls=report.calls, changed=outcome.changed, tokens=tokens, cost=cost)))
        elif not outcome.failed:
            notes.append(note(words.nothing_to_ask))
        if outcome.failed:
            reasons = " ".join(self._reason(reason, outcome.failed) for reason in outcome.reasons[:3])
            notes.append(note(f"{reasons} {words.local_stands}" if not report.calls else reasons, "problem"))
        return "".join(notes)

    def _reason(self, reason: str, failed: int) -> str:
        words = self.words
        if reason.startswith(("HTTP 401", "HTTP 402", "HTTP 403", "HTTP 404")):
            return words.llm_refused.format(reason=reason)
        if reason.startswith("no connection"):
            return words.llm_dead.format(reason=reason)
        if reason.startswith(("no answer within", "not answered within")):
            return words.llm_slow.format(reason=reason)
        return words.llm_failed.format(failed=failed, reason=reason)

    def file_summary(self, readings: Sequence[Reading], threshold: Threshold, shown: int) -> str:
        """Counts over a file, and its first texts with their marks."""
        entities = [item for reading in readings for item in reading.entities]
        review = sum(is_doubtful(item, threshold) for item in entities)
        done = self.words.file_done.format(
            texts=len(readings), entities=len(entities), review=review, threshold=threshold.value()
        )
        first = list(readings[:shown])
        heading = f'<p class="hn-quiet">{escape(self.words.file_first.format(count=len(first)))}</p>'
        return note(done) + heading + "".join(map(_boxed, self._plain_texts(first, threshold)))

    def _plain_texts(self, readings: Sequence[Reading], threshold: Threshold) -> Iterable[str]:
        for reading in readings:
            yield marked(reading.text, [self._mark(item, threshold) for item in reading.entities])


def _preview(said: str, costs: str, routed: int, percent: int) -> str:
    return (
        f'<div class="hn-preview" data-routed="{routed}">{escape(said)}'
        f'<span class="hn-share" aria-hidden="true"><i style="width:{percent}%"></i></span><small>{escape(costs)}</small></div>'
    )


def _boxed(body: str) -> str:
    return f'<div class="hn-text hn-small" lang="zh">{body}</div>'


def note(text: str, kind: str = "info") -> str:
    """A message on the page: "info" or "problem"; read out by screen readers."""
    role = "alert" if kind == "problem" else "status"
    return f'<div class="hn-note hn-{kind}" role="{role}">{escape(text)}</div>'


def quiet(text: str) -> str:
    """Small print."""
    return f'<p class="hn-quiet">{escape(text)}</p>'
