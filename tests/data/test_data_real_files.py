"""The counts of the real files, where HYBRIDNER_DATA says where they are."""

from collections import Counter

import pytest

from hybridner.data import RepairLog, read_records, split_files
from hybridner.data.corpora.plans import open_plan
from hybridner.data.statistics.describe import describe
from hybridner.errors import DataError
from hybridner.spans import Record


def longer(records: list[Record]) -> list[float]:
    """Percentages of entities longer than 5, 10, 16 and 20 characters."""
    lengths = [span.end - span.start for record in records for span in record.entities]
    return [round(100 * sum(length > limit for length in lengths) / len(lengths), 1) for limit in (5, 10, 16, 20)]


def labels(records: list[Record]) -> Counter:
    return Counter(span.label for record in records for span in record.entities)


def test_msra(real):
    files, log = split_files(real("msra")), RepairLog()
    train, test = read_records(files["train"], repairs=log), read_records(files["test"], repairs=log)
    assert (len(train), len(test)) == (45_000, 3_442)
    assert labels(train) == {"LOC": 36_860, "ORG": 20_584, "PER": 17_615}
    assert dict(log.counts) == {"empty_tag": 57}
    assert (max(len(r.text) for r in train), max(len(r.text) for r in test)) == (746, 2_427)
    assert longer(test) == [11.5, 1.7, 0.2, 0.0]
    with pytest.raises(DataError, match="line 15157: empty_tag"):
        read_records(files["train"], repairs=RepairLog(strict=True))


def test_msra_splits(real):
    splits = {split: list(part) for split, part in open_plan("msra", real("msra")).splits.items()}
    assert {split: len(part) for split, part in splits.items()} == {"train": 40_500, "validation": 4_500, "test": 3_442}
    texts = {split: {sentence.record.text for sentence in part} for split, part in splits.items()}
    assert not texts["train"] & texts["validation"]
    assert not (texts["train"] | texts["validation"]) & texts["test"]


def test_cluener(real):
    files, log = split_files(real("cluener")), RepairLog(strict=True)
    records = {split: read_records(path, repairs=log) for split, path in files.items()}
    assert {split: len(part) for split, part in records.items()} == {"train": 10_748, "validation": 1_343, "test": 1_345}
    assert len(labels(records["train"])) == len(labels(records["validation"])) == 10
    assert labels(records["test"]) == {}
    assert longer(records["train"]) == [24.3, 5.2, 1.1, 0.5]
    overlaps = describe({"train": records["train"]}).splits["train"].overlaps
    assert (overlaps.nested, overlaps.crossing, overlaps.same_span) == (2, 0, 0)


def test_cmeee(real):
    files, log = split_files(real("cmeee")), RepairLog()
    train, dev = read_records(files["train"], repairs=log), read_records(files["validation"], repairs=log)
    assert (len(train), len(dev)) == (15_000, 5_000)
    assert dict(log.counts) == {"empty_span": 2}
    assert (len(labels(train)), labels(train).total(), labels(dev).total()) == (9, 61_796 - 2, 20_300)
    assert max(len(record.text) for record in train) == 4_870
    assert longer(dev) == [27.3, 6.5, 2.4, 1.3]
    assert describe({"dev": dev}).splits["dev"].overlaps.flat_recall == pytest.approx(0.952, abs=0.0005)


def test_sncm_draft(real):
    files, log = split_files(real("sncm_draft")), RepairLog()
    train, val = read_records(files["train"], repairs=log), read_records(files["validation"], repairs=log)
    assert (len(train), len(val)) == (1_134, 140)
    assert len(labels(train)) == 28
    assert dict(log.counts) == {"edge_space": 311, "out_of_range": 8, "duplicate_entity": 1}


def test_sncm_draft_as_sentences_of_the_thirteen_types(real):
    log = RepairLog()
    plan = open_plan("sncm", real("sncm_draft"), repairs=log)
    splits = {split: [sentence.record for sentence in part] for split, part in plan.splits.items()}
    assert {split: len(part) for split, part in splits.items()} == {"train": 3_804, "validation": 400}
    assert set(labels(splits["train"])) <= set(plan.labels.names)
    assert (log.counts["duplicate_document"], log.counts["leaked_document"]) == (40, 9)
    documents = {record.id: record.text for path in split_files(real("sncm_draft")).values() for record in read_records(path)}
    for record in splits["train"] + splits["validation"]:
        offset = int(record.id.rpartition(":")[2])
        assert documents[record.group][offset : offset + len(record.text)] == record.text
