"""Figures of a service for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hybridner.hybrid.entity_dicts import Entity
from hybridner.llm import LlmReport

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
#: Of an LLM: what is counted, by its name in `LlmReport`.
_LLM_COUNTS = {
    "spans_routed": ("spans", "Doubtful spans that the LLM was to be asked about"),
    "pieces_routed": ("sentences", "Sentences that the LLM was to read as a member"),
    "calls": ("calls", "Questions that the LLM answered"),
    "cached": ("cached", "Questions that needed no call"),
    "failed": ("failed", "Questions without an answer"),
    "unparsed": ("unparsed", "Answers that were none of the labels"),
    "truncated": ("truncated", "Answers that were cut at the token limit"),
    "attempts": ("attempts", "Requests sent to the LLM, repeats included"),
    "prompt_tokens": ("prompt_tokens", "Tokens sent to the LLM, as its server counts"),
    "completion_tokens": ("completion_tokens", "Tokens that the LLM wrote, as its server counts"),
    "seconds": ("seconds", "Seconds in calls that were answered, added up"),
}


class Metrics:
    """What a service counts; `exposition` is what Prometheus reads.

    Args:
        model: facts about the model, such as its name, as labels of `hybridner_model_info`.
        waiting: how many texts wait just now.
    """

    def __init__(self, model: Mapping[str, str], waiting: Callable[[], int]) -> None:
        # A registry of its own: several services in one process do not meet.
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        Info("hybridner_model", "The model that is served", registry=self.registry).info(dict(model))
        self._requests = Counter(
            "hybridner_requests", "Requests answered, by route and status", ["route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "hybridner_request_seconds",
            "Seconds from a request to its answer",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._texts = Counter("hybridner_texts", "Texts read", registry=self.registry)
        self._characters = Counter("hybridner_characters", "Characters read", registry=self.registry)
        self._entities = Counter("hybridner_entities", "Entities found, by type", ["entity_group"], registry=self.registry)
        self._doubtful = Counter("hybridner_doubtful_entities", "Entities that need review", registry=self.registry)
        self._batch = Histogram("hybridner_batch_texts", "Texts read together", buckets=_SIZES, registry=self.registry)
        self._batch_seconds = Histogram(
            "hybridner_batch_seconds", "Seconds to read a batch", buckets=_SECONDS, registry=self.registry
        )
        Gauge("hybridner_waiting_texts", "Texts that wait for their turn", registry=self.registry).set_function(waiting)

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """One answer, whatever it was."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def count_batch(self, size: int, seconds: float) -> None:
        """One batch that was read."""
        self._batch.observe(size)
        self._batch_seconds.observe(seconds)

    def count_texts(self, texts: Sequence[str], rows: Sequence[Sequence[Entity]]) -> None:
        """Texts that were read, and what was found in them."""
        self._texts.inc(len(texts))
        self._characters.inc(sum(map(len, texts)))
        found: list[dict[str, Any]] = [entity for row in rows for entity in row]
        for entity in found:
            self._entities.labels(entity["entity_group"]).inc()
        self._doubtful.inc(sum(entity["needs_review"] for entity in found))

    def watch_llm(self, report: Callable[[], LlmReport], waiting: Callable[[], int], skipped: Callable[[], int]) -> None:
        """Give out an LLM's figures too.

        Args:
            report: what it has done so far.
            waiting: how many texts wait for it just now.
            skipped: about how many it was not asked, since too many waited.
        """
        self.registry.register(_LlmCollector(report, waiting, skipped))

    def exposition(self) -> bytes:
        """All figures in the text format of Prometheus."""
        return generate_latest(self.registry)


class _LlmCollector(Collector):
    """Counts that the LLM stage keeps, read when they are asked for."""

    def __init__(self, report: Callable[[], LlmReport], waiting: Callable[[], int], skipped: Callable[[], int]) -> None:
        self._report, self._waiting, self._skipped = report, waiting, skipped

    def collect(self) -> Iterator[Metric]:
        report = self._report()
        for field, (name, meaning) in _LLM_COUNTS.items():
            yield CounterMetricFamily(f"hybridner_llm_{name}", meaning, getattr(report, field))
        meaning = "Texts that the LLM was not asked about, since too many waited for it"
        yield CounterMetricFamily("hybridner_llm_skipped_texts", meaning, self._skipped())
        yield GaugeMetricFamily("hybridner_llm_waiting_texts", "Texts that wait for the LLM", self._waiting())
