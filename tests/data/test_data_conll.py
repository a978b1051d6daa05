"""CoNLL-style files in every scheme, with tabs and spaces."""

import pytest

from hybridner.data import RepairLog, detect_format, read_records
from hybridner.data.formats.conll import find_layout
from hybridner.errors import DataError
from hybridner.spans import Record, Span

TOKENS = "在北京见王五A"
TAGS = {
    "BIO": ["O", "B-LOC", "I-LOC", "O", "B-PER", "I-PER", "B-X"],
    "BIOS": ["O", "B-LOC", "I-LOC", "O", "B-PER", "I-PER", "S-X"],
    "BIOES": ["O", "B-LOC", "E-LOC", "O", "B-PER", "E-PER", "S-X"],
    "BMES": ["O", "B-LOC", "E-LOC", "O", "B-PER", "E-PER", "S-X"],
}
SPANS = (Span(1, 3, "LOC"), Span(4, 6, "PER"), Span(6, 7, "X"))


def lines(tags, separator):
    return [f"{token}{separator}{tag}" for token, tag in zip(TOKENS, tags, strict=True)]


@pytest.mark.parametrize("separator", ["\t", " ", "   ", "\tNN\t", " NN "])
@pytest.mark.parametrize("scheme", list(TAGS))
def test_all_schemes_and_separators_give_the_same_spans(write, scheme, separator):
    path = write("train", *lines(TAGS[scheme], separator), "", "", *lines(TAGS[scheme], separator))
    assert detect_format(path).format == "conll"
    log = RepairLog(strict=True)
    assert read_records(path, repairs=log) == [Record(TOKENS, SPANS, "train-0"), Record(TOKENS, SPANS, "train-1")]


def test_the_middle_of_long_entities(write):
    bmes = write("a", "中 B-ORG", "共 M-ORG", "中 M-ORG", "央 E-ORG", "说 S-X")
    bioes = write("b", "中 B-ORG", "共 I-ORG", "中 I-ORG", "央 E-ORG", "说 S-X")
    assert (find_layout(bmes).scheme, find_layout(bioes).scheme) == ("BMES", "BIOES")
    for path in (bmes, bioes):
        assert read_records(path, repairs=RepairLog(strict=True))[0].entities == (Span(0, 4, "ORG"), Span(4, 5, "X"))


def test_adjacent_entities_of_one_type_stay_two(write):
    (record,) = read_records(write("a", "京 B-LOC", "津 B-LOC", "冀 I-LOC"))
    assert record.entities == (Span(0, 1, "LOC"), Span(1, 3, "LOC"))


def test_mixed_prefixes_fit_no_scheme(write):
    with pytest.raises(DataError, match=r"B \(first in line 1\), I \(first in line 2\), M \(first in line 3\) fit none"):
        read_records(write("a", "京 B-LOC", "津 I-LOC", "冀 M-LOC"))


@pytest.mark.parametrize("separator", ["\t", " "])
def test_an_empty_tag_is_read_as_outside_and_counted(write, separator):
    path = write("a", "王\tB-PER".replace("\t", separator), f"0{separator}", "五\tB-PER".replace("\t", separator))
    log = RepairLog()
    (record,) = read_records(path, repairs=log)
    assert (record.text, record.entities) == ("王0五", (Span(0, 1, "PER"), Span(2, 3, "PER")))
    assert dict(log.counts) == {"empty_tag": 1}
    with pytest.raises(DataError, match="a, line 2: empty_tag"):
        read_records(path, repairs=RepairLog(strict=True))


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        (["O", "I-A", "I-A"], [(1, 3, "A")]),
        (["B-A", "I-B", "O"], [(0, 1, "A"), (1, 2, "B")]),
        (["S-A", "E-A", "O"], [(0, 1, "A"), (1, 2, "A")]),
        (["B-A", "O", "E-A"], [(0, 1, "A"), (2, 3, "A")]),
        (["B-A", "B-A", "E-A"], [(0, 1, "A"), (1, 3, "A")]),
        (["O", "O", "M-A"], [(2, 3, "A")]),
    ],
)
def test_tags_that_break_their_scheme_are_repaired_by_rule_and_counted(write, tags, spans):
    path = write("a", *(f"字\t{tag}" for tag in tags))
    log = RepairLog()
    record = read_records(path, repairs=log)[0]
    assert [tuple(span) for span in record.entities] == spans
    assert log.counts["broken_tags"] >= 1
    with pytest.raises(DataError, match="broken_tags"):
        read_records(path, repairs=RepairLog(strict=True))


def test_an_unfinished_entity_at_the_end_of_a_sentence_is_broken_only_where_ends_are_marked(write):
    bio = write("bio", "王 B-PER", "五 I-PER", "", "说 O")
    assert read_records(bio, repairs=RepairLog(strict=True))[0].entities == (Span(0, 2, "PER"),)
    log = RepairLog()
    bioes = write("bioes", "王 B-PER", "五 I-PER", "", "王 B-PER", "五 E-PER")
    assert read_records(bioes, repairs=log)[0].entities == (Span(0, 2, "PER"),)
    assert log.counts["broken_tags"] == 1


def test_space_tokens_are_kept_as_characters(write):
    (record,) = read_records(write("a", "B\tB-X", " \tI-X", "C\tI-X"))
    assert (record.text, record.entities) == ("B C", (Span(0, 3, "X"),))
    (record,) = read_records(write("b", "甲 B-X", "  I-X", "　 I-X", "乙 O"))
    assert (record.text, record.entities) == ("甲 　乙", (Span(0, 3, "X"),))


def test_latin_words_are_joined_with_a_space_and_offsets_follow(write):
    (record,) = read_records(write("a", "Black B-EVENT", "Sea I-EVENT", "号 I-EVENT", "u B-Y", "GPS B-X", "系统 I-X"))
    assert record.text == "Black Sea号uGPS系统"
    assert [record.text[s:e] for s, e, _ in record.entities] == ["Black Sea号", "u", "GPS系统"]


def test_document_starts_group_their_sentences(write):
    path = write("a.txt", "-DOCSTART- -X- O", "", "王 B-PER", "", "五 O", "-DOCSTART- O", "赵 B-PER")
    records = read_records(path)
    assert [record.text for record in records] == ["王", "五", "赵"]
    assert [(record.group, record.id) for record in records] == [("a-1", "a-1:0"), ("a-1", "a-1:1"), ("a-2", "a-2:2")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("王", r"line 3: expected a token and a tag, found one column: '王'"),
        ("\tB-PER", r"line 3, column 1: the token is missing"),
        ("王 X-PER", r"the tag prefixes B \(first in line 1\), X \(first in line 3\) fit none"),
        ("王 PER", r"sentence from line 1, token 2: unknown tag 'PER'"),
    ],
)
def test_unreadable_lines_stop_with_their_place(write, line, message):
    with pytest.raises(DataError, match=rf"a\.bio[,:] {message}"):
        read_records(write("a.bio", "甲 B-PER", "乙 O", line), "conll")


VARIANTS = {
    "index column": ["1\t王\tB-PER", "2\t五\tI-PER", "3\t说\tO"],
    "index column and more": ["0 王 NR B-PER", "1 五 NR I-PER", "2 说 VV O"],
    "segmentation digits": ["王0\tB-PER", "五1\tI-PER", "说0\tO"],
    "columns after the tag": ["王 B-PER 0.9", "五 I-PER 0.8", "说 O 1.0"],
    "other tags before": ["王 NR B-NP B-PER", "五 NR I-NP I-PER", "说 VV O O"],
    "underscores": ["王 B_PER", "五 I_PER", "说 O"],
    "BILOU": ["王 B-PER", "五 L-PER", "说 O"],
    "marks inside": ["\ufeff王 B-PER", "五 I-PER", "说 O"],
}


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_columns_are_found_by_what_they_hold(write, variant):
    one = VARIANTS[variant]
    path = write("train.txt", *one, "", *one, "")
    assert detect_format(path).format == "conll"
    records = read_records(path, repairs=RepairLog(strict=True))
    assert [(record.text, record.entities) for record in records] == [("王五说", (Span(0, 2, "PER"),))] * 2


@pytest.mark.parametrize("separator", ["\t", " "])
def test_labels_may_hold_spaces(write, separator):
    lines = [
        f"{token}{separator}{tag}" for token, tag in zip("俄国说", ("B-Adversary States", "I-Adversary States", "O"), strict=True)
    ]
    (record,) = read_records(write("a.txt", *lines), repairs=RepairLog(strict=True))
    assert record.entities == (Span(0, 2, "Adversary States"),)


def test_digits_that_are_tokens_stay(write):
    (record,) = read_records(write("a.txt", "0 B-N", "1 I-N", "2 O"))
    assert record.text == "012"
    (record,) = read_records(write("b.txt", "F16 B-N", "的 O", "J20 B-N"))
    assert record.text == "F16的J20"


def test_a_sentence_in_place_of_a_token_is_named(write):
    path = write("a.txt", "俄罗斯在叙利亚部署了干扰机。 O", "北约的无人机失去了信号。 O")
    with pytest.raises(DataError, match=r"line 1: the token is a whole sentence: '俄罗斯在叙利亚部署了干扰机。'"):
        read_records(path)
