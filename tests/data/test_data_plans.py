"""Builders, prepared folders and what becomes of each data set's files, on small files of the same form."""

import json
import shutil
import stat
from importlib import import_module
from pathlib import Path

import datasets
import pytest
import yaml

from hybridner.data import RepairLog, read_splits, write_jsonl
from hybridner.data.corpora.catalog import SOURCES, Source, label_set
from hybridner.data.corpora.plans import open_plan
from hybridner.data.corpora.prepare import load_prepared_label_set, prepare
from hybridner.data.formats.markup import Document, Sentence
from hybridner.data.sncm.corpus import read_corpus_splits, read_draft_label_map, split_documents
from hybridner.data.sncm.ontology import load_ontology
from hybridner.errors import DataError
from hybridner.spans import Record, Span

CLASSES = {"msra": "Msra", "cluener": "Cluener", "cmeee": "Cmeee", "sncm": "Sncm"}


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    datasets.disable_progress_bars()


def builder_class(name):
    return getattr(import_module(f"datasets_scripts.{name}.{name}"), CLASSES[name])


@pytest.fixture
def msra(write, tmp_path):
    folder = tmp_path / "msra"
    sentences = [line for n in range(40) for line in (f"{chr(0x4E00 + n)}\tB-PER", "在\tO", "京\tB-LOC", "")]
    write("msra_train_bio", *sentences, "0\t", folder=folder)
    write("msra_test_bio", "中\tB-ORG", "央\tI-ORG", folder=folder)
    return folder


@pytest.fixture
def cluener(write, tmp_path):
    folder = tmp_path / "cluener"
    train = [json.dumps({"text": f"王五第{n}次", "label": {"name": {"王五": [[0, 1]]}}}) for n in range(20)]
    write("train.json", *train, folder=folder)
    write("dev.json", json.dumps({"text": "曼联", "label": {"organization": {"曼联": [[0, 1]]}}}), folder=folder)
    write("test.json", json.dumps({"id": 0, "text": "无标注"}), folder=folder)
    return folder


@pytest.fixture
def cmeee(write, tmp_path):
    folder = tmp_path / "cmeee"
    entities = [{"start_idx": 0, "end_idx": 3, "type": "sym"}, {"start_idx": 0, "end_idx": 0, "type": "bod", "entity": "肺"}]
    empty = {"start_idx": 2, "end_idx": 1, "type": "pro", "entity": ""}
    write("CMeEE_train.json", json.dumps([{"text": "肺内病变", "entities": [*entities, empty]}], indent=1), folder=folder)
    write("CMeEE_dev.json", json.dumps([{"text": "肺内病变。", "entities": entities}]), folder=folder)
    return folder


def doccano(id, text, *spans):
    entities = [{"start_offset": start, "end_offset": end, "label": label} for start, end, label in spans]
    return json.dumps({"id": id, "text": text, "entities": entities})


@pytest.fixture
def draft(write, tmp_path):
    folder = tmp_path / "draft"
    write(
        "entity_train.jsonl",
        doccano(1, "北约说。俄军 在。", (0, 2, "国家"), (4, 7, "国家"), (5, 99, "国家"), (0, 1, "属性")),
        doccano(2, "北约说。俄军 在。", (0, 2, "国家")),
        doccano(3, "也在验证集。", (0, 1, "国家")),
        folder=folder,
    )
    write("entity_val.jsonl", doccano(4, "也在验证集。", (0, 1, "国家")), folder=folder)
    write("label_map.json", json.dumps({"国家": "Adversary States", "属性": None}), folder=folder)
    return folder


@pytest.fixture
def corpus(write, tmp_path):
    folder = tmp_path / "corpus"
    for genre in ("news", "report"):
        lines = []
        for number in range(10):
            lines.append(f"# doc {genre}-{number:03} | genre={genre} | title=t")
            lines.append(f"{{俄军|STATE}}部署{{{genre}{number}干扰机|OFFSYS}}。")
            lines += ["> 1 deploys 2", f"{genre}第{number}句没有实体。"]
        write(f"{genre}.txt", *lines, folder=folder)
    return folder


ENTITY = {"start", "end", "label"}


def test_msra_gets_a_dev_split_and_counts_its_repairs(msra, tmp_path):
    builder = builder_class("msra")(data_dir=str(msra), cache_dir=str(tmp_path / "cache"))
    builder.download_and_prepare()
    splits = builder.as_dataset()
    assert {split: part.num_rows for split, part in splits.items()} == {"train": 37, "validation": 4, "test": 1}
    assert set(splits["train"][0]) == {"id", "text", "entities"}
    assert splits["train"].features["entities"].feature["label"].names == ["LOC", "ORG", "PER"]
    assert splits["test"][0] == {"id": "test-0", "text": "中央", "entities": [{"start": 0, "end": 2, "label": 1}]}
    assert not set(splits["train"]["text"]) & set(splits["validation"]["text"])
    assert dict(builder.repairs.counts) == {"empty_tag": 1}
    assert "Levow" in builder.info.citation


def test_a_builder_notices_changed_files(cluener, tmp_path, write):
    def rows():
        builder = builder_class("cluener")(data_dir=str(cluener), cache_dir=str(tmp_path / "cache"))
        builder.download_and_prepare()
        return builder.as_dataset()["test"].num_rows

    assert rows() == 1
    write("test.json", json.dumps({"text": "一"}), json.dumps({"text": "二"}), folder=cluener)
    assert rows() == 2


def test_a_strict_builder_does_not_take_what_a_lenient_one_cached(cmeee, tmp_path):
    settings = {"data_dir": str(cmeee), "cache_dir": str(tmp_path / "cache")}
    builder_class("cmeee")(**settings).download_and_prepare()
    with pytest.raises(DataError, match=r"record 0 .*entity 2: empty_span"):
        builder_class("cmeee")(**settings, strict=True).download_and_prepare()


def test_cmeee_stays_nested_and_says_where_its_files_are_to_be_had(cmeee, tmp_path):
    builder = builder_class("cmeee")(data_dir=str(cmeee), cache_dir=str(tmp_path / "cache"))
    builder.download_and_prepare()
    names = label_set("cmeee").names
    (row,) = builder.as_dataset()["train"]
    assert [(e["start"], e["end"], names[e["label"]]) for e in row["entities"]] == [(0, 1, "bod"), (0, 4, "sym")]
    with pytest.raises(DataError, match=r"Register at https://tianchi\.aliyun\.com/dataset/95414"):
        builder_class("cmeee")(cache_dir=str(tmp_path / "other")).download_and_prepare()


def test_public_files_are_fetched(cluener, msra, tmp_path, monkeypatch):
    archive = shutil.make_archive(str(tmp_path / "cluener_public"), "zip", cluener)
    for name, urls in (("cluener", {"all": archive}), ("msra", {s: str(msra / f"msra_{s}_bio") for s in ("train", "test")})):
        monkeypatch.setitem(SOURCES, name, Source("t", "h", "l", "c", "g", urls=urls))
        builder = builder_class(name)(cache_dir=str(tmp_path / "cache"))
        builder.download_and_prepare()
        assert set(builder.as_dataset()) == {"train", "validation", "test"}
    prepared = prepare("cluener", None, tmp_path / "out")
    assert prepared.records == {"train": 20, "validation": 1, "test": 1}


def test_without_a_network_it_is_said_what_to_download(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"could not be fetched .*cluener_public\.zip by other means and give the data folder"):
        prepare("cluener", None, tmp_path / "out")


@pytest.mark.parametrize("name", ["cluener", "msra"])
def test_the_official_addresses_need_no_login(name):
    assert all(url.startswith("https://") for url in SOURCES[name].urls.values())


def test_held_out_variant_keeps_the_published_dev_for_testing(cluener):
    plan = open_plan("cluener", cluener, variant="held-out")
    texts = {split: [sentence.record.text for sentence in part] for split, part in plan.splits.items()}
    assert {split: len(part) for split, part in texts.items()} == {"train": 18, "validation": 2, "test": 1}
    assert texts["test"] == ["曼联"]
    assert not set(texts["train"]) & set(texts["validation"])


def test_held_out_needs_a_dev_file(msra):
    with pytest.raises(DataError, match="needs a train and a validation file"):
        open_plan("msra", msra, variant="held-out")


def test_draft_documents_become_sentences_and_every_repair_is_counted(draft):
    log = RepairLog()
    plan = open_plan("sncm", draft, repairs=log)
    splits = {split: [sentence.record for sentence in part] for split, part in plan.splits.items()}
    assert splits["train"] == [
        Record("北约说。", (Span(0, 2, "Adversary States"),), "1:0"),
        Record("俄军 在。", (Span(0, 2, "Adversary States"),), "1:4"),
    ]
    assert {record.group for record in splits["train"]} == {"1"}
    assert [record.id for record in splits["validation"]] == ["4:0"]
    assert dict(log.counts) == {
        "edge_space": 1,
        "out_of_range": 1,
        "unmapped_label": 1,
        "duplicate_document": 1,
        "leaked_document": 1,
    }


def test_label_maps_are_checked(draft, write):
    write("label_map.json", json.dumps({"国家": "Country"}), folder=draft)
    with pytest.raises(DataError, match=r"label_map\.json, 国家: 'Country' is none of the labels"):
        open_plan("sncm", draft)
    write("label_map.json", "[]", folder=draft)
    with pytest.raises(DataError, match="expected an object"):
        read_draft_label_map(draft)
    (draft / "label_map.json").unlink()
    assert read_draft_label_map(draft) == {name: name for name in label_set("sncm").names}
    with pytest.raises(DataError, match="line 1: unknown label '国家'"):
        open_plan("sncm", draft)


def test_the_corpus_is_split_by_document_within_each_genre(corpus):
    splits = read_corpus_splits(corpus)
    groups = {split: {sentence.record.group for sentence in part} for split, part in splits.items()}
    assert {split: len(ids) for split, ids in groups.items()} == {"train": 16, "validation": 2, "test": 2}
    assert all(len({id.split("-")[0] for id in ids}) == 2 for ids in groups.values())
    assert sum(map(len, groups.values())) == len(set.union(*groups.values()))
    assert {span.label for s in splits["train"] for span in s.record.entities} == {"Adversary States", "Offensive Systems"}


def test_document_split_does_not_depend_on_order_and_keeps_near_its_shares():
    documents = [Document(f"d{n}", "news", "t", (Sentence(Record("字")),) * (1 + n % 7)) for n in range(60)]
    splits = split_documents(documents)
    assert splits == split_documents(documents[::-1])
    sizes = {document.id: len(document.sentences) for document in documents}
    for split in ("validation", "test"):
        assert sum(sizes[id] for id in splits[split]) / sum(sizes.values()) == pytest.approx(0.1, abs=0.02)


def test_a_split_list_decides_and_must_be_complete(corpus, write):
    ids = [f"{genre}-{number:03}" for genre in ("news", "report") for number in range(10)]
    listed = {"train": ids[:18], "validation": ids[18:19], "test": ids[19:]}
    write("splits.yaml", json.dumps(listed), folder=corpus)
    assert {s.record.group for s in read_corpus_splits(corpus)["test"]} == {"report-009"}
    for wrong, message in (
        ({**listed, "test": []}, "document 'report-009' is in no split"),
        ({**listed, "test": ["report-009", "news-000"]}, "document 'news-000' is listed more than once"),
        ({**listed, "test": ["report-009", "other"]}, "document 'other' is listed but not in the corpus"),
    ):
        write("splits.yaml", json.dumps(wrong), folder=corpus)
        with pytest.raises(DataError, match=rf"splits\.yaml: {message}"):
            read_corpus_splits(corpus)


def test_a_corpus_that_breaks_the_ontology_is_refused(corpus, write):
    write("bad.txt", "# doc bad | genre=news | title=t", "{俄军|STATE}{昨天|TIME}", "> 2 deploys 1", folder=corpus)
    with pytest.raises(DataError, match=r"rules are broken 2 times; first: .*bad\.txt, line 2"):
        read_corpus_splits(corpus)


def test_the_corpus_has_relations_and_one_fixed_split(corpus, tmp_path):
    builder = builder_class("sncm")(data_dir=str(corpus), cache_dir=str(tmp_path / "cache"))
    builder.download_and_prepare()
    part = builder.as_dataset()["test"]
    kinds = part.features["relations"].feature["type"].names
    rows = [row for row in part if row["entities"]]
    assert rows
    assert all([(r["head"], r["tail"], kinds[r["type"]]) for r in row["relations"]] == [(0, 1, "deploys")] for row in rows)
    with pytest.raises(DataError, match="one fixed split"):
        open_plan("sncm", corpus, variant="held-out")


def test_a_prepared_folder_opens_without_a_script_and_reads_back(corpus, tmp_path):
    prepared = prepare("sncm", corpus, tmp_path / "out" / "sncm")
    opened = datasets.load_dataset(str(prepared.folder))
    assert {split: part.num_rows for split, part in opened.items()} == prepared.records
    assert opened["train"].features["entities"].feature["label"].names == list(label_set("sncm").names)
    expected = {split: [sentence.record for sentence in part] for split, part in read_corpus_splits(corpus).items()}
    assert read_splits(prepared.folder) == expected
    assert {record.group for record in read_splits(prepared.folder)["test"]} == {r.group for r in expected["test"]}
    assert load_prepared_label_set(prepared.folder) == label_set("sncm")
    assert stat.S_IMODE(prepared.folder.stat().st_mode) == 0o755


def test_the_card_of_a_prepared_folder_names_licence_counts_and_repairs(draft, cmeee, corpus, tmp_path):
    cards = {}
    for name, folder in (("sncm", draft), ("cmeee", cmeee), ("sncm", corpus)):
        prepare(name, folder, tmp_path / folder.name / "out")
        cards[folder.name] = (tmp_path / folder.name / "out" / "README.md").read_text(encoding="utf-8")
    assert "license: cc-by-4.0" in cards["corpus"]
    assert "license: other" in cards["draft"]  # the draft is not the open corpus
    assert "do not redistribute" in cards["draft"]
    assert "| train | 1 | 2 |" in cards["cmeee"]
    assert "- empty_span: 1 (" in cards["cmeee"]
    assert "| bod | 身体 |" in cards["cmeee"]


def test_conll_takes_its_labels_from_the_files_and_counts_repairs_once(msra, tmp_path):
    prepared = prepare("conll", msra, tmp_path / "out")
    assert prepared.records == {"train": 41, "test": 1}
    assert prepared.entities == {"train": 80, "test": 1}
    assert load_prepared_label_set(prepared.folder).names == ("LOC", "ORG", "PER")
    assert dict(prepared.repairs.counts) == {"empty_tag": 1}


def test_nothing_is_left_behind_when_preparing_fails(cmeee, tmp_path):
    output = tmp_path / "place" / "out"
    with pytest.raises(DataError, match="empty_span"):
        prepare("cmeee", cmeee, output, strict=True)
    assert list(output.parent.iterdir()) == []


def test_existing_folders_are_not_overwritten(cmeee, tmp_path):
    (tmp_path / "empty").mkdir()
    assert prepare("cmeee", cmeee, tmp_path / "empty").records == {"train": 1, "validation": 1}
    with pytest.raises(DataError, match="exists already"):
        prepare("cmeee", cmeee, tmp_path / "empty")


def test_labels_that_the_data_set_does_not_have_are_errors(write, tmp_path):
    write("train.jsonl", '{"text": "甲", "entities": [{"start": 0, "end": 1, "label": "goverment"}]}', folder=tmp_path / "x")
    with pytest.raises(DataError, match=r"train\.jsonl, line 1: unknown label 'goverment'; known are address, book"):
        prepare("cluener", tmp_path / "x", tmp_path / "out")


def test_unknown_names_and_variants(tmp_path):
    with pytest.raises(DataError, match="unknown data set 'weibo'; known are msra, cluener, cmeee, sncm, conll"):
        open_plan("weibo", tmp_path)
    with pytest.raises(DataError, match="unknown variant 'paper'"):
        open_plan("msra", tmp_path, variant="paper")
    with pytest.raises(DataError, match="unknown data set 'weibo'"):
        label_set("weibo")
    with pytest.raises(DataError, match="the files of conll are needed"):
        open_plan("conll")
    with pytest.raises(DataError, match="make the folder with `hybridner data prepare`"):
        load_prepared_label_set(tmp_path)


@pytest.mark.parametrize(("name", "size"), [("msra", 3), ("cluener", 10), ("cmeee", 9), ("sncm", 13)])
def test_every_label_has_a_chinese_name_and_one_sentence(name, size):
    labels = label_set(name)
    assert len(labels) == size
    assert labels.domain
    for label in labels.labels:
        assert any("\u4e00" <= character <= "\u9fff" for character in label.title)
        assert label.description.endswith("。")
        assert label.description.count("。") == 1


def test_label_set_and_ontology_of_sncm_say_the_same():
    types = {type.name: type.title for type in load_ontology().types}
    assert types == {label.name: label.title for label in label_set("sncm").labels}


def test_cards_stand_beside_the_builders_with_their_metadata():
    for name in CLASSES:
        module = import_module(f"datasets_scripts.{name}.{name}")
        text = (Path(module.__file__).parent / "README.md").read_text(encoding="utf-8")
        head = yaml.safe_load(text.split("---")[1])
        assert head["language"] == ["zh"]
        assert head["pretty_name"]
        assert head["license"]
        for part in ("Features", "Splits", "Labels", "Licence", "Known defects", "Citation"):
            assert f"\n## {part}" in text
        for label in label_set(name).names:
            assert f"| {label} |" in text
        assert SOURCES[name].citation.split("{")[1].split(",")[0] in text


def test_jsonl_files_can_stand_in_for_the_published_form(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    write_jsonl([Record("王五", (Span(0, 2, "PER"),), "x")], folder / "train.jsonl")
    write_jsonl([Record("北京", (Span(0, 2, "LOC"),), "y")], folder / "dev.jsonl")
    prepared = prepare("msra", folder, tmp_path / "out")
    assert prepared.records == {"train": 1, "validation": 1}
