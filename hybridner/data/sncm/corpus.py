"""SNCM in its two forms: the open corpus that comes with the package, and drafts of the original in Doccano JSON lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import yaml

from hybridner.data.corpora.catalog import label_set
from hybridner.data.formats.markup import Document, Sentence, read_corpus
from hybridner.data.label_map import read_label_map
from hybridner.data.options import ReadOptions
from hybridner.data.reading import iter_records
from hybridner.data.repairs import RepairLog
from hybridner.data.sncm.ontology import SNCM_OPEN, check_sentences, load_ontology
from hybridner.data.splitting import split_sentences
from hybridner.errors import DataError
from hybridner.spans import Record

#: Lists the documents of each split of a corpus folder.
SPLIT_LIST = "splits.yaml"
LABEL_MAP = "label_map.json"

_SHARES = {"test": 0.1, "validation": 0.1}


def read_corpus_splits(folder: Path = SNCM_OPEN) -> dict[str, list[Sentence]]:
    """The sentences of each split of a corpus of marked-up text, under the full names of the entity types.

    The splits are those of `SPLIT_LIST` in the folder, else those of `split_documents`.

    Raises:
        DataError: a line that cannot be read, a document in no split or in two, or a sentence that breaks the ontology.
    """
    ontology = load_ontology()
    documents = read_corpus(folder, ReadOptions(label_map=ontology.names_of_codes))
    listed = folder / SPLIT_LIST
    splits = yaml.safe_load(listed.read_text(encoding="utf-8")) if listed.is_file() else split_documents(documents)
    _check_list(splits, [document.id for document in documents], str(listed))
    sentences = {split: [s for d in documents if d.id in set(ids) for s in d.sentences] for split, ids in splits.items()}
    problems = check_sentences((s for part in sentences.values() for s in part), ontology)
    if problems:
        raise DataError(f"the ontology's rules are broken {len(problems)} times; first: {problems[0]}", str(folder))
    return sentences


def split_documents(documents: Sequence[Document]) -> dict[str, list[str]]:
    """Document ids of train, validation and test: about 80, 10 and 10 % of the sentences of every genre.

    A document's place depends on a hash of its id and on the other documents of its genre, not on their order.
    """
    splits: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for genre in sorted({document.genre for document in documents}):
        rest = sorted((d for d in documents if d.genre == genre), key=lambda d: blake2b(d.id.encode(), digest_size=16).digest())
        total = sum(len(document.sentences) for document in rest)
        for split, share in _SHARES.items():
            taken = 0
            # A document goes in while that brings the split nearer to its share; train always keeps one.
            while len(rest) > 1 and taken + len(rest[0].sentences) / 2 <= share * total:
                document = rest.pop(0)
                taken += len(document.sentences)
                splits[split].append(document.id)
        splits["train"] += [document.id for document in rest]
    return {split: sorted(ids) for split, ids in splits.items()}


def _check_list(splits: Mapping[str, Sequence[str]], documents: Sequence[str], where: str) -> None:
    listed = [id for ids in splits.values() for id in ids]
    for id in listed:
        if listed.count(id) > 1:
            raise DataError(f"document {id!r} is listed more than once", where)
        if id not in documents:
            raise DataError(f"document {id!r} is listed but not in the corpus", where)
    missing = set(documents) - set(listed)
    if missing:
        raise DataError(f"document {min(missing)!r} is in no split", where)


def read_draft_label_map(folder: Path) -> dict[str, str | None]:
    """The label map of a draft: its `LABEL_MAP` file, else the thirteen names as they are.

    Raises:
        DataError: the file is not an object of names, or maps to a name that is none of the thirteen.
    """
    names = label_set("sncm").names
    path = folder / LABEL_MAP
    return read_label_map(path, names) if path.is_file() else {name: name for name in names}


def read_draft_splits(
    files: Mapping[str, Path], label_map: Mapping[str, str | None], repairs: RepairLog
) -> dict[str, list[Record]]:
    """The sentences of each split of a draft.

    A text that comes again in its split is left out, and so is a training document whose text stands in another split.
    """
    documents = {split: list(_once(path, label_map, repairs)) for split, path in files.items()}
    held_out = {record.text for split, records in documents.items() if split != "train" for record in records}
    kept = []
    for record in documents.get("train", []):
        if record.text in held_out:
            repairs.add("leaked_document", f"{files['train']}, document {record.id}")
        else:
            kept.append(record)
    documents["train"] = kept
    return {split: [part for record in records for part in split_sentences(record)] for split, records in documents.items()}


def _once(path: Path, label_map: Mapping[str, str | None], repairs: RepairLog) -> Iterator[Record]:
    seen: set[str] = set()
    for record in iter_records(path, repairs=repairs, label_map=label_map):
        if record.text in seen:
            repairs.add("duplicate_document", f"{path}, document {record.id}")
            continue
        seen.add(record.text)
        yield record
