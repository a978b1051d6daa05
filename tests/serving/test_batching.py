"""Texts of concurrent requests are read together; what is said of the batcher holds for any of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridner.serving.batching import Batcher, OverloadedError, TooSlowError

LONG = 60.0


class Gate:
    """Reads texts as their lengths, the first batch only when it is opened; keeps what was read together."""

    def __init__(self) -> None:
        self.opened, self.started = threading.Event(), threading.Event()
        self.batches: list[tuple[list[str], Any]] = []

    def __call__(self, texts: Sequence[str], options: Any) -> list[int]:
        self.batches.append((list(texts), options))
        self.started.set()
        assert self.opened.wait(LONG)
        if any("poison" in text for text in texts):
            raise ArithmeticError("it was poison")
        return [len(text) for text in texts]


def with_gate(steps: Callable[[Batcher[Any, int], Gate], Any], **limits: Any) -> tuple[Any, list[tuple[list[str], Any]]]:
    """What the steps give, run while one batch of one text ("first") is being read, and all batches after that one."""

    async def main() -> Any:
        gate = Gate()
        batcher: Batcher[Any, int] = Batcher(gate, **{"workers": 1, **limits})
        try:
            first = asyncio.create_task(batcher.submit(["first"], None, LONG))
            await asyncio.to_thread(gate.started.wait, LONG)
            result = await steps(batcher, gate)
            assert await first == [5]
            return result, gate.batches[1:]
        finally:
            gate.opened.set()
            await batcher.close()

    return asyncio.run(main())


async def submitted(batcher: Batcher[Any, int], *requests: tuple[Sequence[str], Any]) -> list[asyncio.Task[list[int]]]:
    """The requests, on their way in this order."""
    tasks = [asyncio.create_task(batcher.submit(texts, options, LONG)) for texts, options in requests]
    await asyncio.sleep(0)
    return tasks


def test_what_waits_together_is_read_together() -> None:
    async def steps(batcher: Batcher[Any, int], gate: Gate) -> Any:
        tasks = await submitted(batcher, (["a", "bb"], None), (["ccc"], None), ([], None))
        assert batcher.waiting == 3
        gate.opened.set()
        return await asyncio.gather(*tasks)

    assert with_gate(steps) == ([[1, 2], [3], []], [(["a", "ccc", "bb"], None)])


def test_requests_take_turns_so_that_a_long_list_holds_nobody_up() -> None:
    async def steps(batcher: Batcher[Any, int], gate: Gate) -> Any:
        tasks = await submitted(batcher, (["x"] * 6, None), (["aa"], None), (["bbb"], None))
        gate.opened.set()
        return await asyncio.gather(*tasks)

    results, batches = with_gate(steps, max_batch=2)
    assert results == [[1] * 6, [2], [3]]
    assert [texts for texts, _ in batches] == [["x", "aa"], ["bbb", "x"], ["x", "x"], ["x", "x"]]


def test_only_texts_with_the_same_options_share_a_batch() -> None:
    async def steps(batcher: Batcher[Any, int], gate: Gate) -> Any:
        tasks = await submitted(batcher, (["a"], "flat"), (["bb"], "nested"), (["ccc"], "flat"))
        gate.opened.set()
        return await asyncio.gather(*tasks)

    assert with_gate(steps) == ([[1], [2], [3]], [(["a", "ccc"], "flat"), (["bb"], "nested")])


def test_a_batch_has_bounded_characters_unless_one_text_has_more() -> None:
    async def steps(batcher: Batcher[Any, int], gate: Gate) -> Any:
        tasks = await submitted(batcher, (["x" * 30], None), (["a" * 6], None), (["b" * 6], None))
        gate.opened.set()
        return await asyncio.gather(*tasks)

    results, batches = with_gate(steps, max_characters=10)
    assert results == [[30], [6], [6]]
    assert [list(map(len, texts)) for texts, _ in batches] == [[30], [6], [6]]


def test_too_many_waiting_texts_are_refused_and_the_others_answered() -> None:
    async def steps(batcher: Batcher[Any, int], gate: Gate) -> Any:
        tasks = await submitted(batcher, (["a", "b"], None))
        with pytest.raises(OverloadedError, match=r"2 texts wait already, and at most 3 may; send these 2 again later"):
            await batcher.submit(["c", "d"], None, LONG)
        tasks += await submitted(batcher, (["ccc"], None))
        gate.opened.set()
        return await asyncio.gather(*tasks)

    results, batches = with_gate(steps, max_waiting=3)
    assert results == [[1, 1], [3]]
    assert len(batches) == 1


def test_what_takes_too_long_is_not_read_any_more() -> None:
    async def steps(batcher: Batcher[Any, int], gate: Gate) -> Any:
        with pytest.raises(TooSlowError, match=r"within 0\.01 seconds"):
            await batcher.submit(["late"], None, 0.01)
        gone = asyncio.create_task(batcher.submit(["gone"], None, LONG))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        assert batcher.waiting == 0
        tasks = await submitted(batcher, (["a"], None))
        gate.opened.set()
        return await asyncio.gather(*tasks)

    assert with_gate(steps) == ([[1]], [(["a"], None)])


def test_a_text_that_cannot_be_read_fails_alone() -> None:
    async def steps(batcher: Batcher[Any, int], gate: Gate) -> Any:
        tasks = await submitted(batcher, (["a"], None), (["bb", "poison"], None), (["ccc"], None))
        gate.opened.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results, _ = with_gate(steps)
    assert results[0] == [1]
    assert results[2] == [3]
    assert isinstance(results[1], ArithmeticError)


def test_the_workers_live_on_after_a_failure_and_say_when_they_do_not() -> None:
    async def main() -> None:
        batcher: Batcher[None, int] = Batcher(lambda texts, _: [1] * len(texts), workers=2)
        assert batcher.is_alive
        assert await batcher.submit(["a"], None, LONG) == [1]
        await batcher.close()
        assert not batcher.is_alive

    asyncio.run(main())


@settings(max_examples=60, deadline=None)
@given(
    requests=st.lists(st.tuples(st.lists(st.text(max_size=6), max_size=5), st.sampled_from("xy")), max_size=12),
    max_batch=st.integers(1, 5),
    workers=st.integers(1, 3),
)
def test_every_request_gets_its_own_answer_and_every_text_is_read_once(
    requests: list[tuple[list[str], str]], max_batch: int, workers: int
) -> None:
    read: list[str] = []

    def reading(texts: Sequence[str], options: str) -> list[tuple[str, str]]:
        assert 1 <= len(texts) <= max_batch
        read.extend(texts)
        return [(text, options) for text in texts]

    async def main() -> list[list[tuple[str, str]]]:
        batcher: Batcher[str, tuple[str, str]] = Batcher(reading, max_batch=max_batch, workers=workers)
        try:
            return await asyncio.gather(*(batcher.submit(texts, options, LONG) for texts, options in requests))
        finally:
            await batcher.close()

    assert asyncio.run(main()) == [[(text, options) for text in texts] for texts, options in requests]
    assert sorted(read) == sorted(text for texts, _ in requests for text in texts)
