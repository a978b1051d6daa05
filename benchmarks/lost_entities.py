"""Who votes what on the entities that a strategy loses: the error analysis behind the tables.

    python -m benchmarks.lost_entities COMPOSITE FILE [--strategy score] [--output NAME]

Every gold entity of FILE ends in one of these: found; its span beaten by an overlapping one; its span kept with another label;
outvoted (a member proposed it rightly and the strategy said O or another label); only nearly seen (a near miss of SpanNER's);
never a candidate.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from hybridner.data import read_records
from hybridner.ensemble import Candidate
from hybridner.hybrid import CompositeModel
from hybridner.hybrid.loading import load_composite
from hybridner.spans import Record, Span


def fate(span: Span, candidates: list[Candidate], members: int) -> tuple[str, str]:
    """What became of a gold entity, and how many members had it right, with the right span and another label, or not at all."""
    own = next((c for c in candidates if (c.start, c.end) == (span.start, span.end)), None)
    if own is None:
        return "never a candidate", ""
    right = sum(vote == span.label for vote in own.votes.values())
    other = sum(vote not in (span.label, "O") for vote in own.votes.values())
    votes = f"{right} right, {other} other label, {members - right - other} none"
    if own.is_entity and own.label == span.label:
        return "found", votes
    if own.is_entity:
        return "kept with another label", votes
    if own.label == span.label:
        return "beaten by an overlapping span", votes
    return ("outvoted" if right else "proposed by nobody with this label"), votes


def analyse(model: CompositeModel, records: list[Record], strategy: str) -> dict[str, Any]:
    rows = [
        list(found.candidates) for found in model.predict([record.text for record in records], batch_size=32, strategy=strategy)
    ]
    members = len(model.member_names)
    fates: Counter[str] = Counter()
    votes: dict[str, Counter[str]] = {}
    lengths: dict[str, list[int]] = {}
    for record, candidates in zip(records, rows, strict=True):
        for span in record.entities:
            what, who = fate(span, candidates, members)
            fates[what] += 1
            votes.setdefault(what, Counter())[who] += 1
            lengths.setdefault(what, []).append(span.end - span.start)
    gold = [set(record.entities) for record in records]
    found = [[c for c in row if c.is_entity] for row in rows]
    wrong = Counter(
        "right span, wrong label"
        if any((c.start, c.end) == (s.start, s.end) for s in known)
        else "overlaps gold"
        if any(c.start < s.end and s.start < c.end for s in known)
        else "nothing there"
        for row, known in zip(found, gold, strict=True)
        for c in row
        if Span(c.start, c.end, c.label) not in known
    )
    return {
        "strategy": strategy,
        "gold": sum(fates.values()),
        "fates": dict(fates.most_common()),
        "mean_length": {what: sum(values) / len(values) for what, values in lengths.items()},
        "votes": {what: dict(counts.most_common(6)) for what, counts in votes.items() if what != "never a candidate"},
        "wrong_entities": dict(wrong.most_common()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--strategy", action="append", help="score and majority unless given")
    parser.add_argument("--output", help="JSON file to write")
    options = parser.parse_args()
    model, records = load_composite(options.model), read_records(options.data)
    results = [analyse(model, records, strategy) for strategy in options.strategy or ("score", "majority")]
    text = json.dumps(results, indent=2, ensure_ascii=False)
    if options.output:
        Path(options.output).write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
