"""Terms of an ontology in RDF/XML: its individuals, and the examples that the comments of its classes give."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from hybridner.data.terms.term import Term, checked_term
from hybridner.errors import DataError

_OWL = "{http://www.w3.org/2002/07/owl#}"
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_RDFS = "{http://www.w3.org/2000/01/rdf-schema#}"
_SKOS = "{http://www.w3.org/2004/02/skos/core#}"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
#: What holds the names of an individual.
_NAMES = (f"{_RDFS}label", f"{_SKOS}prefLabel", f"{_SKOS}altLabel")
#: A word in the quotation marks of Chinese text.
_QUOTED = re.compile("“([^“”]+)”|「([^「」]+)」")


def read_owl(path: Path, label: str | None = None) -> Iterator[Term]:
    """Every individual under each of its names (rdfs:label, skos:prefLabel, skos:altLabel), and every word in quotation marks
    in the Chinese comment of a class. The label is the English name of the class, as in prepared data.

    Args:
        path: an OWL file in RDF/XML.
        label: in place of the classes' names.

    Raises:
        DataError: the file is no XML.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise DataError(f"the ontology cannot be read: {error}", str(path)) from error
    names = {_local(node): _class_name(node) for node in root.findall(f"{_OWL}Class")}
    for node in root:
        if node.tag == f"{_OWL}Class":
            yield from _examples(node, label or names[_local(node)], str(path))
        else:
            yield from _individual(node, names, label, str(path))


def _examples(node: ElementTree.Element, label: str, where: str) -> Iterator[Term]:
    for comment in node.findall(f"{_RDFS}comment"):
        if comment.get(_LANGUAGE, "zh").startswith("zh"):
            for found in _QUOTED.finditer(comment.text or ""):
                yield checked_term(found[1] or found[2], label, where=f"{where}, comment of {_local(node)}")


def _individual(node: ElementTree.Element, names: dict[str, str], label: str | None, where: str) -> Iterator[Term]:
    types = [_after_hash(type_.get(f"{_RDF}resource", "")) for type_ in node.findall(f"{_RDF}type")]
    types.append(node.tag.rpartition("}")[2])  # <GroundSegmentEquipment rdf:about=…> is short for a type
    for type_ in types:
        if type_ in names:
            words = dict.fromkeys((name.text or "").strip() for tag in _NAMES for name in node.findall(tag))
            for word in filter(None, words):
                yield checked_term(word, label or names[type_], where=f"{where}, {_local(node)}")


def _class_name(node: ElementTree.Element) -> str:
    """The English label, else any label, else the local name."""
    labels = {name.get(_LANGUAGE, ""): name.text for name in node.findall(f"{_RDFS}label") if name.text}
    return labels.get("en") or next(iter(labels.values()), "") or _local(node)


def _local(node: ElementTree.Element) -> str:
    return _after_hash(node.get(f"{_RDF}about") or node.get(f"{_RDF}ID") or "")


def _after_hash(iri: str) -> str:
    return re.split("[#/]", iri)[-1]
