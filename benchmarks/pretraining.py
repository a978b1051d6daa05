"""More masked-language-model pretraining of a small BERT, so that the encoder can be cut to fewer layers.

The loss is taken at several depths ("exits"): an encoder cut to its first 6 layers then ends at one that has learned to speak.
The lower exits learn half from the text and half from the distribution of the highest. Whole words are masked; jieba finds them.
What came of it: results/bundled.md.

    pip install jieba
    python -m benchmarks.pretraining ENCODER TEXT --output FOLDER --seconds 535
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel, AutoTokenizer, PreTrainedModel

from hybridner.text import CharacterVocabulary

#: Share of the characters that are masked, and that of the text that is held out.
MASKED, HELD_OUT = 0.2, 0.005
#: Characters of a row, and how often rows of this length are drawn: sentences are short, documents are not.
LENGTHS = {64: 0.2, 128: 0.4, 256: 0.3, 512: 0.1}
#: Steps in which only the new heads learn, in which the encoder's rate rises, and over which the lower exits turn to the highest.
HEADS_ALONE, RISING = 100, 200


class Corpus(NamedTuple):
    """Characters one after the other.

    Attributes:
        ids: [N] int64 token numbers.
        first: [N] int64, 1 where a word begins.
        vocabulary: that of the encoder.
        mask: number of its [MASK].
    """

    ids: Tensor
    first: Tensor
    vocabulary: CharacterVocabulary
    mask: int


class Batch(NamedTuple):
    """Rows of masked characters: `ids` [B, n + 2], and for K masked places their number in the flat rows and what stood there."""

    ids: Tensor
    places: Tensor
    gold: Tensor


class Head(nn.Module):
    """What makes of a layer's states guesses at characters, with the encoder's own embeddings."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.dense, self.norm = nn.Linear(size, size), nn.LayerNorm(size)
        nn.init.eye_(self.dense.weight)
        nn.init.zeros_(self.dense.bias)

    def forward(self, states: Tensor) -> Tensor:
        normed: Tensor = self.norm(functional.gelu(self.dense(states)))
        return normed


class Exits(nn.Module):
    """An encoder with a head at each of some depths."""

    def __init__(self, encoder: PreTrainedModel, depths: tuple[int, ...]) -> None:
        super().__init__()
        self.encoder, self.depths = encoder, tuple(sorted(depths, reverse=True))
        self.heads = nn.ModuleList(Head(encoder.config.hidden_size) for _ in depths)
        self.bias = nn.Parameter(torch.zeros(encoder.config.vocab_size))

    def forward(self, batch: Batch, taught: float) -> tuple[Tensor, Tensor]:
        """Losses and accuracies [depths], the highest first; `taught`: how much of a lower exit's loss comes from the highest."""
        states = self.encoder(batch.ids, output_hidden_states=True).hidden_states
        table = self.encoder.get_input_embeddings().weight
        assert isinstance(table, Tensor)
        losses, rights, highest = [], [], None
        for depth, head in zip(self.depths, self.heads, strict=True):
            logits = functional.linear(head(states[depth].flatten(0, 1)[batch.places]), table).float() + self.bias
            loss = functional.cross_entropy(logits, batch.gold)
            likely = logits.log_softmax(-1)
            if highest is None:
                highest = likely.detach()
            else:
                loss = (1 - taught) * loss + taught * functional.kl_div(likely, highest, log_target=True, reduction="batchmean")
            losses.append(loss)
            rights.append((logits.argmax(-1) == batch.gold).float().mean())
        return torch.stack(losses), torch.stack(rights)


def read_corpus(path: Path, vocabulary: CharacterVocabulary, mask: int) -> Corpus:
    """The words of a text file, line after line."""
    import jieba

    ids, first = [], []
    for line in path.read_text(encoding="utf-8").splitlines():
        for word in [*jieba.cut(line, HMM=False), " "]:
            ids.extend(vocabulary.encode(word)[1:-1])
            first.extend([1, *[0] * (len(word) - 1)])
    return Corpus(torch.tensor(ids), torch.tensor(first), vocabulary, mask)


def draw(corpus: Corpus, length: int, rows: int, start: int, end: int, dice: torch.Generator | None = None) -> Batch:
    """Rows from between two places of the corpus, words masked: 80 % as [MASK], 10 % as another character, 10 % as they are."""
    vocabulary, body = corpus.vocabulary, length - 2
    device = corpus.ids.device
    at = torch.randint(start, end - body, (rows, 1), generator=dice, device=device) + torch.arange(body, device=device)
    ids, first = corpus.ids[at], corpus.first[at].clone()
    first[:, 0] = 1
    chance = torch.rand(rows, body, generator=dice, device=device)
    masked = chance.gather(1, first.cumsum(1) - 1) < MASKED
    kind = torch.rand(rows, body, generator=dice, device=device)
    shown = torch.where(masked & (kind < 0.8), corpus.mask, ids)
    others = torch.randint(0, vocabulary.size, ids.shape, generator=dice, device=device)
    shown = torch.where(masked & (kind > 0.9), others, shown)
    edge = torch.ones(rows, 1, dtype=torch.long, device=device)
    row, column = masked.nonzero(as_tuple=True)
    return Batch(torch.cat([edge * vocabulary.cls, shown, edge * vocabulary.sep], 1), row * length + column + 1, ids[masked])


def rates(done: float, step: int, highest: float) -> tuple[float, float]:
    """Learning rates of the encoder and of the heads after so many steps, when `done` of the time is over."""
    falling = highest * max(0.002, (1 - done) ** 0.9)
    return falling * min(1.0, max(0.0, (step - HEADS_ALONE) / RISING)), falling * min(1.0, (step + 1) / 50)


def pretrain(model: Exits, corpus: Corpus, *, seconds: float, tokens: int, rate: float, seed: int = 0) -> list[dict[str, object]]:
    """Train for so many seconds; what was measured on the way.

    Args:
        model: changed in place.
        corpus: on the same device.
        seconds: of training.
        tokens: characters of a step.
        rate: the highest learning rate.
    """
    device, dice = corpus.ids.device, np.random.default_rng(seed)
    border = round(len(corpus.ids) * (1 - HELD_OUT))
    lengths = [length for length in LENGTHS if 4 * length < len(corpus.ids) - border] or [min(LENGTHS)]
    likely = np.array([LENGTHS[length] for length in lengths]) / sum(LENGTHS[length] for length in lengths)
    weights = torch.tensor(
        [0.5 if 0 < number < len(model.depths) - 1 else 1.0 for number in range(len(model.depths))], device=device
    )
    groups = [{"params": list(model.encoder.parameters())}, {"params": [*model.heads.parameters(), model.bias]}]
    optimizer = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.01)
    log: list[dict[str, object]] = []

    def measure(step: int) -> None:
        model.eval()
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
            fixed = torch.Generator(device).manual_seed(1)
            found = [model(draw(corpus, lengths[0], 64, border, len(corpus.ids), fixed), 0.0) for _ in range(8)]
        model.train()
        loss, right = (torch.stack(part).mean(0).tolist() for part in zip(*found, strict=True))
        if not math.isfinite(sum(loss)):
            raise SystemExit("the loss is no number: give a lower --rate")
        seconds_so_far = round(time.monotonic() - began, 1)
        log.append({"step": step, "seconds": seconds_so_far, "depths": model.depths, "loss": loss, "accuracy": right})
        print(json.dumps(log[-1]), flush=True)

    began, step = time.monotonic(), 0
    measure(0)
    while (done := (time.monotonic() - began) / seconds) < 1:
        for group, value in zip(optimizer.param_groups, rates(done, step, rate), strict=True):
            group["lr"] = value
        length = int(dice.choice(lengths, p=likely))
        with torch.autocast(device.type, torch.bfloat16):
            taught = 0.5 * min(1.0, max(0.0, (step - RISING) / RISING))
            losses, _ = model(draw(corpus, length, max(1, tokens // length), 0, border), taught)
        (losses * weights).sum().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        if step % 400 == 0:
            measure(step)
    measure(step)
    return log


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoder", help="folder of a BERT whose tokens are single characters")
    parser.add_argument("text", type=Path, help="text file, UTF-8")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=535)
    parser.add_argument("--tokens", type=int, default=131_072, help="characters of a step")
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--exits", type=int, nargs="+", default=[6, 8, 12], help="depths at which the loss is taken")
    options = parser.parse_args()

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder = AutoModel.from_pretrained(options.encoder, dtype=torch.float32, add_pooling_layer=False)
    tokenizer = AutoTokenizer.from_pretrained(options.encoder)
    corpus = read_corpus(options.text, CharacterVocabulary.from_tokenizer(tokenizer), tokenizer.mask_token_id)
    corpus = corpus._replace(ids=corpus.ids.to(device), first=corpus.first.to(device))
    model = Exits(encoder, tuple(options.exits)).to(device).train()
    log = pretrain(model, corpus, seconds=options.seconds, tokens=options.tokens, rate=options.rate)
    encoder.half().save_pretrained(options.output)
    tokenizer.save_pretrained(options.output)
    (options.output / "pretraining.json").write_text(json.dumps(log, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
