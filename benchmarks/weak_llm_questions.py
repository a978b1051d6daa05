"""The questions of `benchmarks.weak_llm`, in the order in which they are asked, and asking them with a file of answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hybridner.llm import AnswerCache, Example, LlmSettings
from hybridner.llm.dispatcher import QuestionDispatcher
from hybridner.llm.example_choice import choose_examples
from hybridner.llm.report import UsageStats
from hybridner.llm.session import build_prompters
from hybridner.llm.similarity import CharacterVectors, span_features
from hybridner.llm.verifier import Answer, Question, Verifier, VerifierError
from hybridner.spans import LabelSet

Place = tuple[int, int]


@dataclass(frozen=True)
class Asked:
    """One question, and what it is about: spans of a text, or all of it."""

    text: str
    places: tuple[Place, ...]
    question: Question


class Questions:
    """The questions of each form, in the order in which they are asked."""

    def __init__(self, labels: LabelSet, spans: Sequence[tuple[str, Place]], sentences: Sequence[str]) -> None:
        self._prompters = build_prompters(labels, LlmSettings(template="zh", votes=2))
        self._spans, self._sentences = spans, sentences

    def single(self, number: int = 0) -> list[Asked]:
        return [self._ask(text, (place,), number) for text, place in self._spans]

    def several(self) -> list[Asked]:
        """Of the sentences with more than one span."""
        by_text: dict[str, list[Place]] = {}
        for text, place in self._spans:
            by_text.setdefault(text, []).append(place)
        return [self._ask(text, tuple(places)) for text, places in by_text.items() if len(places) > 1]

    def extraction(self) -> list[Asked]:
        return [Asked(text, (), self._prompters[0].build_extraction(text)) for text in self._sentences]

    def with_examples(self, examples: Sequence[Example], count: int, k: int = 6) -> list[Asked]:
        """The first spans, each after the labelled ones nearest by characters."""
        vectors = CharacterVectors([span_features(e.text, e.start, e.end) for e in examples])
        asked = []
        for text, place in self._spans[:count]:
            order = np.argsort(-vectors.similarities(span_features(text, *place)), kind="stable")[:200].tolist()
            asked.append(self._ask(text, (place,), examples=choose_examples(examples, order, k, text)))
        return asked

    def _ask(self, text: str, places: tuple[Place, ...], number: int = 0, examples: Sequence[Example] = ()) -> Asked:
        prompter = self._prompters[number]
        context = prompter.select_context(text, *places[0])
        return Asked(text, places, prompter.build_question(text, places, context, examples))


def ask_all(name: str, asked: Sequence[Asked], verifier: Verifier, cache: AnswerCache) -> list[Answer | None]:
    """The answers, None where there is none (yet)."""

    async def run() -> list[Answer | None]:
        dispatcher = QuestionDispatcher(verifier, cache, UsageStats())
        answers: list[Answer | None] = []
        started = time.monotonic()
        for number, one in enumerate(asked, 1):
            try:
                answers.append((await dispatcher.complete(one.question))[0])
            except VerifierError as error:
                answers.append(None)
                if cache.mode != "replay":
                    print(name, error, flush=True)
            if cache.mode != "replay" and number % 10 == 0:
                print(name, number, f"{time.monotonic() - started:.0f} s", flush=True)
        return answers

    return asyncio.run(run())


def choose_spans(
    texts: Sequence[str], strong: dict[str, dict[Place, str]], first: Sequence[str], count: int
) -> list[tuple[str, Place]]:
    """So many spans of whole sentences, beginning with some sentences, then in the order of the texts."""
    spans: list[tuple[str, Place]] = []
    for text in dict.fromkeys((*first, *texts)):
        if len(spans) >= count:
            break
        spans += [(text, place) for place in sorted(strong.get(text, ()))]
    return spans


def cost(answers: Sequence[Answer | None]) -> dict[str, Any]:
    """Calls, tokens and seconds of what was answered."""
    given = [answer for answer in answers if answer is not None]
    return {
        "calls": len(given),
        "prompt_tokens": sum(answer.prompt_tokens for answer in given),
        "cached_prompt_tokens": sum(answer.cached_prompt_tokens for answer in given),
        "completion_tokens": sum(answer.completion_tokens for answer in given),
        "cut": sum(answer.truncated for answer in given),
        **{f"seconds_p{p}": round(float(np.percentile([a.latency for a in given], p)), 1) for p in (50, 95) if given},
    }


def cost_of_all(strong: Mapping[str, Mapping[Place, str]], sentences: int, forms: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """What a whole file would take at the tokens that a call of each form took: routed spans, or every sentence read."""
    spans = [len(places) for places in strong.values()]
    alone = sum(count == 1 for count in spans)
    ways = {
        "one span a question": {"single": sum(spans)},
        "one sentence a question": {"single": alone, "several": len(spans) - alone},
        "one span a question, with examples": {"examples": sum(spans)},
        "every sentence read": {"extraction": sentences},
    }
    return {
        way: {
            "calls": sum(calls.values()),
            **{
                kind: round(sum(number * forms[form][kind] / forms[form]["calls"] for form, number in calls.items()))
                for kind in ("prompt_tokens", "completion_tokens")
            },
        }
        for way, calls in ways.items()
        if all(forms[form]["calls"] for form in calls)
    }
