from __future__ import annotations

from pathlib import Path

import pytest

from hybridner.data.sncm.ontology import ONTOLOGY, load_ontology
from hybridner.data.terms import Term, read_terms
from hybridner.errors import DataError


def write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def test_one_list_in_three_formats(tmp_path: Path) -> None:
    wanted = [Term("北斗", "SYS", 3), Term("苹果", "ORG", 0, ("公司", "手机")), Term("北斗七星", "")]
    table = write(
        tmp_path / "terms.csv",
        "术语,type,count,requires,blocked\n北斗,SYS,3,,\n\n 苹果 ,ORG,,公司|手机,no\n北斗七星,,,,true\n",
    )
    yaml = write(
        tmp_path / "terms.yaml",
        "SYS:\n- {term: 北斗, count: 3}\nORG:\n- {term: 苹果, requires: [公司, 手机]}\nblocked: [北斗七星]\n",
    )
    assert list(read_terms(table)) == list(read_terms(yaml)) == wanted
    text = write(tmp_path / "terms.txt", "# 说明\n北斗\tSYS\t3\n\n北斗七星\tblocked\n")
    assert list(read_terms(text)) == [wanted[0], wanted[2]]


def test_a_list_without_labels_takes_the_one_given(tmp_path: Path) -> None:
    path = write(tmp_path / "countries.txt", "俄罗斯\n叙利亚\tLOC\n")
    assert list(read_terms(path, "STATE")) == [Term("俄罗斯", "STATE"), Term("叙利亚", "LOC")]


def test_a_list_in_gb18030_is_read(tmp_path: Path) -> None:
    path = tmp_path / "terms.csv"
    path.write_bytes("term,label\n俄罗斯,STATE\n叙利亚,STATE\n".encode("gb18030"))
    assert [term.surface for term in read_terms(path)] == ["俄罗斯", "叙利亚"]


@pytest.mark.parametrize(
    ("name", "content", "where"),
    [
        ("a.txt", "北斗\n", "a.txt, line 1: '北斗' has no label"),
        ("a.csv", "名字,label\n北斗,SYS\n", "must name the columns"),
        ("a.csv", "term,label,count\n北斗,SYS,many\n", "a.csv, line 2: the count of '北斗' must be a whole number"),
        ("a.csv", "term,label,blocked\n北斗,SYS,perhaps\n", "a.csv, line 2: blocked must be true or false"),
        ("a.csv", "term,label\n,SYS\n", "a.csv, line 2: a term must be a text that is not empty"),
        ("a.yaml", "SYS: 北斗\n", "a.yaml, SYS: expected a list of terms"),
        ("a.yaml", "SYS: [1984]\n", r"a.yaml, SYS\[0\]: a term must be a text .* quotes"),
        ("a.yaml", "SYS: [{word: 北斗}]\n", "has the keys term, count and requires"),
        ("a.yaml", "- 北斗\n", "expected a mapping of labels"),
        ("a.owl", "<rdf", "the ontology cannot be read"),
        ("a.txt", "# nothing\n", "there is no term in it"),
        ("a.txt", "字" * 300 + "\tSYS\n", "at most 200 characters"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, name: str, content: str, where: str) -> None:
    with pytest.raises(DataError, match=where):
        list(read_terms(write(tmp_path / name, content)))


def test_the_ontology_of_sncm_open_gives_the_examples_of_its_classes() -> None:
    terms = list(read_terms(ONTOLOGY))
    assert Term("俄罗斯", "Adversary States") in terms
    assert {term.label for term in terms} <= {type_.name for type_ in load_ontology().types}


def test_individuals_of_an_ontology_under_all_their_names(tmp_path: Path) -> None:
    path = write(
        tmp_path / "o.owl",
        """<rdf:RDF xmlns:owl="http://www.w3.org/2002/07/owl#" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
          xmlns:rdfs="http://www.w3.org/2000/01/rdf-schema#" xmlns:skos="http://www.w3.org/2004/02/skos/core#" xmlns="urn:x#">
        <owl:Class rdf:about="urn:x#Sys"><rdfs:label xml:lang="en">System</rdfs:label></owl:Class>
        <owl:NamedIndividual rdf:about="urn:x#bds"><rdf:type rdf:resource="urn:x#Sys"/>
          <rdfs:label>北斗</rdfs:label><skos:altLabel>BDS</skos:altLabel></owl:NamedIndividual>
        <Sys rdf:about="urn:x#gps"><rdfs:label>GPS</rdfs:label></Sys></rdf:RDF>""",
    )
    assert list(read_terms(path)) == [Term("北斗", "System"), Term("BDS", "System"), Term("GPS", "System")]
