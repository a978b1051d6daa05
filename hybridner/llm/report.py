"""Counting what the LLM stage did, and the report of its cost and latency (the paper's section 3.5)."""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hybridner.llm.prices import Price, Usage, usage_from_answer
from hybridner.llm.verifier import Answer

#: Spans asked about in questions about several, before an LLM is judged by whether it keeps their form.
_FORM_TRIED = 20
#: Calls whose latencies are kept, the last ones.
_LATENCIES = 100_000


@dataclass(frozen=True)
class LlmReport:
    """What the stage did so far, and what that cost (section 3.5).

    Attributes:
        texts, texts_routed: texts seen, and those with at least one span routed.
        entities, entities_routed: entities of the local result, and those of them that were routed.
        spans_routed: routed candidates of all kinds.
        pieces_routed: pieces of text (sentences, as a rule) that the LLM read as a whole, as a member.
        calls: questions that were answered by a call (in a replay: by the record of one); `cached` were answered without one.
        attempts: requests sent for all questions, including those that failed.
        failed: questions without an answer; `unparsed` answers that were none of the labels.
        prompt_tokens, completion_tokens: as counted by the servers; `cached_prompt_tokens` of them from their own prompt caches.
        saved_calls, saved_tokens: calls and tokens that asking about several spans in one question saved; estimated.
        seconds: time spent in calls, added up; `p50`, `p95` of one call.
        models: how many answers each served model gave.
        all_calls, all_prompt_tokens, all_completion_tokens: what sending every text to the LLM would have used; estimated, see
            `UsageStats.report`.
        cost, all_cost, currency: price of both, None where the price is not known.
        cached: questions that were answered without a call.
        unparsed: answers that were none of the labels.
        truncated: answers that were cut at the token limit; what was read before the cut counts.
        cached_prompt_tokens: of `prompt_tokens`, those that the servers had in their own prompt caches.
        p50, p95: seconds of one call, median and 95th percentile (of the last 100,000 calls).

    Examples:
        >>> candidates = [prediction.candidates for prediction in model.predict([text])]
        >>> with LlmStage(llm, labels, LlmSettings(threshold=0.0)) as stage:
        ...     results = stage.run([text], candidates)
        ...     report = stage.report()
        >>> report.texts, report.entities, report.entity_share
        (1, 2, 1.0)
    """

    texts: int
    texts_routed: int
    entities: int
    entities_routed: int
    spans_routed: int
    pieces_routed: int
    calls: int
    cached: int
    attempts: int
    failed: int
    unparsed: int
    truncated: int
    prompt_tokens: int
    completion_tokens: int
    cached_prompt_tokens: int
    saved_calls: int
    saved_tokens: int
    seconds: float
    p50: float | None
    p95: float | None
    models: dict[str, int]
    all_calls: int
    all_prompt_tokens: int
    all_completion_tokens: int
    cost: float | None
    all_cost: float | None
    currency: str

    @property
    def entity_share(self) -> float:
        """RoutedCandidate share of the local entities, in [0, 1]."""
        return self.entities_routed / self.entities if self.entities else 0.0

    @property
    def text_share(self) -> float:
        """Share of texts with a routed span, in [0, 1]."""
        return self.texts_routed / self.texts if self.texts else 0.0

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "entity_share": self.entity_share, "text_share": self.text_share}

    def to_markdown(self) -> str:
        """A table: this run beside sending every text to the LLM (where this run did not do just that)."""
        all_seconds = "–" if self.p50 is None else f"{self.p50 * self.all_calls:.1f} (estimated)"
        rows: list[tuple[str, ...]] = [
            ("", "this run", "every text (estimated)"),
            ("---", "---:", "---:"),
            ("texts sent", f"{self.texts_routed} of {self.texts} ({self.text_share:.1%})", f"{self.texts} (100.0%)"),
            ("entities sent", f"{self.entities_routed} of {self.entities} ({self.entity_share:.1%})", "–"),
            ("spans asked about", f"{self.spans_routed}", "–"),
            ("sentences read as a member", f"{self.pieces_routed}", "–"),
            ("calls / tokens saved by asking about several spans at once", f"{self.saved_calls} / {self.saved_tokens}", "–"),
            ("calls", f"{self.calls} (+ {self.cached} without a call)", f"{self.all_calls}"),
            ("requests, with repeats", f"{self.attempts}", "–"),
            ("failed / unparsed / cut at the token limit", f"{self.failed} / {self.unparsed} / {self.truncated}", "–"),
            ("tokens in", f"{self.prompt_tokens}", f"{self.all_prompt_tokens}"),
            ("of them in the server's prompt cache", f"{self.cached_prompt_tokens}", "as large a share"),
            ("tokens out", f"{self.completion_tokens}", f"{self.all_completion_tokens}"),
            ("price", _money(self.cost, self.currency), _money(self.all_cost, self.currency)),
            ("seconds in calls", f"{self.seconds:.1f}", all_seconds),
            ("latency p50 / p95 (s)", f"{_seconds(self.p50)} / {_seconds(self.p95)}", "–"),
        ]
        if not self.all_calls:
            rows = [row[:2] for row in rows]
        served = ", ".join(f"{name} ({count})" for name, count in sorted(self.models.items())) or "none"
        return "\n".join(f"| {' | '.join(row)} |" for row in rows) + f"\n\nModels that answered: {served}.\n"


class UsageStats:
    """Counts over the life of a stage; safe for threads, and of a size that does not grow with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._models: Counter[str] = Counter()
        self._seconds = 0.0
        self._latencies: deque[float] = deque(maxlen=_LATENCIES)
        self._spent = self._whole = self._saved = Usage()
        self._estimated_prompt = 0
        self._missing: dict[str, None] = {}

    def add(self, **counts: int) -> None:
        """Add to counts named as in `LlmReport`."""
        with self._lock:
            self._counts.update(counts)

    def record_answer(self, answer: Answer, estimate: int) -> None:
        """A call brought this answer; its prompt was estimated to have so many tokens."""
        with self._lock:
            self._counts["attempts"] += answer.attempts
            self._counts["truncated"] += answer.truncated
            self._spent += usage_from_answer(answer)
            self._seconds += answer.latency
            self._latencies.append(answer.latency)
            self._models[answer.model] += 1
            self._estimated_prompt += estimate if answer.prompt_tokens else 0

    def record_cached(self) -> None:
        """A question was answered without a call."""
        self.add(cached=1)

    def record_failure(self, attempts: int = 0) -> None:
        """A question got no answer."""
        self.add(failed=1, attempts=attempts)

    def record_missing(self, key: str) -> None:
        """A question was not in the record that is replayed."""
        with self._lock:
            self._counts["failed"] += 1
            self._missing[key] = None

    def add_baseline(self, usage: Usage) -> None:
        """What sending a whole text to the LLM would use, estimated."""
        with self._lock:
            self._whole += usage

    def add_saved(self, usage: Usage) -> None:
        """What asking about several spans at once saved, estimated."""
        with self._lock:
            self._saved += usage

    @property
    def keeps_form(self) -> bool:
        """Whether answers about several spans at once can be read, as far as is known."""
        with self._lock:
            return self._counts["several"] < _FORM_TRIED or 2 * self._counts["several_unread"] <= self._counts["several"]

    @property
    def missing(self) -> tuple[str, ...]:
        """Keys of the questions that a replay lacked."""
        with self._lock:
            return tuple(self._missing)

    def report(self, price: Price | None) -> LlmReport:
        """The counts so far.

        What every text would cost is estimated from its prompt; where calls were made, the estimate is scaled by how far the
        estimates of those were off, and the same share is taken to be in the server's prompt cache.
        """
        with self._lock:
            counts, spent = self._counts, self._spent
            scale = spent.prompt_tokens / self._estimated_prompt if self._estimated_prompt and spent.prompt_tokens else 1.0
            prompt = round(self._whole.prompt_tokens * scale)
            cached = round(prompt * spent.cached_prompt_tokens / spent.prompt_tokens) if spent.prompt_tokens else 0
            whole = Usage(self._whole.calls, prompt, self._whole.completion_tokens, cached)
            latencies = sorted(self._latencies)
            return LlmReport(
                texts=counts["texts"],
                texts_routed=counts["texts_routed"],
                entities=counts["entities"],
                entities_routed=counts["entities_routed"],
                spans_routed=counts["spans_routed"],
                pieces_routed=counts["pieces_routed"],
                calls=spent.calls,
                cached=counts["cached"],
                attempts=counts["attempts"],
                failed=counts["failed"],
                unparsed=counts["unparsed"],
                truncated=counts["truncated"],
                prompt_tokens=spent.prompt_tokens,
                completion_tokens=spent.completion_tokens,
                cached_prompt_tokens=spent.cached_prompt_tokens,
                saved_calls=self._saved.calls,
                saved_tokens=self._saved.tokens,
                seconds=self._seconds,
                p50=_quantile(latencies, 0.5),
                p95=_quantile(latencies, 0.95),
                models=dict(self._models),
                all_calls=whole.calls,
                all_prompt_tokens=whole.prompt_tokens,
                all_completion_tokens=whole.completion_tokens,
                cost=price.of(spent) if price else None,
                all_cost=price.of(whole) if price else None,
                currency=price.currency if price else "",
            )


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest-rank quantile of sorted numbers."""
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None


def _money(cost: float | None, currency: str) -> str:
    return "price unknown" if cost is None else f"{cost:.4f} {currency}"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
