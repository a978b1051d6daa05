"""What the `datasets` builders of all data sets share; each of them is this class with a name.

`datasets.load_dataset` runs no code of a data set's repository, so the builders are used directly::

    builder = Cluener(data_dir="cluener_public")
    builder.download_and_prepare()
    splits = builder.as_dataset()

`config_name` is one of the variants of `hybridner.data.corpora.plans`, ``strict=True`` makes every repair an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import datasets

from hybridner.data.corpora.catalog import SOURCES
from hybridner.data.corpora.plans import VARIANTS, Plan, open_plan, plan_files
from hybridner.data.corpora.rows import iter_rows, make_features
from hybridner.data.reading import split_files
from hybridner.data.repairs import RepairLog
from hybridner.data.sncm.ontology import SNCM_OPEN
from hybridner.errors import DataError, HybridNerError


@dataclass
class RecordConfig(datasets.BuilderConfig):
    """How a data set is built.

    Attributes:
        strict: make every repair of a known defect an error.
    """

    strict: bool = False


class RecordBuilder(datasets.GeneratorBasedBuilder):
    """A builder of the common schema.

    Attributes:
        SOURCE: the data set's name in the catalog.
        repairs: after `download_and_prepare`, what was repaired how often; empty when the result came from the cache.
    """

    SOURCE: str
    VERSION = datasets.Version("1.0.0")
    BUILDER_CONFIG_CLASS = RecordConfig
    BUILDER_CONFIGS = [RecordConfig(name=variant, version=datasets.Version("1.0.0")) for variant in VARIANTS]  # noqa: RUF012
    DEFAULT_CONFIG_NAME = VARIANTS[0]

    def __init__(self, *, data_dir: str | None = None, **kwargs: Any) -> None:
        # The cache knows a data folder by its path alone, and the corpus of the package not at all; the hash makes it notice
        # changed files.
        super().__init__(data_dir=data_dir, hash=_fingerprint(data_dir or SNCM_OPEN), **kwargs)
        self.repairs = RepairLog(strict=self.config.strict)
        self._plan: Plan | None = None

    def download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        """As in `datasets`; what was wrong with the data comes as the DataError itself, and repairs go to the log."""
        try:
            super().download_and_prepare(*args, **kwargs)
        except datasets.exceptions.DatasetGenerationError as error:
            if isinstance(error.__cause__, HybridNerError):
                raise error.__cause__ from None
            raise
        self.repairs.report()

    def _info(self) -> datasets.DatasetInfo:
        source = SOURCES[self.SOURCE]
        return datasets.DatasetInfo(
            description=f"{source.title}. {source.how_to_get}",
            citation=source.citation,
            homepage=source.homepage,
            license=source.license,
        )

    def _split_generators(self, dl_manager: datasets.DownloadManager) -> list[datasets.SplitGenerator]:
        urls = SOURCES[self.SOURCE].urls
        if self.config.data_dir is None and urls:
            self._plan = plan_files(self.SOURCE, fetch(self.SOURCE, dl_manager), self.config.name, self.repairs)
        else:
            self._plan = open_plan(self.SOURCE, self.config.data_dir, variant=self.config.name, repairs=self.repairs)
        self.info.features = make_features(self._plan)
        if self._plan.about is not None:
            self.info.license = self._plan.about.license
        return [datasets.SplitGenerator(name=split, gen_kwargs={"split": split}) for split in self._plan.splits]

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        assert self._plan is not None
        yield from enumerate(iter_rows(self._plan, split))


def fetch(name: str, dl_manager: datasets.DownloadManager) -> dict[str, Path]:
    """Download the public files of a data set; the file of each split.

    Raises:
        DataError: they cannot be reached.
    """
    urls = SOURCES[name].urls
    try:
        if "all" in urls:
            return split_files(str(dl_manager.download_and_extract(urls["all"])))
        return {split: Path(path) for split, path in dl_manager.download(dict(urls)).items()}
    except OSError as error:
        addresses = ", ".join(urls.values())
        raise DataError(
            f"the files of {name} could not be fetched ({error}); download {addresses} by other means and give the data folder"
        ) from error


def _fingerprint(folder: str | Path) -> str:
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    stamps = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return sha256(repr(stamps).encode()).hexdigest()[:16]
