"""The LLM's part as HTML: what it would be sent and what that costs, and what came of its answers."""

from __future__ import annotations

from collections import Counter

from hybridner.display import escape
from hybridner.ensemble import KINDS, FixedThreshold, Threshold
from hybridner.llm import FailureKind, Plan
from hybridner.space.analyzed_text import AnalyzedText
from hybridner.space.analyzer import DEFAULT_LLM
from hybridner.space.fragments import decimals, note, small_print
from hybridner.space.label_display import LabelDisplay
from hybridner.space.llm_request import LlmOutcome
from hybridner.space.texts import PageTexts


def threshold_text(threshold: Threshold, texts: PageTexts) -> str:
    """The threshold in a few words: τ = 0.30, or that each type has its own."""
    if isinstance(threshold, FixedThreshold) and threshold.by_label:
        return texts("preview.threshold_by_label")
    return texts("preview.threshold", threshold=decimals(threshold.value(), 2))


def failure_text(kind: FailureKind, reason: str | None, texts: PageTexts) -> str:
    """Why there is no answer, in the visitor's language; a reason is what the server itself said."""
    return texts(f"failures.{kind.value}", reason=reason or "–")


def preview(analyzed: AnalyzedText, plan: Plan, threshold: Threshold, model: str, calls_limit: int, texts: PageTexts) -> str:
    """How many spans would go to the LLM and what that would cost; always of the same height, however the slider moves."""
    routed = [*(item for call in plan.calls for item in call.routed), *plan.over_budget]
    values = {"threshold": threshold_text(threshold, texts), "candidates": len(analyzed.local)}
    if not routed:
        return _preview_box(texts("preview.none", **values), texts("preview.free"), 0, 0)
    counts = Counter(item.kind for item in routed)
    kinds = texts("list_separator").join(f"{texts(f'kinds.{kind}')} {counts[kind]}" for kind in KINDS if counts[kind])
    usage = plan.usage
    costs = [
        texts(
            "preview.calls",
            calls=usage.calls,
            tokens_in=f"{usage.prompt_tokens:,}",
            tokens_out=f"{usage.completion_tokens:,}",
        )
    ]
    model = model.strip() or DEFAULT_LLM
    if plan.cost is not None and plan.price is not None:
        cost = decimals(plan.cost, 5)
        costs.append(texts("preview.cost", cost=cost, currency=plan.price.currency, model=model))
    else:
        costs.append(texts("preview.no_price", model=model))
    if (most := plan.max_usage.calls) > usage.calls:
        costs.append(texts("preview.retries", requests=most))
    if cached := sum(call.cached for call in plan.calls):
        costs.append(texts("preview.cached", cached=cached))
    if plan.over_budget:
        costs.append(texts("preview.over_limit", limit=calls_limit, over=len(plan.over_budget)))
    summary = texts("preview.routed", routed=len(routed), kinds=kinds, **values)
    return _preview_box(summary, " ".join(costs), len(routed), round(100 * len(routed) / max(len(analyzed.local), 1)))


def outcome_notes(outcome: LlmOutcome, texts: PageTexts) -> str:
    """What came of the LLM's answers, as one note or two."""
    report = outcome.report
    notes = []
    if report.calls or report.cached:
        cost = "" if report.cost is None else texts("llm.cost", cost=decimals(report.cost, 5), currency=report.currency)
        tokens = f"{report.prompt_tokens + report.completion_tokens:,}"
        notes.append(
            note(
                texts("llm.answered", calls=report.calls, cached=report.cached, changed=outcome.changed, tokens=tokens, cost=cost)
            )
        )
    elif not outcome.failed:
        notes.append(note(texts("llm.nothing_to_ask")))
    if outcome.failed:
        parts = [texts("llm.unanswered", failed=outcome.failed)]
        parts += [failure_text(kind, reason, texts) for kind, reason in outcome.reasons.items()]
        if not report.calls:
            parts.append(texts("llm.local_stands"))
        notes.append(note(" ".join(parts), "problem"))
    return "".join(notes)


def changes_table(analyzed: AnalyzedText, labels: LabelDisplay) -> str:
    """What the LLM changed and what it would have had otherwise: word, before, after, its answer, and whether that was new."""
    if not analyzed.has_llm:
        return ""
    texts = labels.texts
    changed = {(item.candidate.start, item.candidate.end): (before, after) for before, after, item in analyzed.llm_changes}
    rows = []
    for item in analyzed.final:
        candidate, known = item.candidate, item.provenance
        before, after = changed.get((candidate.start, candidate.end), (known.local_label, known.local_label))
        if before == after and known.llm_label in (None, known.local_label):
            continue
        answer = texts("changes.no_answer") if known.llm_label is None else labels.name(known.llm_label)
        cells = (
            analyzed.text[candidate.start : candidate.end],
            labels.name(before),
            labels.name(after) if before != after else texts("changes.unchanged"),
            answer,
            texts(f"changes.{'cached' if known.status == 'cached' else 'asked'}") if known.llm_label is not None else "–",
        )
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    title = f"<h3>{escape(texts('changes.title'))}</h3>"
    if not rows:
        return title + small_print(texts("changes.none"))
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in texts.group("change_columns").values())
    return (
        f'{title}<div class="hn-frame" tabindex="0" role="region" aria-label="{escape(texts("changes.title"))}">'
        f'<table class="hn-table"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _preview_box(summary: str, costs: str, routed: int, percent: int) -> str:
    return (
        f'<div class="hn-preview" data-routed="{routed}">{escape(summary)}'
        f'<span class="hn-share" aria-hidden="true"><i style="width:{percent}%"></i></span><small>{escape(costs)}</small></div>'
    )
