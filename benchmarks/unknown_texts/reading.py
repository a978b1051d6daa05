"""The bundled composite's readings of all texts, each kept in a file of the work folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.unknown_texts.features import TextFeatures, read_features
from benchmarks.unknown_texts.found import FoundText, find
from benchmarks.unknown_texts.texts import foreign_texts, general_sentences, known_texts
from hybridner import HybridNerModel
from hybridner.bundled import BUNDLED_FOLDER
from hybridner.calibration.ood import built_in_background, nonsense
from hybridner.hybrid import require_torch
from hybridner.hybrid.loading import load_composite

#: Sentences of the background.
GENERAL = 1_500
_FOREIGN, _LEFT_OUT = 250, 150


@cache
def bundled() -> HybridNerModel:
    """The model that comes with hybridner."""
    return require_torch(load_composite(str(BUNDLED_FOLDER)))


@dataclass(frozen=True)
class Readings:
    """Texts by name: "known-SPLIT", "SET-train" and "SET-test", "general" (the background), "left-out" (general ones that nothing
    is fitted on), "built-in", "nonsense".

    Attributes:
        texts: of each name.
        work: folder that keeps what has been read.
    """

    texts: dict[str, list[str]]
    work: Path

    @classmethod
    def of(cls, data: Path, text: Path, work: Path) -> Readings:
        """All of them, from a folder of data sets and a large file of general Chinese."""
        texts = {f"known-{split}": found for split, found in known_texts().items()}
        texts |= foreign_texts(Path(data), _FOREIGN)
        general = general_sentences(text, GENERAL + _LEFT_OUT)
        texts |= {"general": general[:GENERAL], "left-out": general[GENERAL:]}
        texts |= {"built-in": built_in_background(), "nonsense": nonsense(texts["known-train"])}
        return cls(texts, work)

    def features(self, name: str) -> TextFeatures:
        """What a score may look at."""
        return read_features(bundled(), self.texts[name], self.work / f"{name}.npz")

    def found(self, name: str) -> list[FoundText]:
        """What the composite finds."""
        return find(bundled(), self.texts[name], self.work / f"{name}.json")
