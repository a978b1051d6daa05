"""A bulk annotation job: pieces of the input in, shards out, on as many processes as there are, from wherever it was stopped."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from accelerate import PartialState
from filelock import FileLock, Timeout

from hybridner.annotation import manifest
from hybridner.annotation.decision import AnnotationConfig, describe_decision, gives_contradictions, parameters_of_calls
from hybridner.annotation.llm_job import JobLlm
from hybridner.annotation.progress import Progress
from hybridner.annotation.records import Item, Reject, shown
from hybridner.annotation.shards import DAMAGED, Shards, job_digest, sweep
from hybridner.annotation.sources import Piece, Source
from hybridner.annotation.table import shard_table
from hybridner.errors import DataError, HybridNerError, LlmError
from hybridner.files import written_to
from hybridner.hybrid.entity_dicts import EntityList
from hybridner.launch import processes
from hybridner.llm.extraction import CUT
from hybridner.llm.extractor import OVER_BUDGET
from hybridner.mapping import entities_array, entities_type, fingerprint
from hybridner.pipeline import HybridNerPipeline
from hybridner.pipeline.definitions import DefinitionsPipeline
from hybridner.version import __version__

#: A text that any model reads.
_PROBE = "。"


def annotate(
    pipe: HybridNerPipeline, source: Source, output: str | Path, how: AnnotationConfig | None = None, *, name: str = ""
) -> dict[str, Any]:
    r"""Annotate a whole input; every process that Accelerate started calls this.

    Each piece of the input becomes one Parquet file under OUTPUT/data, which appears whole or not at all; records that cannot be
    read are set aside under OUTPUT/rejects. The same call again, after whatever stopped the last one and on any number of
    processes, does what is not done yet.

    Where there is only an LLM (a pipeline of labels), a text that it does not answer about is set aside too. The job stops where
    no budget is left, or where it answers about nothing at all; the same call goes on from there.

    Args:
        pipe: the pipeline, on this process's device; or one of labels.
        source: the input, cut into pieces.
        output: a folder that all processes and machines see.
        how: how texts are read.
        name: what the model is called, for the record.

    Returns:
        the job's totals: records, texts, entities, needs_review, unfamiliar (texts beyond what the model knows), rejected,
            seconds (of all processes, added up) and llm.

    Raises:
        DataError: the folder holds another job, or one is at work in it; or the input has changed since it was opened.
        OutputError: the folder cannot be written to, or the disk is full.
        LlmError: there is only an LLM, and it answers about nothing any more.
        HybridNerError: settings that cannot work.

    Examples:
        >>> _ = Path("posts.txt").write_text("俄罗斯部署了干扰机。\n", encoding="utf-8")
        >>> totals = annotate(pipe, FileSource(["posts.txt"], None, Fields(), per_piece=100), "annotated")
        >>> totals["texts"], totals["entities"]
        (1, 2)
    """
    state, folder, how = processes(), Path(output), how or AnnotationConfig()
    job = describe_job(pipe, source, how)
    if not isinstance(pipe, DefinitionsPipeline):
        # A job that has begun can only be repeated as it was, so what cannot work shows before.
        pipe(_PROBE, **parameters_of_calls(pipe, how))
    provenance = {"model_name": name, **{key: value for key, value in job.items() if key != "input"}}
    shards = Shards(folder, job_digest(job))
    with written_to(folder), _alone_in(folder) if state.is_main_process else nullcontext():
        if state.is_main_process:
            sweep(folder)
            manifest.begin(folder, job)
            manifest.check(folder, job)
            _set_aside(shards, source)
        state.wait_for_everyone()
        known = manifest.check(folder, job)
        if not manifest.is_finished(shards, known):
            with _asking(folder, how, state) as asking:
                # Before anybody writes or asks, everybody has seen that there is work, and what was spent.
                state.wait_for_everyone()
                _work(pipe, source, shards, how, asking, {**provenance, **_circumstances(state)}, state)
            state.wait_for_everyone()
            if state.is_main_process:
                source.check()
                manifest.finish(shards, known, source.keys)
            state.wait_for_everyone()
        return dict(manifest.check(folder, job)["finished"])


def describe_job(pipe: HybridNerPipeline, source: Source, how: AnnotationConfig) -> dict[str, Any]:
    """All that decides the output of a job."""
    model = None if isinstance(pipe, DefinitionsPipeline) else fingerprint(pipe.model)
    return {"input": source.describe(), "model": model, **describe_decision(pipe, how)}


def _set_aside(shards: Shards, source: Source) -> None:
    """Say which files were no whole part of the job; what they should hold is made anew."""
    moved = shards.set_aside(source.keys)
    if moved:
        names = ", ".join(path.name for path in moved[:5]) + (", …" if len(moved) > 5 else "")
        warnings.warn(
            f"{len(moved)} files were damaged or of another job ({names}); they lie under {shards.folder / DAMAGED} now, and "
            "what they should hold is made anew",
            stacklevel=3,
        )


def _alone_in(folder: Path) -> AbstractContextManager[Any]:
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        return lock.acquire(timeout=0)
    except Timeout as error:
        raise DataError("another annotation job is at work in this folder; wait for it or stop it", str(folder)) from error


def _asking(folder: Path, how: AnnotationConfig, state: PartialState) -> AbstractContextManager[JobLlm | None]:
    if how.llm is None:
        return nullcontext()
    return JobLlm(folder, how.llm, how.llm_settings or {}, how.llm_examples, state.process_index, state.num_processes)


def _circumstances(state: PartialState) -> dict[str, Any]:
    return {
        "process": state.process_index,
        "processes": state.num_processes,
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"hybridner": __version__, **{package: version(package) for package in ("torch", "transformers")}},
    }


def _work(
    pipe: HybridNerPipeline,
    source: Source,
    shards: Shards,
    how: AnnotationConfig,
    asking: JobLlm | None,
    provenance: Mapping[str, Any],
    state: PartialState,
) -> None:
    """All pieces of this process."""
    fixed = parameters_of_calls(pipe, how)
    progress = Progress(source.total, lambda: sum(map(source.size, shards.keys())), sys.stderr if state.is_main_process else None)

    def parameters() -> dict[str, Any]:
        return {**fixed, **(asking.parameters() if asking else {})}

    for piece, records in source.pieces(state.process_index, state.num_processes, shards.finished):
        began = time.monotonic()
        items = [record for record in records if isinstance(record, Item)]
        results = entities_or_errors(pipe, [item.text for item in items], parameters, progress.step)
        if isinstance(pipe, DefinitionsPipeline):
            results = _answered(results)
        seconds = round(time.monotonic() - began, 3)
        llm = asking.since_last() if asking else None
        _write(shards, piece, records, results, pipe, {"seconds": seconds, "llm": llm, "how": provenance})
        progress.shard_finished()
    progress.close()


def _answered(results: Sequence[EntityList | Exception]) -> list[EntityList | Exception]:
    """What an LLM alone found in each text; one that it did not answer about is an error.

    Of an answer that was cut what was read stays, for review.

    Raises:
        LlmError: the budget is used up, or not one text was answered: the piece is left for when the job goes on.
    """
    found = [
        LlmError(one.error) if isinstance(one, EntityList) and one.error and not (one and one.error == CUT) else one
        for one in results
    ]
    failed = [str(one) for one in found if isinstance(one, Exception)]
    spent = [problem for problem in failed if OVER_BUDGET in problem]
    if spent or (failed and len(failed) == len(found)):
        raise LlmError(
            f"{len(spent or failed)} of the next {len(found)} texts were not answered: {(spent or failed)[0]}. What is done is "
            "kept; give the same command again to go on" + (", with a larger `budget` in the file of --llm" if spent else "")
        )
    return found


def _write(
    shards: Shards,
    piece: Piece,
    records: Sequence[Item | Reject],
    results: Sequence[EntityList | Exception],
    pipe: HybridNerPipeline,
    about: Mapping[str, Any],
) -> None:
    """The shard of one piece: `results` are those of the items among its records, in their order."""
    only_llm = isinstance(pipe, DefinitionsPipeline)
    voters = () if only_llm else pipe.model.voter_names
    rejects = [record for record in records if isinstance(record, Reject)]
    read: list[tuple[Item, EntityList]] = []
    for item, result in zip((record for record in records if isinstance(record, Item)), results, strict=True):
        if isinstance(result, Exception):
            who = "the LLM" if isinstance(result, LlmError) else "the model"
            rejects.append(Reject(item.offset, f"{who} failed on it: {type(result).__name__}: {result}", shown(item.text)))
        else:
            read.append((item, result))
    entities = [entity for _, found in read for entity in found]
    counts = {
        "source": piece.source,
        "records": piece.records,
        "texts": len(read),
        "entities": len(entities),
        "needs_review": sum(entity["needs_review"] for entity in entities),
        "unfamiliar": 0 if only_llm else sum((found.ood_score or 0.0) > pipe.model.config.ood_threshold for _, found in read),
        "rejected": len(rejects),
        "halves": sum(item.halves for item, _ in read),
    }
    array = entities_array(
        [found for _, found in read], entities_type(voters, about["llm"] is not None, gives_contradictions(pipe))
    )
    table = shard_table(piece.source, [item for item, _ in read], [found.ood_score for _, found in read], array)
    shards.write(piece.key, table, sorted(rejects), piece.source, {"key": piece.key, **counts, **about})


def entities_or_errors(
    pipe: HybridNerPipeline, texts: Sequence[str], parameters: Callable[[], Mapping[str, Any]], step: Callable[[], None]
) -> list[EntityList | Exception]:
    """The entities of each text, or the error that this text alone raises.

    Args:
        pipe: the pipeline.
        texts: N texts.
        parameters: of the pipeline's next call.
        step: called after each text.

    Raises:
        Exception: the pipeline fails on any text at all.
        HybridNerError: settings that cannot work.
    """
    results: list[EntityList | Exception] = []
    try:
        for found in pipe(iter(texts), **parameters()):
            results.append(found)
            step()
    except HybridNerError:
        raise
    except Exception:
        # One text broke a batch, and it is not known which; or nothing works any more, and then this fails too.
        pipe(_PROBE, **parameters())
        for text in texts[len(results) :]:
            results.append(_entities_or_error(pipe, text, parameters()))
            step()
    return results


def _entities_or_error(pipe: HybridNerPipeline, text: str, parameters: Mapping[str, Any]) -> EntityList | Exception:
    try:
        found: EntityList = pipe(text, **parameters)
        return found
    except HybridNerError:
        raise
    except Exception as error:
        return error
