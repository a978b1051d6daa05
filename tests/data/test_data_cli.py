"""`hybridner data`; for pushing see tests/hub/test_dataset_repo.py."""

import json

import pytest

from hybridner.cli.commands.data import run
from hybridner.cli.main import command_parser
from hybridner.data.sncm.reasoner import reasoner_missing
from hybridner.errors import DataError


@pytest.fixture
def call(capsys):
    def _call(*arguments):
        options = command_parser("data").parse_args([*map(str, arguments)])
        return run(options), capsys.readouterr().out

    return _call


@pytest.fixture
def source(write, tmp_path):
    folder = tmp_path / "source"
    write("train.txt", "王 B-PER", "五 I-PER", "说 O", "", "北 B-LOC", "京 I-LOC", folder=folder)
    write("test.txt", "赵 B-PER", "0 ", folder=folder)
    return folder


@pytest.fixture
def prepared(source, tmp_path, call):
    call("prepare", "conll", "--data-dir", source, "--output", tmp_path / "out")
    return tmp_path / "out"


def test_prepare_tells_what_it_did(source, tmp_path, call):
    status, out = call("prepare", "conll", "--data-dir", source, "--output", tmp_path / "x")
    assert status == 0
    assert "train: 2 records, 2 entities\ntest: 1 records, 1 entities\nempty_tag: 1 times" in out
    assert f"written to {tmp_path / 'x'}" in out


def test_strict_preparing_stops(source, tmp_path, call):
    with pytest.raises(DataError, match=r"test\.txt, line 2: empty_tag"):
        call("prepare", "conll", "--data-dir", source, "--output", tmp_path / "x", "--strict")


def test_describe_as_text_and_json(prepared, source, call):
    status, out = call("describe", prepared)
    assert status == 0
    assert "2 records (0 without entities), 2 entities" in out
    assert "nothing had to be repaired" in out
    status, out = call("describe", source, "--json")
    described = json.loads(out)
    assert described["splits"]["train"]["labels"]["PER"]["commonest"] == "王五"
    assert described["leaks"][0]["unseen_surfaces"] == 1
    assert described["repairs"] == {"empty_tag": 1}


def test_describe_draws(prepared, tmp_path, call):
    pytest.importorskip("matplotlib", reason="plots need the extra `plots`")
    call("describe", prepared, "--plot", tmp_path / "x.svg")
    assert "<svg" in (tmp_path / "x.svg").read_text(encoding="utf-8")


HEAD = "# doc a | genre=news | title=t"


def test_check_counts_broken_rules_and_its_status_says_so(write, call):
    good = write("good.txt", HEAD, "{俄军|STATE}部署{干扰机|OFFSYS}。", "> 1 deploys 2")
    status, out = call("check", good)
    assert status == 0
    assert "read as markup, because its first line begins with `# doc`" in out
    assert out.endswith("relations: 1 (deploys 1)\n1 documents, 1 sentences: 0 broken rules\n")
    bad = write("bad.txt", HEAD, "{俄军|STATE}部署{干扰机|OFFSYS}。", "> 2 deploys 1")
    status, out = call("check", bad)
    assert status == 1
    assert "bad.txt, line 2: “干扰机” deploys “俄军”: Offensive Systems cannot be where deploys starts" in out
    assert out.endswith("1 documents, 1 sentences: 2 broken rules\n")


@pytest.mark.skipif(bool(reasoner_missing()), reason=reasoner_missing() or "-")
def test_check_with_the_reasoner(write, call):
    bad = write("bad.txt", HEAD, "{俄军|STATE}部署{干扰机|OFFSYS}。", "> 2 deploys 1")
    status, out = call("check", bad, "--reasoner")
    assert status == 1
    assert out.endswith("HermiT: inconsistent\n")


def test_agree(write, call):
    first = write("first.txt", HEAD, "另一句。", "{俄军|STATE}在{叙利亚|LOCATION}。")
    second = write("second.txt", HEAD, "{俄军|STATE}在{叙利亚|STATE}。")
    status, out = call("agree", first, second)
    assert status == 0
    assert "| (all) | 2 | 2 | 1 | 0.500 |" in out
    _, out = call("agree", first, second, "--json")
    assert json.loads(out)["overall"]["both"] == 1
    assert json.loads(out)["disagreements"][0]["only_second"] == [[3, 6, "STATE"]]


def test_unknown_data_sets_are_refused_by_the_parser(call, capsys, tmp_path):
    with pytest.raises(SystemExit):
        call("prepare", "weibo", "--output", tmp_path / "x")
    assert "weibo" in capsys.readouterr().err


def test_check_says_what_a_file_is_taken_for_and_what_is_wrong(write, call):
    item = {"text": "俄军在叙利亚", "spans": [{"start": 0, "end": 2, "label": "STATE"}]}
    path = write(
        "a.json", json.dumps([item, {**item, "spans": []}, {"text": "x ", "spans": [{"start": 0, "end": 1, "label": "state"}]}])
    )
    status, out = call("check", path)
    assert status == 0
    assert "read as prodigy, because `spans` holds objects with start, end and label (record 0" in out
    assert "3 records, 2 entities\n" in out
    assert "1 texts stand in it more than once with different entities, such as '俄军在叙利亚'" in out
    assert "labels that differ only in how they are written: 'STATE', 'state'" in out
    status, out = call("check", write("b.jsonl", json.dumps({"text": "无"})))
    assert "there is no entity in it" in out


def test_check_and_describe_take_folders_and_single_files(write, call, tmp_path):
    for split in ("train", "dev"):
        write(f"{split}.txt", "王 B-PER", "五 I-PER")
    _, out = call("check", tmp_path)
    assert [line.split(":")[0] for line in out.splitlines() if line.startswith("##")] == ["## train", "## validation"]
    _, out = call("describe", tmp_path / "dev.txt", "--json")
    assert json.loads(out)["splits"]["dev"]["entities"] == 1


def test_strict_checks_and_wrong_offsets_stop_with_one_line(write, call):
    path = write("a.jsonl", json.dumps({"text": "俄军在", "label": [[0, 9, "A"]]}))
    assert call("check", path)[0] == 0
    with pytest.raises(DataError, match="out_of_range"):
        call("check", path, "--strict")
    path = write("b.jsonl", json.dumps({"text": "俄军在", "entities": [{"start": 1, "end": 2, "label": "A", "text": "俄军"}]}))
    with pytest.raises(DataError, match="--offsets one-based"):
        call("check", path)
    assert "1 records, 1 entities" in call("check", path, "--offsets", "one-based")[1]


def test_convert_maps_labels_and_says_what_it_did(write, call, tmp_path):
    source = write("a.conll", "俄\tB-State", "军\tI-State", "在\tO", "叙\tB-Other")
    labels = write("map.json", json.dumps({"State": "Adversary States", "Other": None}))
    status, out = call("convert", source, tmp_path / "out.jsonl", "--to", "doccano", "--label-map", labels)
    assert status == 0
    assert "read as conll, because its first line" in out
    assert "unmapped_label: 1 times" in out
    assert "1 records written to" in out
    (written,) = map(json.loads, (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines())
    assert (written["text"], written["label"]) == ("俄军在叙", [[0, 2, "Adversary States"]])
    with pytest.raises(DataError, match="expected an object that maps each label"):
        call("convert", source, tmp_path / "x", "--to", "jsonl", "--label-map", write("bad.json", "[1]"))
    with pytest.raises(DataError, match="no such file"):
        call("convert", source, tmp_path / "x", "--to", "jsonl", "--label-map", tmp_path / "none.json")
