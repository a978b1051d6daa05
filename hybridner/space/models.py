"""The models of a page, by the names that visitors choose them by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hybridner.bundled import BUNDLED
from hybridner.space.analyzer import Analyzer


class Models:
    """At least one model; the first is shown on arrival.

    Args:
        analyzers: of the models, each with a name of its own.
    """

    def __init__(self, analyzers: Sequence[Analyzer]) -> None:
        self._by_name = {analyzer.name: analyzer for analyzer in analyzers}
        self.first = analyzers[0]

    def get(self, name: object) -> Analyzer:
        """The model of that name; the first for a name that there is not."""
        return next((analyzer for known, analyzer in self._by_name.items() if known == name), self.first)

    def __iter__(self) -> Iterator[Analyzer]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)


def model_names(sources: Sequence[str]) -> list[str]:
    """A short name for each folder or Hub id: as much of its end as tells it from the others."""
    parts = [
        source.strip("/").split("/") if source == BUNDLED or not Path(source).exists() else _folders(source) for source in sources
    ]
    names = []
    for number, own in enumerate(parts):
        others = parts[:number] + parts[number + 1 :]
        length = next((n for n in range(1, len(own)) if all(own[-n:] != other[-n:] for other in others)), len(own))
        name = "/".join(own[-length:])
        names.append(name if name not in names else f"{name} ({number + 1})")
    return names


def _folders(source: str) -> list[str]:
    """The parts of a folder's path; "composite" alone, as `hybridner train` calls it, would not say which model it is."""
    parts = list(Path(source).resolve().parts)[1:]
    return [*parts[:-2], "/".join(parts[-2:])] if parts[-1] == "composite" and len(parts) > 1 else parts
