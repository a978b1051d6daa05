"""Whether a stream of texts has changed: more of them than should be are unlike what the model knows.

A cumulative sum test (Page, 1954) on texts whose `ood_score` is above 0.9, which one text in ten of the known kind is: evidence
grows with each of them and shrinks with every other text, but never below nothing, so that what was long ago does not count.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

#: A text of a score above this is unusual; its expected share, and the share that counts as a change.
_UNUSUAL, _EXPECTED, _CHANGED = 0.9, 0.1, 0.4
_GAIN, _LOSS = math.log(_CHANGED / _EXPECTED), math.log((1 - _CHANGED) / (1 - _EXPECTED))
#: Evidence that is enough: among texts of the known kind it is reached once in more than 10,000.
_ENOUGH = math.log(10_000)


@dataclass
class StreamWatch:
    """Looks at one text after another.

    Attributes:
        evidence: for a change, in nats.
        total, unusual: texts since the change began, if there was one, and how many of them are unusual.
        has_changed: whether there was enough evidence; until it is all gone again.

    Examples:
        >>> watch = StreamWatch()
        >>> [watch.update(score) for score in (0.2, *[0.99] * 7)].index(True)
        7
    """

    evidence: float = 0.0
    total: int = 0
    unusual: int = 0
    has_changed: bool = False

    def update(self, ood_score: float) -> bool:
        """Look at the next text; True when with it, and not before, there is enough evidence of a change."""
        is_unusual = ood_score > _UNUSUAL
        self.evidence += _GAIN if is_unusual else _LOSS
        if self.evidence <= 0:
            self.evidence, self.total, self.unusual, self.has_changed = 0.0, 0, 0, False
            return False
        self.total += 1
        self.unusual += is_unusual
        was_known = self.has_changed
        self.has_changed = was_known or self.evidence >= _ENOUGH
        # So that a stream that has come back is soon seen to have.
        self.evidence = min(self.evidence, 2 * _ENOUGH)
        return self.has_changed and not was_known

    @property
    def notice(self) -> str:
        """What to tell people about the change."""
        return (
            f"the stream of texts has changed: {self.unusual} of the last {self.total} are less typical than {_UNUSUAL:.0%} "
            f"of the texts that the model knows; look at some, and annotate some of them before you trust what is found there"
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> StreamWatch:
        """From what `to_dict` gave."""
        return cls(**data)
