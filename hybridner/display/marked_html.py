"""`hybridner.show`: entities marked in their text, in a notebook or as a file of HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hybridner.display.brackets import bracket_texts
from hybridner.display.colors import label_styles
from hybridner.display.editor import editor_assets, editor_frame
from hybridner.display.marked_text import Mark, mark_text
from hybridner.errors import DataError
from hybridner.spans import LabelSet

#: Stands for what is not known of a text.
_GAP = "…"
_Found = tuple[int, int, str, bool, str]


class MarkedHtml(str):
    """HTML that a notebook shows as such; elsewhere a string, which can be written into a file. What a console shows of it is the
    text, with its entities in brackets.

    Args:
        html: the string.
        plain: what a console shows.

    Examples:
        >>> hybridner.show(pipe(text), text)
        [俄罗斯 Adversary States]部署了[干扰机 Offensive Systems]。
    """

    __slots__ = ("plain",)

    plain: str

    def __new__(cls, html: str, plain: str) -> MarkedHtml:
        marked = super().__new__(cls, html)
        marked.plain = plain
        return marked

    def __reduce__(self) -> tuple[type[MarkedHtml], tuple[str, str]]:
        return MarkedHtml, (str(self), self.plain)

    def __repr__(self) -> str:
        return self.plain

    def _repr_html_(self) -> str:
        return str(self)


def show(entities: Any, text: str | None = None, *, labels: LabelSet | None = None, editable: bool = False) -> MarkedHtml:
    """Entities marked in their text, nested ones too; the last line of a notebook's cell shows it.

    Args:
        entities: what the pipeline gives for a text; anything with `text` and `entities`, as a mapping (a line of
            `hybridner predict --json`) or an object (a `Record`); or a sequence of such. Entities have `start`, `end` and
            `entity_group` or `label`.
        text: that they are in. Without it only the words are known, and gaps stand between them.
        labels: whose Chinese titles are shown, and whose order gives the colors; by default the names, in order of appearance.
        editable: an editor instead, in which entities of one text can be corrected and copied as JSON.

    Raises:
        DataError: entities that have no place in the text, or several texts to be edited.

    Examples:
        >>> html = hybridner.show(pipe(text), text)
        >>> html
        [俄罗斯 Adversary States]部署了[干扰机 Offensive Systems]。
        >>> html.count("<mark")
        2
        >>> _ = Path("entities.html").write_text(html, encoding="utf-8")
    """
    items = [_item(one, None) for one in entities] if text is None and _are_items(entities) else [_item(entities, text)]
    names = labels.names if labels is not None else dict.fromkeys(label for _, found in items for _, _, label, _, _ in found)
    styles = label_styles(list(names))
    titles = {label.name: label.title for label in labels.labels if label.title} if labels is not None else {}
    plain = bracket_texts((body, [(row[0], row[1], titles.get(row[2], row[2])) for row in found]) for body, found in items)
    if editable:
        if len(items) != 1:
            raise DataError(f"one text can be edited at a time, not {len(items)}")
        return MarkedHtml(_editor(*items[0], styles, titles), plain)
    bodies = "".join(_body(body, found, styles, titles) for body, found in items)
    return MarkedHtml(f'<div class="se-root"><style>{editor_assets()[1]}</style>{bodies}</div>', plain)


def _are_items(entities: Any) -> bool:
    """Whether these are texts with their entities, and not the entities of one text."""
    return isinstance(entities, Sequence) and any(_get(one, "entities") is not None for one in entities)


def _item(given: Any, text: str | None) -> tuple[str, list[_Found]]:
    entities = _get(given, "entities")
    text = text if text is not None else _get(given, "text")
    rows = [_found(entity, number) for number, entity in enumerate(given if entities is None else entities)]
    if text is None:
        return _spread([_get(entity, "word") for entity in given], rows)
    for start, end, *_ in rows:
        if not 0 <= start < end <= len(text):
            raise DataError(
                f"[{start}, {end}) is no span of a text of {len(text)} characters; are these the entities of this text?"
            )
    return text, rows


def _get(thing: Any, *names: str) -> Any:
    for name in names:
        value = thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)
        if value is not None:
            return value
    return None


def _found(entity: Any, number: int) -> _Found:
    start, end, label = (_get(entity, *names) for names in (("start",), ("end",), ("entity_group", "label")))
    if not isinstance(start, int) or not isinstance(end, int) or not isinstance(label, str):
        raise DataError("an entity needs `start`, `end` and `entity_group` or `label`", f"entity {number}")
    uncertainty = _get(entity, "uncertainty")
    tip = label if uncertainty is None else f"{label}, u = {uncertainty:.2f}"
    return start, end, label, bool(_get(entity, "needs_review")), tip


def _spread(words: Sequence[Any], rows: Sequence[_Found]) -> tuple[str, list[_Found]]:
    """A text made of the words alone, and the entities where they are in it."""
    outer: list[tuple[int, int, str]] = []
    for word, (start, end, *_) in sorted(zip(words, rows, strict=True), key=lambda pair: (pair[1][0], -pair[1][1])):
        if not isinstance(word, str) or len(word) != end - start:
            raise DataError("without `text`, each entity needs its `word`; call show(entities, text)")
        if not outer or start >= outer[-1][1]:
            outer.append((start, end, word))
        elif end > outer[-1][1]:
            begin, before, known = outer[-1]
            outer[-1] = (begin, end, known + word[before - start :])
    text, last = "", 0
    shifts: list[tuple[int, int, int]] = []
    for start, end, word in outer:
        text += _GAP if start > last else ""
        shifts.append((start, end, len(text) - start))
        text, last = text + word, end
    moved = [(next(by for first, stop, by in shifts if first <= row[0] < stop), row) for row in rows]
    return text + _GAP, [(row[0] + by, row[1] + by, *row[2:]) for by, row in moved]


def _body(text: str, found: Iterable[_Found], styles: Mapping[str, str], titles: Mapping[str, str]) -> str:
    marks: list[Mark] = []
    crossing: list[Mark] = []
    for start, end, label, is_doubtful, tip in sorted(found, key=lambda one: (one[0], -one[1])):
        mark = Mark(start, end, titles.get(label, label), styles.get(label, ""), tip, is_doubtful)
        is_crossing = any(other.start < start < other.end < end for other in marks)
        (crossing if is_crossing else marks).append(mark)
    # What crosses others cannot be nested with them; it is shown below the text.
    extra = "".join(f"<li>{mark_text(text[one.start : one.end], [_at_start(one)])}</li>" for one in crossing)
    below = f'<ul class="se-legend">{extra}</ul>' if extra else ""
    return f'<div class="se-text" lang="zh">{mark_text(text, marks)}</div>{below}'


def _at_start(mark: Mark) -> Mark:
    return Mark(0, mark.end - mark.start, mark.tag, mark.style, mark.tip, mark.is_doubtful)


def _editor(text: str, found: Iterable[_Found], styles: Mapping[str, str], titles: Mapping[str, str]) -> str:
    spans = [
        {"start": start, "end": end, "label": label, "level": "check" if is_doubtful else "sure", "tip": tip}
        for start, end, label, is_doubtful, tip in found
    ]
    types = [{"name": name, "title": titles.get(name, name), "style": style} for name, style in styles.items()]
    return editor_frame(text, spans, types)
