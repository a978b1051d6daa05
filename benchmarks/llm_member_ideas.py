"""Three more ideas for an LLM as a member, each fitted on the fitting sentences alone, beside the member as it is.

"silence": where the LLM leaves a candidate out, the composite's own distribution counts with an exponent of its own, so that
silence may weigh more or less the surer the composite is. "habits": how often the words of a span were marked in the training
data wherever they stood there, as further evidence about candidates and about spans that the LLM alone proposes. Both start from
"no change" and are drawn to it by a normal prior. "corrected": the LLM's spans after the rules of the guidelines that
`hybridner guidelines` counts in the training data, see `benchmarks.guidelines`. Of each the F1 is told on fitting halves alone
(cross-fitted in two parts, which is what a choice may be made on) and on the halves that nothing was fitted on.

  python -m benchmarks.llm_member_ideas PREDICTIONS ANSWERS --set cluener --fit FOLDS --training train.json
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from benchmarks.guidelines import rules_of, with_usual_words
from benchmarks.llm_member import Sample, Sentence, _f1, _spans, add_arguments, load
from benchmarks.side_by_side import RESULTS
from hybridner.data import read_records
from hybridner.data.repairs import RepairLog
from hybridner.data.sncm.corpus import read_draft_label_map, read_draft_splits
from hybridner.ensemble import Candidate
from hybridner.guidelines import find_habits
from hybridner.llm import MemberReliability
from hybridner.llm.fusion import FusionResult, fuse_bayes, resolve_again
from hybridner.llm.member import _alone
from hybridner.spans import NON_ENTITY, Record, Span

_SPLITS = 20
#: Standard deviation of the priors around "no change".
_SPREAD = 0.3
_MIN_PROB = 1e-9
IntArray = NDArray[np.int64]
IDEAS: dict[str, tuple[bool, bool]] = {
    "as it is": (False, False),
    "silence": (True, False),
    "habits": (False, True),
    "silence and habits": (True, True),
}


@dataclass(frozen=True)
class Change:
    """What was fitted.

    Attributes:
        silence: added to the exponent of the composite's distribution where the LLM is silent.
        habit: weight of the log-odds of a span's words.
    """

    silence: float = 0.0
    habit: float = 0.0


class Habits:
    """Log-odds that words are marked as a label where they stand in the training data, but inside of longer entities."""

    def __init__(self, records: Iterable[Record], words: Iterable[str]) -> None:
        self.free: Counter[str] = Counter()
        self.marked: Counter[tuple[str, str]] = Counter()
        wanted = {word for word in words if word}
        longest = max(map(len, wanted), default=0)
        for record in records:
            spans = {(span.start, span.end): span.label for span in record.entities}
            for start in range(len(record.text)):
                for end in range(start + 1, min(len(record.text), start + longest) + 1):
                    word = record.text[start:end]
                    if word not in wanted:
                        continue
                    if (start, end) in spans:
                        self.marked[word, spans[start, end]] += 1
                        self.free[word] += 1
                    elif not any(s <= start and end <= e for s, e in spans):
                        self.free[word] += 1

    def log_odds(self, word: str, label: str) -> float:
        marked = self.marked[word, label]
        return math.log((marked + 1) / (self.free[word] - marked + 1))


def changed(candidate: Candidate, text: str, is_silent: bool, habits: Habits, names: Sequence[str], by: Change) -> Candidate:
    """The candidate with the composite's distribution as the change has it, before the LLM's vote."""
    logits = (1.0 + by.silence * is_silent) * np.log(np.clip(candidate.distribution, _MIN_PROB, 1.0))
    word = text[candidate.start : candidate.end]
    logits = logits + by.habit * np.array([0.0, *(habits.log_odds(word, name) for name in names[1:])])
    return replace(candidate, distribution=tuple(np.exp(log_softmax(logits)).tolist()))


def joined(sample: Sample, one: Sentence, member: MemberReliability, habits: Habits, by: Change) -> list[Candidate]:
    """As `join_member`, under a change: every span that the LLM alone proposes has a reliability of its own."""
    number = {name: index for index, name in enumerate(sample.names)}
    votes: dict[tuple[int, int], int] = {}
    for span in one.found:
        votes.setdefault((span.start, span.end), number[span.label])
    whole = [(changed(c, one.text, (c.start, c.end) not in votes, habits, sample.names, by), True) for c in one.candidates]
    known = {(candidate.start, candidate.end) for candidate in one.candidates}
    for place, vote in votes.items():
        if place not in known:
            odds = by.habit * habits.log_odds(one.text[slice(*place)], sample.names[vote])
            alone = tuple(_shifted(share, odds) for share in member.alone)
            whole.append((_alone(*place, vote, replace(member, alone=alone)), False))
    whole.sort(key=lambda pair: (pair[0].start, -pair[0].end))
    fused = {
        index: fuse_bayes(c.distribution, number[c.label], votes.get((c.start, c.end), 0), member.matrix)
        if is_known
        else FusionResult(number[c.label], c.distribution, c.weight)
        for index, (c, is_known) in enumerate(whole)
    }
    return resolve_again([candidate for candidate, _ in whole], fused, sample.names, sample.decoding)


def _shifted(share: float, by: float) -> float:
    share = min(max(share, 1e-6), 1.0 - 1e-6)
    return 1.0 / (1.0 + math.exp(-(math.log(share / (1.0 - share)) + by)))


def fit(sample: Sample, rows: Sequence[Sentence], member: MemberReliability, habits: Habits, uses: tuple[bool, bool]) -> Change:
    """The most probable change, given the true labels of the candidates and of what the LLM alone proposes."""
    if not any(uses):
        return Change()
    number = {name: index for index, name in enumerate(sample.names)}
    evidence = member.matrix.trust * np.log(np.clip(np.array(member.matrix.rows), _MIN_PROB, 1.0))
    logits, silent, shifts, votes, true, alone = [], [], [], [], [], []
    for one in rows:
        gold = {(span.start, span.end): span.label for span in one.gold}
        said = {(span.start, span.end): span.label for span in reversed(one.found)}
        places = {(c.start, c.end) for c in one.candidates}
        for c in one.candidates:
            place, word = (c.start, c.end), one.text[c.start : c.end]
            logits.append(np.log(np.clip(c.distribution, _MIN_PROB, 1.0)))
            silent.append(float(place not in said))
            shifts.append([0.0, *(habits.log_odds(word, name) for name in sample.names[1:])])
            votes.append(evidence[:, number[said.get(place, NON_ENTITY)]])
            true.append(number[gold.get(place, NON_ENTITY)])
        for place, label in said.items():
            if place not in places:
                share = min(max(member.alone[number[label]], 1e-6), 1.0 - 1e-6)
                odds = habits.log_odds(one.text[place[0] : place[1]], label)
                alone.append((math.log(share / (1.0 - share)), odds, float(gold.get(place) == label)))
    prior, quiet, shift, vote = np.array(logits), np.array(silent)[:, None], np.array(shifts), np.array(votes)
    answers, own = np.array(true), np.array(alone).reshape(-1, 3)

    def loss(change: NDArray[np.float64]) -> float:
        silence, habit = change * np.array(uses)
        scores = log_softmax((1.0 + silence * quiet) * prior + habit * shift + vote, axis=1)
        odds = own[:, 0] + habit * own[:, 1]
        missed = -scores[np.arange(len(answers)), answers].sum() + np.logaddexp(0.0, odds).sum() - (odds * own[:, 2]).sum()
        return float(missed + 0.5 * (change**2).sum() / _SPREAD**2)

    best = minimize(loss, np.zeros(2), method="Nelder-Mead").x * np.array(uses)
    return Change(*map(float, best))


#: What was found in each sentence, and its gold.
Result = tuple[list[set[Span]], list[tuple[Span, ...]], Change]


def run(
    sample: Sample, ideas: Mapping[str, tuple[bool, bool]], fitting: Sequence[int], scored: Sequence[int], habits: Habits
) -> dict[str, Result]:
    """Of each idea what is found in the scored sentences, their gold, and what was fitted."""
    rows = [sample.sentences[row] for row in fitting]
    member = sample.fit(list(fitting)).member
    results = {}
    for name, uses in ideas.items():
        change = fit(sample, rows, member, habits, uses)
        found = [_spans(joined(sample, sample.sentences[row], member, habits, change)) for row in scored]
        results[name] = (found, [sample.sentences[row].gold for row in scored], change)
    return results


def measure(sample: Sample, corrected: Sample, habits: Habits) -> dict[str, dict[str, float]]:
    """F1 on halves that nothing was fitted on, and cross-fitted within the fitting halves."""
    size = len(sample.sentences)
    names = [*IDEAS, "corrected"]
    scores: dict[str, dict[str, list[float]]] = {
        name: {"unseen": [], "fitting": [], "silence": [], "habit": []} for name in names
    }

    def score(kind: str, halves: Sequence[tuple[IntArray, IntArray]]) -> None:
        parts = []
        for fitting, scored in halves:
            rows = fitting.tolist(), scored.tolist()
            part = run(sample, IDEAS, *rows, habits)
            parts.append({**part, **run(corrected, {"corrected": (False, False)}, *rows, habits)})
        for name in names:
            found = [spans for part in parts for spans in part[name][0]]
            gold = [spans for part in parts for spans in part[name][1]]
            scores[name][kind].append(_f1(found, gold))
            scores[name]["silence"] += [part[name][2].silence for part in parts]
            scores[name]["habit"] += [part[name][2].habit for part in parts]

    for seed in range(_SPLITS):
        order = np.random.default_rng(seed).permutation(size)
        one, other = order[: size // 2], order[size // 2 :]
        score("unseen", [(one, other), (other, one)])
        for half in (one, other):
            first, second = half[: len(half) // 2], half[len(half) // 2 :]
            score("fitting", [(first, second), (second, first)])
    return {
        name: {
            "unseen halves": round(float(np.mean(kept["unseen"])), 2),
            "sd": round(float(np.std(kept["unseen"])), 2),
            "fitting halves": round(float(np.mean(kept["fitting"])), 2),
            "silence": round(float(np.mean(kept["silence"])), 3),
            "habit": round(float(np.mean(kept["habit"])), 3),
        }
        for name, kept in scores.items()
    }


def correct(sample: Sample, training: Sequence[Record]) -> Sample:
    """The sample with the LLM's spans as the guidelines of the training data would have them."""
    habits = find_habits(training)
    rules = rules_of(habits).values()
    sentences = []
    for one in sample.sentences:
        record = with_usual_words(Record(one.text, tuple(sorted(one.found))), habits)
        for rule in rules:
            record = replace(record, entities=tuple({s for span in record.entities if (s := rule(record, span, ())) is not None}))
        sentences.append(replace(one, found=[s for s in record.entities if s.start < s.end]))
    return Sample(sentences, sample.labels, sample.decoding)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--training", required=True, help="training sentences that habits are counted in")
    options = parser.parse_args()
    sample = load(options)
    training = _training(options)
    words = {one.text[c.start : c.end] for one in sample.sentences for c in one.candidates}
    words |= {one.text[span.start : span.end] for one in sample.sentences for span in one.found}
    figures = measure(sample, correct(sample, training), Habits(training, words))
    path = RESULTS / "llm_member_ideas.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known[options.set] = {"sentences": len(sample.sentences), "splits": _SPLITS, "f1": figures}
    path.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    for name, figure in figures.items():
        print(f"{options.set:12}{name:22}{figure}", flush=True)


def _training(options: argparse.Namespace) -> list[Record]:
    if options.set != "sncm_draft":
        return read_records(options.training)
    folder = Path(options.training)
    files = {"train": folder / "entity_train.jsonl", "validation": folder / "entity_val.jsonl"}
    return read_draft_splits(files, read_draft_label_map(folder), RepairLog())["train"]


if __name__ == "__main__":
    main()
