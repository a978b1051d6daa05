"""Marked-up corpus text."""

import pytest

from hybridner.data import ReadOptions, Relation, read_corpus, read_records
from hybridner.data.formats.markup import parse_line
from hybridner.errors import DataError
from hybridner.spans import Record, Span

HEAD = "# doc news-001 | genre=news | title=黑海 | 船位异常"
LINES = (HEAD, "{俄军|STATE}在{叙利亚|LOCATION}部署{R-330Zh|OFFSYS}。", "> 1 deploys 3; 3 located_in 2", "", "没有实体的句子。")


def test_documents_sentences_and_relations(write):
    path = write("news.txt", *LINES, "# doc news-002 | genre=news | title=另一篇", "{GPS|GNSS}中断。")
    first, second = read_corpus(path)
    assert (first.id, first.genre, first.title) == ("news-001", "news", "黑海 | 船位异常")
    assert [sentence.record for sentence in first.sentences] == [
        Record("俄军在叙利亚部署R-330Zh。", (Span(0, 2, "STATE"), Span(3, 6, "LOCATION"), Span(8, 15, "OFFSYS")), "news-001:0"),
        Record("没有实体的句子。", (), "news-001:1"),
    ]
    assert first.sentences[0].relations == (Relation(0, 2, "deploys"), Relation(2, 1, "located_in"))
    assert first.sentences[0].where.endswith("news.txt, line 2")
    assert second.sentences[0].record.id == "news-002:0"


def test_records_carry_their_document_as_group(write):
    records = read_records(write("news.txt", *LINES))
    assert [record.group for record in records] == ["news-001", "news-001"]


def test_a_folder_is_read_in_the_order_of_its_file_names_and_other_files_are_left_alone(write, tmp_path):
    write("b.txt", "# doc b | genre=x | title=t", "乙。")
    write("a.txt", "# doc a | genre=x | title=t", "甲。")
    write("README.md", "not a corpus")
    assert [document.id for document in read_corpus(tmp_path)] == ["a", "b"]
    assert [document.id for document in read_corpus([tmp_path / "b.txt"])] == ["b"]


def test_codes_are_renamed_by_a_label_map(write):
    reading = ReadOptions(label_map={"STATE": "Adversary States", "LOCATION": "Place", "OFFSYS": "System"})
    (document,) = read_corpus(write("news.txt", *LINES), reading)
    assert [span.label for span in document.sentences[0].record.entities] == ["Adversary States", "Place", "System"]
    with pytest.raises(DataError, match=r"news\.txt, line 2: unknown label 'LOCATION'"):
        read_corpus(write("news.txt", *LINES), ReadOptions(label_map={"STATE": "x"}))


@pytest.mark.parametrize("text", ["{甲|A}{乙|B}", "前{甲乙|A}后", "{“三叉戟”演习|EVENT}", "无"])
def test_the_bare_text_is_what_is_left_without_the_marks(text):
    bare, spans = parse_line(text)
    rebuilt = bare
    for start, end, code, *_ in reversed(spans):
        rebuilt = f"{rebuilt[:start]}{{{rebuilt[start:end]}|{code}}}{rebuilt[end:]}"
    assert rebuilt == text
    assert not set("{}|") & set(bare)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["句子。"], "line 1: a sentence before the first"),
        (["# doc x | title=t"], "line 1: expected `# doc ID"),
        ([HEAD, "{甲|A"], "line 2: broken mark near character 0"),
        ([HEAD, "{甲|A}和{乙"], "line 2: broken mark near character 2"),
        ([HEAD, "{{甲|A}乙|B}"], "line 2: broken mark"),
        ([HEAD, "{ 甲|A}"], "line 2: spaces at the ends of the mark"),
        ([HEAD, "{|A}"], "line 2: broken mark"),
        ([HEAD, "> 1 uses 2"], "line 2: a relation line must follow its sentence"),
        ([HEAD, "{甲|A}{乙|B}", "> 1 uses 2", "> 2 uses 1"], "line 4: a relation line must follow its sentence"),
        ([HEAD, "{甲|A}{乙|B}", "> 1 uses 3"], "line 3: '1 uses 3' does not join two"),
        ([HEAD, "{甲|A}{乙|B}", "> 0 uses 1"], "line 3: '0 uses 1' does not join two"),
        ([HEAD, "{甲|A}{乙|B}", "> 1 uses 1"], "line 3: '1 uses 1' does not join two"),
        ([HEAD, "{甲|A}{乙|B}", "> 1 uses"], "line 3: expected `HEAD relation TAIL`"),
        ([HEAD, "{甲|A}{乙|B}", "> 1 uses 2; 1 uses 2"], "line 3: relation '1 uses 2' is listed twice"),
        ([HEAD, "甲。", HEAD], "the document id 'news-001' is used twice"),
    ],
)
def test_errors_name_file_and_line(write, lines, message):
    with pytest.raises(DataError, match=rf"news\.txt(, |: ){message}"):
        read_corpus(write("news.txt", *lines))


def test_a_folder_without_documents_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no document found"):
        read_corpus(tmp_path)
