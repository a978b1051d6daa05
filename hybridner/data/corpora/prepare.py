"""Writing a data set as a folder of Parquet files that `datasets.load_dataset` opens without a script."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from hybridner.data.corpora.card import CARD_FILE, SplitCounts, make_card
from hybridner.data.corpora.catalog import SOURCES
from hybridner.data.corpora.plans import Plan, open_plan, plan_files
from hybridner.data.corpora.rows import iter_rows, make_features
from hybridner.data.repairs import RepairLog
from hybridner.errors import DataError
from hybridner.spans import LabelSet

LABEL_SET_FILE = "label_set.yaml"
#: Rows held in memory at a time.
_ROWS = 2000


@dataclass(frozen=True)
class Prepared:
    """What `prepare` wrote.

    Attributes:
        folder: where.
        records: number of records of each split.
        entities: number of entities of each split.
        repairs: what was repaired how often.
    """

    folder: Path
    records: dict[str, int]
    entities: dict[str, int]
    repairs: RepairLog


def prepare(
    name: str, data_dir: str | Path | None, output: str | Path, *, variant: str = "official", strict: bool = False
) -> Prepared:
    """Write a data set's splits as Parquet, with its label set and a card, into a new folder.

    The folder appears only when everything went well; memory does not grow with the files, except where a split has to be cut.

    Args:
        name: one of `hybridner.data.corpora.plans.NAMES`.
        data_dir: the folder with the files. Without one they are fetched where that needs no login; for `sncm` the open corpus
            that comes with the package is taken.
        output: the folder to make; it must not exist yet or be empty.
        variant: one of `hybridner.data.corpora.plans.VARIANTS`.
        strict: make every repair of a known defect an error.

    Raises:
        DataError: whatever is wrong with the name, the files or the output folder.
    """
    output = Path(output)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise DataError("exists already; remove it or choose another folder", str(output))
    repairs = RepairLog(strict=strict)
    if data_dir is None and name in SOURCES and SOURCES[name].urls:
        plan = _fetched(name, variant, repairs)
    else:
        plan = open_plan(name, data_dir, variant=variant, repairs=repairs)
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{output.name}-", dir=output.parent))
    try:
        splits = {split: _write_parquet(plan, split, unfinished) for split in plan.splits}
        text = yaml.safe_dump(plan.labels.to_dict(), allow_unicode=True, sort_keys=False)
        (unfinished / LABEL_SET_FILE).write_text(text, encoding="utf-8")
        (unfinished / CARD_FILE).write_text(str(make_card(name, variant, plan, splits, repairs)), encoding="utf-8")
        if output.exists():
            output.rmdir()
        # mkdtemp gives a folder that only its owner can read.
        unfinished.chmod(0o755)
        unfinished.rename(output)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    records, entities = ({split: getattr(counts, part) for split, counts in splits.items()} for part in ("records", "entities"))
    return Prepared(output, records, entities, repairs)


def load_prepared_label_set(folder: str | Path) -> LabelSet:
    """The label set of a folder that `prepare` wrote.

    Args:
        folder: what `prepare` wrote.

    Raises:
        DataError: the folder has none.

    Examples:
        >>> from hybridner.data.corpora.prepare import prepare
        >>> _ = prepare("sncm", None, "sncm-open")
        >>> load_prepared_label_set("sncm-open").names[:2]
        ('Countermeasure Platforms', 'Offensive Systems')
    """
    path = Path(folder) / LABEL_SET_FILE
    if not path.is_file():
        raise DataError("no label set here; make the folder with `hybridner data prepare`", str(path))
    return LabelSet.from_dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def _fetched(name: str, variant: str, repairs: RepairLog) -> Plan:
    from datasets import DownloadManager

    from hybridner.data.corpora.builder import fetch

    return plan_files(name, fetch(name, DownloadManager()), variant, repairs)


def _write_parquet(plan: Plan, split: str, folder: Path) -> SplitCounts:
    """Write one split; returns what was counted meanwhile."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    path = folder / "data" / f"{split}-00000-of-00001.parquet"
    path.parent.mkdir(exist_ok=True)
    schema = make_features(plan).arrow_schema
    counts = SplitCounts()
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for rows in _batches(iter_rows(plan, split)):
            writer.write_table(arrow.Table.from_pylist(rows, schema=schema))
            counts.add(rows)
    return counts


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while batch := list(islice(rows, _ROWS)):
        yield batch
