"""How much of an LLM's error the counted habits explain: its recorded zero-shot extractions, corrected by the habits one by one.

An early draft of SNCM, whose habits stand in its training data and not in its definitions. Habits come from the training
sentences; the sentences that the LLM annotated are of the validation file. Each rule does to the LLM's spans what the guidelines
say, with no look at gold: it is what an LLM would gain that read the guidelines and did exactly that.

    python -m benchmarks.guidelines DRAFT-FOLDER extractions.jsonl
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.side_by_side import report
from hybridner.data.repairs import RepairLog
from hybridner.data.sncm.corpus import read_draft_label_map, read_draft_splits
from hybridner.guidelines import find_habits
from hybridner.guidelines.affixes import DIGIT, fold
from hybridner.guidelines.habits import Habits
from hybridner.spans import Record, Span

_MONTH = re.compile(r"(?<=年)[0-9一二三四五六七八九十]+月.*$")
Rule = Callable[[Record, Span, Sequence[str]], Span | None]


def rules_of(habits: Habits) -> dict[str, Rule]:
    """What the guidelines say, as functions of a record, a span of the LLM and the texts before it in its document."""
    seldom = {(share.words, label.label) for label in habits.labels for share in label.seldom}
    cues = [(label.label, share.words) for label in habits.labels for share in label.cues]
    known = {label.label for label in habits.labels}
    left_out = {border.kind for border in habits.borders if border.left_out > 4 * border.taken_in}
    only_first = {label.label for label in habits.labels if label.later[1] > 4 * label.later[0]}

    def unused(_: Record, span: Span, __: Sequence[str]) -> Span | None:
        return span if span.label in known else None

    def year_only(record: Record, span: Span, _: Sequence[str]) -> Span | None:
        words = record.text[span.start : span.end]
        return span._replace(end=span.start + len(_MONTH.sub("", words))) if "date" in left_out else span

    def usually_unmarked(record: Record, span: Span, _: Sequence[str]) -> Span | None:
        return None if (record.text[span.start : span.end], span.label) in seldom else span

    def after_a_cue(record: Record, span: Span, _: Sequence[str]) -> Span | None:
        before = fold(record.text[max(0, span.start - 10) : span.start])
        return None if any(label == span.label and before.endswith(cue) for label, cue in cues) else span

    def first_mention(record: Record, span: Span, before: Sequence[str]) -> Span | None:
        words = record.text[span.start : span.end]
        again = words in record.text[: span.start] or any(words in text for text in before)
        return None if again and span.label in only_first else span

    return {
        "labels that are never used": unused,
        "only the year": year_only,
        "usually not marked": usually_unmarked,
        "not marked after": after_a_cue,
        "only the first mention": first_mention,
    }


def with_usual_words(record: Record, habits: Habits) -> Record:
    """The record with the first mention of what is marked wherever it stands, where the LLM has nothing."""
    entities = list(record.entities)
    for label in habits.labels:
        for share in label.always:
            pattern = re.escape(share.words).replace(DIGIT, "[0-9]+")
            found = re.search(rf"(?<![0-9]){pattern}(?![0-9])", record.text)
            if found and not any(s.start < found.end() and found.start() < s.end for s in entities):
                entities.append(Span(found.start(), found.end(), label.label))
    return replace(record, entities=tuple(sorted(entities)))


def f1(found: Sequence[Record], gold: Sequence[Record]) -> dict[str, float]:
    hits = sum(len(set(a.entities) & set(b.entities)) for a, b in zip(found, gold, strict=True))
    ours, theirs = sum(len(r.entities) for r in found), sum(len(r.entities) for r in gold)
    values = {"precision": hits / max(ours, 1), "recall": hits / max(theirs, 1), "f1": 2 * hits / max(ours + theirs, 1)}
    return {name: round(100 * value, 1) for name, value in values.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("draft", type=Path, help="folder of the draft")
    parser.add_argument("answers", type=Path, help="recorded extractions")
    options = parser.parse_args()
    files = {"train": options.draft / "entity_train.jsonl", "validation": options.draft / "entity_val.jsonl"}
    splits = read_draft_splits(files, read_draft_label_map(options.draft), RepairLog())
    answers = [json.loads(line) for line in options.answers.read_text(encoding="utf-8").splitlines()]
    found = {
        a["text"]: {Span(e["start"], e["end"], e["label"]) for e in a["entities"]} for a in answers if a["set"] == "sncm_draft"
    }
    before: dict[str, list[str]] = {}
    documents: dict[str, list[str]] = {}
    for record in splits["validation"]:
        before.setdefault(record.text, list(documents.setdefault(record.group, [])))
        documents[record.group].append(record.text)
    gold = list({record.text: record for record in splits["validation"] if record.text in found}.values())
    current = [replace(record, entities=tuple(sorted(found[record.text]))) for record in gold]
    habits = find_habits(splits["train"])
    steps = {"zero-shot": f1(current, gold)}
    current = [with_usual_words(record, habits) for record in current]
    steps["and what is marked wherever it stands"] = f1(current, gold)
    for name, rule in rules_of(habits).items():
        current = [
            replace(record, entities=tuple({new for s in record.entities if (new := rule(record, s, before[record.text]))}))
            for record in current
        ]
        steps[f"and {name}"] = f1(current, gold)
    report(
        "guidelines",
        {
            "set": "an early draft of SNCM; habits from its training sentences, F1 on validation sentences",
            "records": {"train": len(splits["train"]), "validation sentences annotated by the LLM": len(gold)},
            "later mentions (marked, unmarked)": habits.later,
            "borders": {border.kind: [border.taken_in, border.left_out] for border in habits.borders},
            "steps": steps,
        },
    )


if __name__ == "__main__":
    main()
