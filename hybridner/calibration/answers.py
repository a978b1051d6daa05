"""How reliable an LLM is, learned from its answers about spans of labelled texts."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hybridner.errors import DataError
from hybridner.files import read_text
from hybridner.hybrid import CompositeModel
from hybridner.spans import NON_ENTITY, Record

#: What an LLM calls a span that is no entity.
_NO_ENTITY = ("Non-Entity", NON_ENTITY)


def learn_from_file(model: CompositeModel, path: str | Path, records: Sequence[Record], llm: str) -> dict[str, Any]:
    """Put what an LLM answered, and what is true, into a composite; its answers are weighed by that from then on.

    Answers that were known of this LLM before are replaced.

    Args:
        model: changed in place.
        path: JSON lines with text, start, end, answer (a label or "Non-Entity") and, if known, the kind of the candidate.
        records: labelled records; answers about other texts are left out.
        llm: name of the LLM, as it is named where it is asked.

    Returns:
        `answers`, how many could be judged, and their `accuracy`: over all, by `kind` and by true `label`.

    Raises:
        DataError: a line that is no answer, or no answer about any of the records.
    """
    truth = {record.text: {(span.start, span.end): span.label for span in record.entities} for record in records}
    names = model.config.labels.with_outside
    counts: Counter[tuple[str, str]] = Counter()
    right: dict[tuple[str, str], list[bool]] = defaultdict(list)
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", str(path)) from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        text, span, answer, kind = _answer(line, where)
        if text not in truth:
            continue
        if answer not in names:
            raise DataError(f"the answer {answer!r} is none of {', '.join(names)}", where)
        true = truth[text].get(span, NON_ENTITY)
        counts[true, answer] += 1
        for group in (("all", ""), ("kind", kind), ("label", true)):
            right[group].append(true == answer)
    if not counts:
        raise DataError("holds no answer about a text of the labelled data; both must be about the same texts", str(path))
    known = model.config.llm_answers or {}
    model.config.llm_answers = {**known, llm: [[*pair, count] for pair, count in sorted(counts.items())]}
    accuracy = {group: sum(hits) / len(hits) for group, hits in sorted(right.items())}
    by = {name: {value: share for (group, value), share in accuracy.items() if group == name} for name in ("kind", "label")}
    return {"llm": llm, "answers": counts.total(), "accuracy": accuracy["all", ""], **by}


def _answer(line: str, where: str) -> tuple[str, tuple[int, int], str, str]:
    try:
        row = json.loads(line)
        text, start, end, answer = (row[name] for name in ("text", "start", "end", "answer"))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError('expected a JSON object with "text", "start", "end" and "answer"', where) from error
    if not (isinstance(text, str) and isinstance(answer, str) and type(start) is int and type(end) is int):
        raise DataError('"text" and "answer" must be strings, "start" and "end" whole numbers', where)
    return text, (start, end), NON_ENTITY if answer in _NO_ENTITY else answer, str(row.get("kind", ""))
