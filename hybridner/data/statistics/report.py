"""A data set's description as text and as a plot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hybridner.data.statistics.describe import NEAR, Description, SplitStats
from hybridner.optional import require
from hybridner.spans import Record

#: Fonts with Chinese characters, of which the first ones that are installed are used.
_FONTS = ("Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Micro Hei", "Microsoft YaHei", "PingFang SC", "SimHei")


def format_description(description: Description) -> str:
    """The description for a terminal or a card, in Markdown."""
    parts = [line for split, stats in description.splits.items() for line in _split_lines(split, stats)]
    for leak in description.leaks:
        parts.append(
            f"{leak.earlier} → {leak.later}: {leak.same_text} records with the same text, {leak.near_text} exactly or nearly, "
            f"{leak.same_group} of the same document; {leak.unseen_surfaces:.1%} of the surfaces unseen"
        )
    parts.append(f"near-duplicates at {NEAR} over all splits: {description.near_duplicate_share:.2%}")
    return "\n".join(parts)


def _split_lines(split: str, stats: SplitStats) -> Iterator[str]:
    yield f"## {split}"
    yield f"{stats.records:,} records ({stats.without_entities:,} without entities), {stats.entities:,} entities"
    ratio = stats.character_types / max(1, stats.characters)
    yield f"{stats.characters:,} characters, {stats.character_types:,} different ones (type/token {ratio:.4f})"
    yield f"characters a text (median, 90 %, 99 %, longest): {_numbers(stats.text_lengths)}"
    yield f"characters an entity: {_numbers(stats.entity_lengths)}"
    yield "entities longer than " + ", ".join(f"{limit}: {share:.1%}" for limit, share in stats.longer_than.items())
    o = stats.overlaps
    yield (
        f"overlaps: {o.nested:,} nested, {o.crossing:,} crossing, {o.same_span:,} on one span; "
        f"a flat output reaches {o.flat_recall:.1%} recall at most"
    )
    yield f"duplicates: {stats.duplicates:,} records, {stats.near_duplicates:,} exactly or nearly"
    if stats.labels:
        yield ""
        yield "| label | entities | surfaces | type/token | longest | commonest |"
        yield "|---|---|---|---|---|---|"
        for label, one in stats.labels.items():
            yield (
                f"| {label} | {one.entities:,} | {one.surfaces:,} | {one.surfaces / one.entities:.3f} | {one.longest} "
                f"| {one.commonest} ({one.commonest_count}) |"
            )
    yield ""


def _numbers(values: Sequence[int]) -> str:
    return ", ".join(map(str, values)) or "none"


def plot(splits: Mapping[str, Sequence[Record]], description: Description, path: str | Path) -> None:
    """Draw entities a label, text lengths and entity lengths of every split; the path's ending gives the format.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    matplotlib = require("matplotlib", "plots")
    from matplotlib.figure import Figure
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    fonts = [font for font in _FONTS if font in installed]
    with matplotlib.rc_context({"font.sans-serif": [*fonts, "DejaVu Sans"]}):
        figure = Figure(figsize=(15, 5), layout="constrained")
        by_label, by_text, by_entity = figure.subplots(1, 3)
        labels = sorted(
            {label for stats in description.splits.values() for label in stats.labels},
            key=lambda label: sum(stats.labels[label].entities for stats in description.splits.values() if label in stats.labels),
        )
        left = [0] * len(labels)
        for split, stats in description.splits.items():
            counts = [stats.labels[label].entities if label in stats.labels else 0 for label in labels]
            by_label.barh(labels, counts, left=left, label=split)
            left = [before + count for before, count in zip(left, counts, strict=True)]
        by_label.set(title="entities a label", xlabel="entities")
        by_label.legend()
        texts = [[len(record.text) for record in records] for records in splits.values()]
        entities = [[s.end - s.start for record in records for s in record.entities] for records in splits.values()]
        for axis, lengths, title in ((by_text, texts, "text length"), (by_entity, entities, "entity length")):
            longest = max((length for split in lengths for length in split), default=1)
            bins = range(0, longest + 2, 1 + longest // 40)
            axis.hist(lengths, bins=bins, histtype="step", label=list(splits), log=True)
            axis.set(title=title, xlabel="characters")
        figure.savefig(path)
