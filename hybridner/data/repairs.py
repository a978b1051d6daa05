"""Known defects of real data files: the rule for each, and a log that counts how often it was applied."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field

from hybridner.errors import DataError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rule:
    """What is done about one kind of finding.

    Attributes:
        done: what was found and what is done about it, for the reader of a report.
        defect: whether the file is at fault; a choice of ours, such as leaving out a label, is counted but no defect.
    """

    done: str
    defect: bool = True


RULES: dict[str, Rule] = {
    "empty_tag": Rule("a line without a tag is read as O"),
    "broken_tags": Rule("a tag breaks its scheme: I, M or E after nothing starts an entity, an unfinished entity ends there"),
    "empty_span": Rule("an entity of no characters is left out; where ends are inclusive, say so with --offsets inclusive"),
    "out_of_range": Rule("an entity that ends behind its text is left out"),
    "edge_space": Rule("spaces at the ends of an entity are cut off"),
    "only_space": Rule("an entity of nothing but spaces is left out"),
    "duplicate_entity": Rule("an entity listed twice is kept once"),
    "duplicate_document": Rule("a document whose text has come before in its split is left out"),
    "leaked_document": Rule("a training document whose text stands in the validation or test split is left out"),
    "lone_surrogate": Rule("half of a character, cut between two UTF-16 units, becomes U+FFFD"),
    "utf16_offsets": Rule(
        "offsets counted in UTF-16 units, as the words or the text's length prove, are translated to characters", defect=False
    ),
    "uncertain_offsets": Rule(
        "a text with characters above U+FFFF is read with offsets in characters; where a tool counted UTF-16 units, say so with "
        "--offsets utf-16",
        defect=False,
    ),
    "recoded": Rule("a file that is not in UTF-8 is read in the encoding that its bytes show", defect=False),
    "segmentation_digits": Rule("the digit that ends every token, its place in a word, is cut off", defect=False),
    "index_column": Rule("the first column, which numbers the tokens, is left out", defect=False),
    "label_numbers": Rule(
        "labels are numbers without names; put Doccano's label_config.json beside the file, or give a label map", defect=False
    ),
    "unlabeled_task": Rule("a task that nobody has annotated is left out", defect=False),
    "rejected_task": Rule("a task that was skipped, rejected or discarded is left out", defect=False),
    "several_annotations": Rule("of several annotations of a task, the one marked as ground truth or else the last is read"),
    "unlabeled_region": Rule("a marked region without a label is left out"),
    "deleted_entity": Rule("an entity that a review deleted is left out", defect=False),
    "unmapped_label": Rule("an entity whose label is mapped to null is left out", defect=False),
    "merged_by_map": Rule("entities of one span whose labels are mapped to the same one become one", defect=False),
    "relations_left_out": Rule("relations between entities, events and attributes are not read from this format", defect=False),
    "overlap_left_out": Rule("the format holds no overlapping entities: the longer ones are written", defect=False),
    "line_break_written": Rule("the format holds no line breaks or tabs inside a text: a space is written", defect=False),
}
"""Every rule of repair by its name. What no rule covers stops the reading with a DataError."""


@dataclass
class RepairLog:
    r"""How often each rule was applied, and where first.

    Args:
        strict: make every defect an error instead of repairing it.
        counts: uses of each rule, a key of `RULES`.
        first: where each was used first.

    Examples:
        >>> _ = Path("wild.jsonl").write_text('{"text": "北约 ", "entities": [[0, 3, "State"]]}\n', encoding="utf-8")
        >>> repairs = RepairLog()
        >>> read_records("wild.jsonl", repairs=repairs)[0].entities
        (Span(start=0, end=2, label='State'),)
        >>> print(repairs)
        edge_space: 1 times (spaces at the ends of an entity are cut off); first: wild.jsonl, line 1, entity 0
    """

    strict: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, rule: str, where: str) -> None:
        """Count one use of `rule`.

        Raises:
            DataError: the log is strict and the rule repairs a defect.
        """
        if self.strict and RULES[rule].defect:
            raise DataError(f"{rule}: {RULES[rule].done}; strict reading allows no repair, so mend the file", where)
        self.counts[rule] += 1
        self.first.setdefault(rule, where)

    def lines(self) -> list[str]:
        """One line a rule that was applied, the commonest first."""
        return [
            f"{rule}: {count} times ({RULES[rule].done}); first: {self.first[rule]}" for rule, count in self.counts.most_common()
        ]

    def __str__(self) -> str:
        return "\n".join(self.lines()) or "nothing had to be repaired"

    def report(self) -> None:
        """Write what was done to the program's log, as a warning; nothing is said when nothing was done."""
        for line in self.lines():
            logger.warning(line)
