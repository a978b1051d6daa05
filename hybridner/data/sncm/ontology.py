"""The SNCM-open ontology: its rules read from the OWL file, and a fast check of sentences against them.

`hybridner.data.sncm.reasoner` runs the same rules through a description-logic reasoner, which needs Java; this check does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

from hybridner.data.formats.markup import Sentence
from hybridner.errors import DataError
from hybridner.spans import Span

_OWL = "{http://www.w3.org/2002/07/owl#}"
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_RDFS = "{http://www.w3.org/2000/01/rdf-schema#}"
_NOTATION = "{http://www.w3.org/2004/02/skos/core#}notation"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"

#: The open corpus and its ontology, as they come with the package.
SNCM_OPEN = Path(str(files("hybridner.data.sncm"))) / "open"
ONTOLOGY = SNCM_OPEN / "ontology.owl"


@dataclass(frozen=True)
class EntityType:
    """One class of entities.

    Attributes:
        name: its English name, the label in prepared data.
        title: its Chinese name.
        code: the short name used in corpus text.
        core: the English name of the core domain it belongs to.
        iri: its local name in the OWL file.
    """

    name: str
    title: str
    code: str
    core: str
    iri: str


@dataclass(frozen=True)
class RelationType:
    """One relation with the names of the entity types it may start from and lead to."""

    name: str
    heads: frozenset[str]
    tails: frozenset[str]


@dataclass(frozen=True)
class Ontology:
    """The rules of the OWL file.

    Attributes:
        disjoint: pairs of entity type names that no entity can have both of.
    """

    types: tuple[EntityType, ...]
    relations: tuple[RelationType, ...]
    disjoint: frozenset[frozenset[str]]

    @property
    def names_of_codes(self) -> dict[str, str | None]:
        """Entity type name of every code, in the form of a label map."""
        return {type.code: type.name for type in self.types}

    def problems(self, sentence: Sentence) -> Iterator[str]:
        """What in a sentence breaks the rules, in words; nothing when it keeps them. Labels are entity type names."""
        record = sentence.record
        names = {type.name for type in self.types}
        for span in record.entities:
            if span.label not in names:
                yield f"unknown entity type {span.label!r} of {_word(record.text, span)}"
        for first, second in combinations(record.entities, 2):
            if second.start >= first.end:
                continue
            if (first.start, first.end) != (second.start, second.end):
                yield f"{_word(record.text, first)} and {_word(record.text, second)} overlap"
            elif frozenset({first.label, second.label}) in self.disjoint:
                yield f"{_word(record.text, first)} is both {first.label} and {second.label}, which are disjoint"
        rules = {relation.name: relation for relation in self.relations}
        for relation in sentence.relations:
            head, tail = record.entities[relation.head], record.entities[relation.tail]
            triple = f"{_word(record.text, head)} {relation.type} {_word(record.text, tail)}"
            rule = rules.get(relation.type)
            if rule is None:
                yield f"unknown relation in {triple}"
                continue
            if head.label not in rule.heads:
                yield f"{triple}: {head.label} cannot be where {relation.type} starts"
            if tail.label not in rule.tails:
                yield f"{triple}: {tail.label} cannot be where {relation.type} leads"


def check_sentences(sentences: Iterable[Sentence], ontology: Ontology) -> list[str]:
    """All broken rules of the sentences, each with where it stands."""
    return [
        f"{sentence.where or sentence.record.id}: {problem}" for sentence in sentences for problem in ontology.problems(sentence)
    ]


@cache
def load_ontology(path: Path = ONTOLOGY) -> Ontology:
    """The rules of an OWL file in RDF/XML with named classes, AllDisjointClasses and domains and ranges that are unions of them.

    Raises:
        DataError: the file is missing, no XML, or leaves out a name.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise DataError(f"the ontology cannot be read: {error}", str(path)) from error
    classes = {_local(node): node for node in root.findall(f"{_OWL}Class")}
    parents = {iri: _resource(node.find(f"{_RDFS}subClassOf")) for iri, node in classes.items()}
    types = {
        iri: EntityType(
            name=_label(node, "en", path),
            title=_label(node, "zh", path),
            code=node.findtext(_NOTATION, ""),
            core=_label(classes[parent], "en", path),
            iri=iri,
        )
        for iri, node in classes.items()
        if (parent := parents[iri])
    }
    relations = [
        RelationType(
            _local(node),
            frozenset(types[iri].name for iri in _union(node.find(f"{_RDFS}domain"))),
            frozenset(types[iri].name for iri in _union(node.find(f"{_RDFS}range"))),
        )
        for node in root.findall(f"{_OWL}ObjectProperty")
    ]
    disjoint: set[frozenset[str]] = set()
    for node in root.findall(f"{_OWL}AllDisjointClasses/{_OWL}members"):
        for one, other in combinations([_local(member) for member in node], 2):
            firsts, seconds = _below(one, types, parents), _below(other, types, parents)
            disjoint |= {frozenset({first, second}) for first in firsts for second in seconds}
    return Ontology(tuple(types.values()), tuple(relations), frozenset(disjoint))


def _below(iri: str, types: dict[str, EntityType], parents: dict[str, str]) -> list[str]:
    """Names of the entity types that a class is or holds."""
    return [type.name for child, type in types.items() if iri in (child, parents[child])]


def _union(node: ElementTree.Element | None) -> list[str]:
    """Local names of the classes that a domain or range names."""
    if node is None:
        return []
    direct = _resource(node)
    return [direct] if direct else [_local(member) for member in node.findall(f"{_OWL}Class/{_OWL}unionOf/*")]


def _local(node: ElementTree.Element) -> str:
    return node.get(f"{_RDF}about", "").rpartition("#")[2]


def _resource(node: ElementTree.Element | None) -> str:
    return "" if node is None else node.get(f"{_RDF}resource", "").rpartition("#")[2]


def _label(node: ElementTree.Element, language: str, path: Path) -> str:
    for label in node.findall(f"{_RDFS}label"):
        if label.get(_LANGUAGE) == language and label.text:
            return label.text
    raise DataError(f"the class {_local(node)} has no rdfs:label in the language {language!r}", str(path))


def _word(text: str, span: Span) -> str:
    return f"“{text[span.start : span.end]}”"
