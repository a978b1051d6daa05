"""The SNCM-open ontology and corpus in a description-logic reasoner: owlready2 with HermiT, which needs Java."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from hybridner.data.formats.markup import Sentence
from hybridner.data.sncm.ontology import ONTOLOGY, load_ontology
from hybridner.errors import DataError, HybridNerError, MissingPackageError
from hybridner.optional import require


def reasoner_missing() -> str:
    """What is missing to run HermiT and how to get it; empty when nothing is."""
    if shutil.which("java") is None:
        return "HermiT needs Java; install a Java runtime (version 8 or later) and put `java` on the PATH"
    try:
        require("owlready2", "ontology")
    except MissingPackageError as error:
        return str(error)
    return ""


def is_consistent(sentences: Iterable[Sentence], ontology: Path = ONTOLOGY) -> bool:
    """Whether HermiT finds the ontology with every entity and relation of the sentences consistent.

    Each mention becomes an individual of its type's class (of both classes where one span has two labels), each relation
    a property value.

    Raises:
        HybridNerError: Java or owlready2 is missing.
        DataError: an entity type or relation that the ontology does not have.
    """
    missing = reasoner_missing()
    if missing:
        raise HybridNerError(missing)
    import owlready2

    iris = {type.name: type.iri for type in load_ontology(ontology).types}
    world = owlready2.World()
    with ontology.open("rb") as handle:
        loaded = world.get_ontology("urn:hybridner:sncm-open").load(fileobj=handle)
    namespace = loaded.get_namespace("urn:hybridner:sncm-open#")
    with loaded:
        for number, sentence in enumerate(sentences):
            mentions: dict[tuple[int, int], object] = {}
            for span in sentence.record.entities:
                if span.label not in iris:
                    raise DataError(f"the ontology has no entity type {span.label!r}", sentence.where or sentence.record.id)
                entity_class = namespace[iris[span.label]]
                mention = mentions.get((span.start, span.end))
                if mention is None:
                    name = f"mention-{number}-{span.start}-{span.end}"
                    mentions[span.start, span.end] = entity_class(name, namespace=namespace)
                else:
                    mention.is_a.append(entity_class)  # type: ignore[attr-defined]
            for relation in sentence.relations:
                if namespace[relation.type] is None:
                    raise DataError(f"the ontology has no relation {relation.type!r}", sentence.where or sentence.record.id)
                head, tail = (sentence.record.entities[index] for index in (relation.head, relation.tail))
                values = getattr(mentions[head.start, head.end], relation.type)
                values.append(mentions[tail.start, tail.end])
    try:
        owlready2.sync_reasoner_hermit(world, infer_property_values=False, debug=0)
    except owlready2.OwlReadyInconsistentOntologyError:
        return False
    return True
