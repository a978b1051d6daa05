"""Whose an output folder is: a run goes on only in what it has begun itself."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from accelerate import PartialState

from hybridner.errors import OutputError, RecipeError
from hybridner.files import is_refusal, read_json, write_json
from hybridner.spans import Record
from hybridner.training.checkpoints import hash_file
from hybridner.training.data import TrainingData
from hybridner.training.recipe import Recipe
from hybridner.version import __version__

REPORT = "training.json"
_MARK = "fingerprint.json"

#: What a part of a fingerprint is called where it differs.
_NAMES = {"settings": "other settings", "data": "other data", "labels": "another label set", "encoder": "another encoder"}

Fingerprint = dict[str, str]


def take_fingerprint(recipe: Recipe, members: Iterable[str], data: TrainingData) -> Fingerprint:
    """Hashes of all that makes members what they will be when they are trained together: no path is among it."""
    sections = {name: recipe.members[name].model_dump(exclude={"encoder"}) for name in members}
    training = recipe.training.model_dump(exclude={"output", "shared_encoder"})
    encoders = [_encoder_contents(recipe.members[name].encoder) for name in sections]
    return {
        "settings": _hash([list(sections.values()), training]),
        "data": _hash([_contents(data.train), _contents(data.dev)]),
        "labels": _hash(data.labels.to_dict()),
        "encoder": _hash(encoders),
        "version": __version__,
    }


def has_finished(folder: Path, fingerprint: Fingerprint, overwrite: bool, state: PartialState) -> bool:
    """Whether the members of a folder are already trained; else it is prepared for them.

    Args:
        folder: of a member, or of several that are trained together.
        fingerprint: what they are to be made of.
        overwrite: throw away what is there but made of something else.
        state: the processes of this run; all of them have to call this.

    Raises:
        RecipeError: something else is there and not to be overwritten, or the folder cannot be written to.
    """
    try:
        known = read_json(folder / _MARK)
    except OSError:
        known = None
    except ValueError:
        known = {}
    finished = (folder / REPORT).exists()
    if known is None and finished:
        known = {}
    state.wait_for_everyone()
    if known == fingerprint and finished:
        return True
    if known in (None, fingerprint):
        pass
    elif not overwrite:
        raise RecipeError(
            f"training.output: {folder} holds what was {'trained' if finished else 'begun'} with "
            f"{_difference(known, fingerprint)}; choose another output or pass --overwrite"
        )
    elif state.is_main_process:
        shutil.rmtree(folder)
    if state.is_main_process:
        claim(folder, fingerprint)
    state.wait_for_everyone()
    return False


def claim(folder: Path, fingerprint: Fingerprint) -> None:
    """Make a folder for what has this fingerprint.

    Raises:
        RecipeError: it cannot be written to.
    """
    try:
        write_json(folder / _MARK, fingerprint)
    except OutputError as error:
        raise RecipeError(f"training.output: {error}; choose another folder") from error


@contextmanager
def output_errors(folder: Path, advice: str) -> Iterator[None]:
    """Raise an OutputError where a model or checkpoint cannot be written to a folder.

    Args:
        folder: stands in the message.
        advice: what to do about it.
    """
    try:
        yield
    except Exception as error:
        # torch reports a full disk as a RuntimeError.
        if not (is_refusal(error) or isinstance(error, RuntimeError)):
            raise
        raise OutputError(f"{folder}: cannot be written: {error}; {advice}") from error


def _difference(known: Any, wanted: Fingerprint) -> str:
    if not isinstance(known, dict) or known.keys() != wanted.keys():
        return "another recipe"
    parts = [_NAMES.get(name, f"hybridner {known[name]}") for name in wanted if known[name] != wanted[name]]
    return " and ".join(parts)


def _contents(records: Sequence[Record]) -> list[Any]:
    return [[record.text, record.entities, *([record.unsure] if record.unsure else [])] for record in records]


def _encoder_contents(encoder: str | dict[str, Any]) -> Any:
    """A Hub id or the sizes as they are, a folder by its files' contents."""
    if not isinstance(encoder, str) or not Path(encoder).is_dir():
        return encoder
    digests = {}
    for file in sorted(Path(encoder).iterdir()):
        if file.is_file() and file.suffix in {".json", ".txt", ".model", ".safetensors", ".bin"}:
            digests[file.name] = hash_file(file)
    return digests


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
