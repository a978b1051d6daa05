"""From texts to logits of their characters: windows, batches of windows, forward passes, logits put together again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from hybridner.errors import ModelError
from hybridner.text import CharacterVocabulary, Window, cut_windows

#: Most characters of a window. Attention makes longer ones dearer, whatever an encoder could take;
#: `python -m benchmarks.long_texts` measures what a character costs.
_WINDOW = 160
#: Characters seen beyond the border of a window that falls inside a sentence.
_CONTEXT = 16


@dataclass(frozen=True)
class WindowBatch:
    """Windows of similar length that go through the members together.

    Attributes:
        input_ids: [B, V, n + 2] int64, one layer for each of the V vocabularies.
        attention_mask: [B, n + 2] int64.
        windows: for each row, the number of its text and the window.
    """

    input_ids: Tensor
    attention_mask: Tensor
    windows: list[tuple[int, Window]]


class CharacterReader(Protocol):
    """What gives numbers for each character of a batch of windows: a composite, or a part of one."""

    vocabularies: list[CharacterVocabulary]

    @property
    def max_characters(self) -> int: ...

    def character_logits(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]: ...


def windows_of(text: str, max_characters: int) -> list[Window]:
    """The windows in which a text is read by an encoder that takes so many characters."""
    size = min(max_characters, _WINDOW)
    return cut_windows(text, size, min(_CONTEXT, size // 4))


def window_batches(
    texts: Sequence[str], vocabularies: Sequence[CharacterVocabulary], max_characters: int, batch_size: int
) -> Iterator[WindowBatch]:
    """Cut all texts into windows and batch these by length, longest first (so that memory runs out at once or never)."""
    windows = [(number, window) for number, text in enumerate(texts) for window in windows_of(text, max_characters)]
    return batched(texts, windows, vocabularies, batch_size)


def batched(
    texts: Sequence[str], windows: Iterable[tuple[int, Window]], vocabularies: Sequence[CharacterVocabulary], batch_size: int
) -> Iterator[WindowBatch]:
    """Batches of windows, by length."""
    by_length = sorted(windows, key=lambda item: item[1].start - item[1].end)
    for offset in range(0, len(by_length), batch_size):
        rows = by_length[offset : offset + batch_size]
        width = rows[0][1].end - rows[0][1].start + 2
        input_ids = np.empty((len(rows), len(vocabularies), width), dtype=np.int64)
        mask = np.zeros((len(rows), width), dtype=np.int64)
        for row, (number, window) in enumerate(rows):
            mask[row, : window.end - window.start + 2] = 1
            for layer, vocabulary in enumerate(vocabularies):
                tokens = vocabulary.encode(texts[number][window.start : window.end])
                input_ids[row, layer, : len(tokens)] = tokens
                input_ids[row, layer, len(tokens) :] = vocabulary.pad
        yield WindowBatch(torch.from_numpy(input_ids), torch.from_numpy(mask), rows)


def read_windows(
    model: CharacterReader, texts: Sequence[str], windows: Iterable[tuple[int, Window]], batch_size: int
) -> dict[int, list[Tensor]]:
    """The members' logits of the characters that windows own.

    Args:
        model: a composite, or a part of one.
        texts: any strings.
        windows: the number of a text and a window of it; the windows of one text follow each other.
        batch_size: windows per forward pass.

    Returns:
        for each text with a window and each member [characters, D] in single precision.

    Raises:
        ModelError: logits that are no finite numbers.
    """
    pieces: dict[int, list[tuple[int, list[Tensor]]]] = {}
    for batch in batched(texts, windows, model.vocabularies, batch_size):
        logits = [part.float() for part in model.character_logits(batch.input_ids, batch.attention_mask)]
        for part in logits:
            if not part.sum().isfinite():
                raise ModelError(
                    "the model's scores are no finite numbers: its weights are damaged, or too large for the precision that it "
                    "runs in; load it in float32, or fetch it again"
                )
        for row, (number, window) in enumerate(batch.windows):
            own = slice(window.own_start - window.start, window.own_end - window.start)
            pieces.setdefault(number, []).append((window.own_start, [part[row, own] for part in logits]))
    return {
        number: concatenated([parts for _, parts in sorted(found, key=lambda piece: piece[0])])
        for number, found in pieces.items()
    }


def text_logits(model: CharacterReader, texts: Sequence[str], batch_size: int) -> list[list[Tensor]]:
    """For each text and member the logits of all its characters, [len(text), D] in single precision; [] for an empty text."""
    windows = [(number, window) for number, text in enumerate(texts) for window in windows_of(text, model.max_characters)]
    found = read_windows(model, texts, windows, batch_size)
    return [found.get(number, []) for number in range(len(texts))]


def concatenated(pieces: Sequence[list[Tensor]]) -> list[Tensor]:
    """The members' logits of pieces of a text that follow each other, as those of one piece."""
    return pieces[0] if len(pieces) == 1 else [torch.cat(parts) for parts in zip(*pieces, strict=True)]
