"""The label set: what each entity type is called and means, and which domain it belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from hybridner.errors import DataError

NON_ENTITY = "O"
"""The label of what is no entity."""


@dataclass(frozen=True)
class Label:
    """One entity type.

    Attributes:
        name: the label as it stands in data and output.
        title: its name in Chinese (or any second language), for readers and prompts.
        description: one sentence that says what belongs to it; the LLM reads it.

    Examples:
        >>> Label("State", title="国家", description="国家和地区的名称。")
        Label(name='State', title='国家', description='国家和地区的名称。')
    """

    name: str
    title: str = ""
    description: str = ""


@dataclass(frozen=True)
class LabelSet:
    """The K entity types of a task, in a fixed order, and the domain they come from.

    In arrays over "K + 1 labels" index 0 is O (no entity) and index k is ``labels[k - 1]``.

    Attributes:
        labels: the K types.
        domain: what the texts are about, in words; prompts name it.

    Raises:
        DataError: no label, an empty name, the reserved name "O" or the same name twice.

    Examples:
        >>> labels = LabelSet.of(["PER", "LOC"], domain="news")
        >>> labels.names, labels.with_outside
        (('PER', 'LOC'), ('O', 'PER', 'LOC'))
    """

    labels: tuple[Label, ...]
    domain: str = ""

    def __post_init__(self) -> None:
        names = [label.name for label in self.labels]
        if not names:
            raise DataError("a label set needs at least one label")
        for name in names:
            if not isinstance(name, str) or not name.strip():
                raise DataError(f"a label's name must be a non-empty string, not {name!r}")
        if NON_ENTITY in names:
            raise DataError('the label name "O" is reserved for "no entity"; rename that label')
        if len(set(names)) < len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise DataError(f"labels listed more than once: {', '.join(twice)}")

    @classmethod
    def of(cls, names: Iterable[str], domain: str = "") -> LabelSet:
        """A label set of bare names, in the order given.

        Args:
            names: the K names.
            domain: what the texts are about.
        """
        return cls(tuple(Label(name) for name in names), domain)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> LabelSet:
        """From what `to_dict` gives, or a YAML file of a label set holds.

        Args:
            data: ``{"domain": ..., "labels": ["PER", {"name": ..., "title": ..., "description": ...}]}``.

        Examples:
            >>> LabelSet.from_dict({"labels": ["PER", {"name": "LOC", "title": "地点"}]}).labels[1].title
            '地点'
        """
        entries = data.get("labels") if isinstance(data, Mapping) else None
        if not isinstance(entries, (list, tuple)):
            raise DataError("`labels` must be a list of names or of {name, title, description}")
        labels = []
        for position, entry in enumerate(entries):
            if isinstance(entry, str):
                labels.append(Label(entry))
                continue
            if not isinstance(entry, Mapping) or "name" not in entry:
                raise DataError("expected a name or {name, title, description}", f"labels[{position}]")
            unknown = set(entry) - {"name", "title", "description"}
            if unknown:
                raise DataError(f"unknown key {sorted(unknown)[0]!r}", f"labels[{position}]")
            labels.append(Label(**entry))
        return cls(tuple(labels), str(data.get("domain") or ""))

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {"domain": self.domain, "labels": [asdict(label) for label in self.labels]}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The K names, without O."""
        return tuple(label.name for label in self.labels)

    @cached_property
    def with_outside(self) -> tuple[str, ...]:
        """The K + 1 names, O first."""
        return (NON_ENTITY, *self.names)

    def __len__(self) -> int:
        return len(self.labels)
