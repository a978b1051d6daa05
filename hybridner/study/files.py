"""What a study is about, and the files of stored predictions that belong to it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar

import yaml
from pydantic import Field

from hybridner.ensemble import Predictions, concat_predictions
from hybridner.errors import DataError
from hybridner.evaluation import RunMetadata
from hybridner.files import read_json, read_text
from hybridner.spans import RESOLVERS
from hybridner.validation import Integer, Settings, one_of, validate

#: SET-SEED-PART.parquet
_FILE = re.compile(r"(?P<set>.+)-(?P<seed>\d+)-(?P<part>test|dev|fresh|fold\d+)\.parquet")
#: What weights are fitted on: the first kind of part that is there, and how a table calls it.
_FITTING = (
    ("fold", "out-of-fold training sentences"),
    ("fresh", "dev sentences that early stopping did not read"),
    ("dev", "dev sentences"),
)
#: The training reports, SET-SEED -> member -> report, beside the predictions.
TRAINING_FILE = "training.json"

Text = Annotated[str, Field(min_length=1)]


class StudySet(Settings):
    """What has to stand beside the figures of one data set.

    Attributes:
        data, split: what the labelled texts of the `test` part are called.
        decoding: a key of `RESOLVERS`.
        answered: how many of its first texts an LLM was asked about; None when all.
    """

    error_class: ClassVar = DataError

    data: Text
    split: Text
    decoding: Annotated[str, one_of(RESOLVERS)] = "flat"
    answered: Annotated[Integer, Field(ge=1)] | None = None


class Study(Settings):
    """A study as its YAML file describes it.

    Attributes:
        encoder: of the members.
        hardware: of the training, where no training report says so.
        sets: by the name that the files begin with, in the order of the tables.
        caveats: sentences that stand above every table with an LLM.
    """

    error_class: ClassVar = DataError

    encoder: Text
    hardware: Text = "unknown"
    sets: Annotated[dict[str, StudySet], Field(min_length=1)]
    caveats: tuple[Text, ...] = ()

    @classmethod
    def load(cls, path: str | Path) -> Study:
        """Read a study's YAML file.

        Raises:
            DataError: it cannot be read, or says something a study does not have.
        """
        try:
            data = yaml.safe_load(read_text(path))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise DataError(f"cannot be read as YAML: {error}", str(path)) from error
        return validate(cls, data, DataError, str(path))


@dataclass(frozen=True)
class Turn:
    """One training of a set's members, and where its predictions lie.

    Attributes:
        name: of the set.
        seed: of the training.
        parts: path by part: test, dev, fresh, fold0...
        about: the set as the study describes it.
        study: the whole study.
        reports: training report by member, empty where there is none.
    """

    name: str
    seed: int
    parts: Mapping[str, Path]
    about: StudySet
    study: Study
    reports: Mapping[str, Mapping[str, Any]]

    @property
    def fitting_parts(self) -> list[Path]:
        """The files that weights are fitted on: folds, else fresh sentences, else dev."""
        for kind, _ in _FITTING:
            if found := sorted(path for part, path in self.parts.items() if part.startswith(kind)):
                return found
        raise DataError(f"there is nothing to fit weights on: no fold, fresh or dev part of {self.name}-{self.seed}")

    @cached_property
    def fitting(self) -> Predictions:
        """Predictions that no member was trained for, and that are not judged; their labels in the order of the test part's.

        Raises:
            DataError: a file that cannot be read, or is about other labels or members than the test part.
        """
        parts = []
        for path in self.fitting_parts:
            part = Predictions.load(path)
            try:
                parts.append(part.reorder_labels(self.test.labels))
            except DataError as error:
                raise DataError(f"{error.problem}; they do not go with {self.parts['test'].name}", str(path)) from None
            if part.members != self.test.members:
                raise DataError(f"members {part.members} do not go with {self.test.members} of the test part", str(path))
        return concat_predictions(parts)

    @cached_property
    def test(self) -> Predictions:
        """What is judged."""
        return Predictions.load(self.parts["test"])

    def metadata(self, split: str | None = None) -> RunMetadata:
        """What has to stand beside the figures; another name of the split for a part of it."""
        reports = self.reports.values()
        sizes = {report["records"]["train"] for report in reports or [self.test.about] if "records" in report}
        devices = list(dict.fromkeys(str(report["device"]) for report in reports))
        versions = {name: version for report in reports for name, version in report["versions"].items()}
        kind = next(words for kind, words in _FITTING if any(part.startswith(kind) for part in self.parts))
        return RunMetadata(
            data=self.about.data,
            split=split or self.about.split,
            decoding=self.about.decoding,
            encoder=self.study.encoder,
            seed=self.seed,
            train_size=sizes.pop() if len(sizes) == 1 else None,
            hardware=", ".join(devices) or self.study.hardware,
            versions=versions,
            fitted_on=f"{len(self.fitting):,} {kind}",
        )

    def digest(self, *more: object) -> str:
        """A hash of all that a run of this turn depends on, with `more` of it."""
        found = hashlib.sha256(repr((self.about, self.study.encoder, self.reports, *more)).encode())
        for path in (*self.fitting_parts, self.parts["test"]):
            found.update(path.read_bytes())
        return found.hexdigest()[:12]


def find_turns(study: Study, folder: str | Path) -> list[Turn]:
    """The turns of a study whose predictions lie in a folder as SET-SEED-PART.parquet, by set and seed.

    Raises:
        DataError: no such folder, no predictions of any set, or training reports that cannot be read.
    """
    parts: dict[tuple[str, int], dict[str, Path]] = {}
    for name, seed, part, path in _files(Path(folder)):
        parts.setdefault((name, seed), {})[part] = path
    training = _training(Path(folder) / TRAINING_FILE)
    turns = [
        Turn(name, seed, found, about, study, training.get(f"{name}-{seed}", {}))
        for name, about in study.sets.items()
        for (of, seed), found in sorted(parts.items())
        if of == name and "test" in found and len(found) > 1
    ]
    if not turns:
        raise DataError(
            f"holds no predictions of {', '.join(study.sets)}: expected SET-SEED-test.parquet and fold, fresh or dev parts",
            str(folder),
        )
    return turns


def _files(folder: Path) -> Iterator[tuple[str, int, str, Path]]:
    if not folder.is_dir():
        raise DataError("is no folder", str(folder))
    for path in sorted(folder.glob("*.parquet")):
        if match := _FILE.fullmatch(path.name):
            yield match["set"], int(match["seed"]), match["part"], path


def _training(path: Path) -> dict[str, dict[str, dict[str, Any]]]:
    if not path.exists():
        return {}
    try:
        data = read_json(path)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read as JSON: {error}", str(path)) from error
    wanted = ("records", "device", "versions")
    try:
        return {
            turn: {member: {name: report[name] for name in wanted} for member, report in members.items()}
            for turn, members in data.items()
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(
            f"holds no training reports, SET-SEED -> member -> records, device, versions: {error!r}", str(path)
        ) from error
