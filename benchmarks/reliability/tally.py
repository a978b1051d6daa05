"""What a trial counts, and how what went wrong is told."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any


@dataclass
class Tally:
    """Counts of one trial; everything from `lost` on has to be 0.

    Attributes:
        kills: processes killed in the middle of their work.
        faults: other harm done: to disks, files, folders, answers, requests.
        records: texts, records or weights whose fate was checked.
        calls: calls of commands, of an LLM or of the page.
        lost: records that should be there and are not, or are others than without the harm.
        doubled: records that are there twice.
        executed: code of a folder that was run.
        tracebacks: calls that ended in one, or in no answer at all.
        notes: what went wrong, for whoever looks into it.
    """

    kills: int = 0
    faults: int = 0
    records: int = 0
    calls: int = 0
    lost: int = 0
    doubled: int = 0
    executed: int = 0
    tracebacks: int = 0
    notes: list[str] = field(default_factory=list)

    def wrong(self, kind: str, note: str, count: int = 1) -> None:
        """Count something that may not happen."""
        setattr(self, kind, getattr(self, kind) + count)
        self.notes.append(f"{kind}: {note[-800:]}")

    def __add__(self, other: Tally) -> Tally:
        return Tally(**{part.name: getattr(self, part.name) + getattr(other, part.name) for part in fields(self)})

    def to_dict(self) -> dict[str, Any]:
        return {part.name: getattr(self, part.name) for part in fields(self)}


COUNTS = tuple(part.name for part in fields(Tally) if part.name != "notes")


def table(tallies: dict[str, Tally]) -> str:
    """The tallies and their sum as Markdown."""
    rows = {**tallies, "**all**": sum(tallies.values(), Tally())}
    lines = ["| trial | " + " | ".join(COUNTS) + " |", "|---|" + "---|" * len(COUNTS)]
    lines += [
        f"| {name} | " + " | ".join(f"{getattr(tally, count):,}" for count in COUNTS) + " |" for name, tally in rows.items()
    ]
    return "\n".join(lines)
