"""The ontology: its rules in Python, and the same verdicts from the reasoner."""

import pytest

from hybridner.data import ReadOptions, read_corpus
from hybridner.data.formats.markup import Relation, Sentence
from hybridner.data.sncm.ontology import SNCM_OPEN, check_sentences, load_ontology
from hybridner.data.sncm.reasoner import is_consistent, reasoner_missing
from hybridner.errors import DataError, HybridNerError
from hybridner.spans import Record, Span

ONTOLOGY = load_ontology()
CODES = {code: name for code, name in ONTOLOGY.names_of_codes.items() if name}
TEXT = "海湾战争中美军部署干扰机昨天"


def sentence(*marks, relations=(), text=TEXT):
    spans = tuple(Span(start, end, CODES.get(code, code)) for start, end, code in marks)
    return Sentence(Record(text, spans, "s"), tuple(Relation(*relation) for relation in relations), "x.txt, line 1")


GOOD = sentence(
    (0, 4, "EVENT"), (5, 7, "STATE"), (9, 12, "OFFSYS"), (12, 14, "TIME"),
    relations=[(1, 2, "deploys"), (1, 0, "participates_in"), (0, 3, "takes_place_at")],
)  # fmt: skip
BAD = {
    "is both Adversarial Events and Offensive Systems": sentence((0, 4, "EVENT"), (0, 4, "OFFSYS")),
    "is both Offensive Systems and Defensive Systems": sentence((9, 12, "OFFSYS"), (9, 12, "DEFSYS")),
    "Engagement Time cannot be where uses starts": sentence((3, 4, "OFFTECH"), (12, 14, "TIME"), relations=[(1, 0, "uses")]),
    "Engagement Time cannot be where deploys leads": sentence((5, 7, "STATE"), (12, 14, "TIME"), relations=[(0, 1, "deploys")]),
}


def test_thirteen_types_under_five_domains_all_disjoint():
    assert len(ONTOLOGY.types) == 13
    assert {type.core for type in ONTOLOGY.types} == {
        "Adversarial Subject",
        "Adversarial Event",
        "Countermeasure Equipment",
        "Technology",
        "Operational Environment",
    }
    assert len(ONTOLOGY.disjoint) == 13 * 12 // 2


def test_the_relations_of_the_guide():
    rules = {relation.name: relation for relation in ONTOLOGY.relations}
    names = {name: code for code, name in CODES.items()}
    table = {name: ({names[n] for n in rule.heads}, {names[n] for n in rule.tails}) for name, rule in rules.items()}
    assert set(table) == {
        "deploys", "carries", "uses", "counters", "targets", "participates_in", "takes_place_in", "takes_place_at", "located_in",
        "part_of",
    }  # fmt: skip
    assert table["deploys"] == ({"STATE"}, {"OFFSYS", "DEFSYS", "PLATFORM", "GROUND", "RECEIVER", "GNSS"})
    assert table["counters"] == ({"DEFTECH", "DEFSYS"}, {"OFFTECH", "OFFSYS"})
    assert table["takes_place_at"] == ({"EVENT"}, {"TIME"})


def test_a_good_sentence_breaks_no_rule():
    assert check_sentences([GOOD], ONTOLOGY) == []


@pytest.mark.parametrize("message", list(BAD))
def test_a_broken_rule_is_said_with_its_place(message):
    problems = check_sentences([GOOD, BAD[message]], ONTOLOGY)
    assert len(problems) == 1
    assert problems[0].startswith("x.txt, line 1: “")
    assert message in problems[0]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (sentence((0, 4, "WAR")), "unknown entity type 'WAR' of “海湾战争”"),
        (sentence((0, 4, "EVENT"), (5, 7, "STATE"), relations=[(1, 0, "wins")]), "unknown relation in “美军” wins “海湾战争”"),
        (sentence((0, 7, "EVENT"), (5, 7, "STATE")), "“海湾战争中美军” and “美军” overlap"),
    ],
)
def test_what_the_reasoner_would_not_notice(wrong, message):
    assert check_sentences([wrong], ONTOLOGY) == [f"x.txt, line 1: {message}"]


def test_a_damaged_ontology_is_named(tmp_path):
    (tmp_path / "o.owl").write_text("<rdf", encoding="utf-8")
    with pytest.raises(DataError, match=r"o\.owl: the ontology cannot be read"):
        load_ontology(tmp_path / "o.owl")


needs_reasoner = pytest.mark.skipif(bool(reasoner_missing()), reason=reasoner_missing() or "-")


@needs_reasoner
def test_the_reasoner_finds_a_good_sentence_consistent():
    assert is_consistent([GOOD, GOOD])


@needs_reasoner
@pytest.mark.parametrize("message", list(BAD))
def test_the_reasoner_finds_what_the_fast_check_finds(message):
    assert not is_consistent([GOOD, BAD[message]])


@needs_reasoner
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (sentence((0, 4, "WAR")), "no entity type 'WAR'"),
        (sentence((0, 4, "EVENT"), (5, 7, "STATE"), relations=[(1, 0, "wins")]), "no relation 'wins'"),
    ],
)
def test_the_reasoner_refuses_what_the_ontology_does_not_name(wrong, message):
    with pytest.raises(DataError, match=message):
        is_consistent([wrong])


def test_without_java_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert "install a Java runtime" in reasoner_missing()
    with pytest.raises(HybridNerError, match="install a Java runtime"):
        is_consistent([GOOD])


@needs_reasoner
@pytest.mark.skipif(not any(SNCM_OPEN.glob("*.txt")), reason="the corpus is not in this checkout")
def test_the_whole_corpus_is_consistent():
    documents = read_corpus(SNCM_OPEN, ReadOptions(label_map=ONTOLOGY.names_of_codes))
    assert is_consistent(sentence for document in documents for sentence in document.sentences)
