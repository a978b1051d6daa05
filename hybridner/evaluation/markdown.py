"""A comparison as Markdown, with tables of the shape of the paper's tables 2 and 3."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from hybridner.evaluation.comparison import KINDS, Comparison, MetricSummary, Setting, SystemResult
from hybridner.evaluation.runs import CEILING, STRATEGY

#: The paper's own combiner stands below the members in table 3, as the paper's method does there.
_PAPERS_COMBINER = STRATEGY + "score"

_COUNTING = """\
All figures in %. An entity counts when start, end and label are all right; P, R and F1 are micro averages. The highest of a
column is bold, whether its lead is significant or not; a ceiling is what a system could reach, and never bold."""

_DIFFERENCES = """\
p: two-sided, from the bootstrap of the difference. Holm: raised for all comparisons within the data set. Only system, only
baseline: stretches of text whose label this one alone has right (mean per run). McNemar's exact test of these; of several
runs twice the median p.

"""

_WILCOXON = """\
Wilcoxon's signed-rank test of F1 against the baseline's, one pair for each run in which the two differ. Runs on one data set are
alike, so with few data sets p says less than it seems."""

_PARTS = """\
Boundaries: the label may be any. Types: the right label on a stretch that shares a character with gold, matched one to one.
Nested: entities that overlap others; flat: the rest. Seen: the word is an entity of the training data. Numbers: length in
characters. The counts of several runs are added up.

"""


def to_markdown(comparison: Comparison, pictures: Sequence[tuple[str, str]] = (), caveats: Sequence[str] = ()) -> str:
    """The whole report.

    Args:
        comparison: what to report.
        pictures: title and file name of each plot that was drawn.
        caveats: paragraphs that stand above all tables.
    """
    baseline = next(s for s in comparison.settings[0].systems if s.name == comparison.baseline)
    parts = [
        "# Comparison of systems",
        *(f"**{caveat}**" for caveat in caveats),
        _how(comparison),
        *_overview(comparison),
        "## Combining (the paper's table 2)",
        _scores(comparison, lambda system: system.kind != "member"),
        "## Members (the paper's table 3)",
        _scores(comparison, lambda system: system.kind != "combiner" or system.name == _PAPERS_COMBINER),
        f"## Differences to {shown(baseline)}",
        _differences(comparison),
        *_overall(comparison),
        "## F1 by what is looked at",
        _parts(comparison),
        *(f"![{title}]({name})" for title, name in pictures),
        *_left_out(comparison),
    ]
    return "\n\n".join(parts) + "\n"


def shown(system: SystemResult) -> str:
    """A system's name for readers."""
    if system.name == CEILING:
        return f"ceiling: {system.title}"
    return {"member": "{}", "combiner": "`{}`", "hybrid": "{} (LLM)"}[system.kind].format(system.title)


def measured_on(setting: Setting) -> str:
    """Split, encoder, size of the training set, seeds and n of a setting, in one line."""
    about = setting.about
    train = "" if about.train_size is None else f"trained on {about.train_size:,}"
    turns = [
        f"{name}{'s' if len(values) > 1 else ''} {', '.join(map(str, values))}" for name, values in _turns(setting) if values
    ]
    documents = "" if setting.documents == setting.sentences else f" of {setting.documents:,} documents"
    size = f"n = {setting.sentences:,}{documents} ({setting.entities:,} entities)"
    encoder = f"encoder {about.encoder}"
    fitted = f"weights fitted on {' / '.join(setting.fitted_on)}" if setting.fitted_on else ""
    parts = (about.split, encoder, train, *turns, fitted, size, f"{about.decoding} decoding")
    return "; ".join(part for part in parts if part)


def _turns(setting: Setting) -> Iterable[tuple[str, tuple[int, ...]]]:
    return ("seed", setting.seeds), ("fold", setting.folds)


def _how(comparison: Comparison) -> str:
    several = any(setting.runs > 1 for setting in comparison.settings)
    hardware = dict.fromkeys(hardware for setting in comparison.settings for hardware in setting.hardware)
    lines = [_COUNTING]
    if several:
        lines.append("± is the standard deviation over the runs (seeds or folds).")
    lines.append(
        f"Intervals: {comparison.level:.0%} percentile bootstrap over documents (a text of none stands for itself); "
        f"{comparison.samples:,} resamples, the same for all systems; seed {comparison.seed}."
    )
    if several:
        lines.append("They are of the mean over the runs and do not hold the spread between seeds.")
    return "\n".join([*lines, f"Hardware: {'; '.join(hardware)}."])


def _overview(comparison: Comparison) -> list[str]:
    """F1 of every system, one column for each setting; says nothing new where there is only one."""
    if len(comparison.settings) < 2:
        return []
    systems = {system.name: system for setting in comparison.settings for system in setting.systems}
    names = sorted(systems, key=lambda name: KINDS.index(systems[name].kind))
    columns = []
    for setting in comparison.settings:
        found = {system.name: system.f1 for system in setting.systems}
        values = [found[name].mean if name in found and name != CEILING else -1.0 for name in names]
        columns.append(_best_bold(values, [_figure(found[name]) if name in found else "" for name in names]))
    rows = [[shown(systems[name]), *cells] for name, *cells in zip(names, *columns, strict=True)]
    head = ["system", *(f"{s.about.data} {s.about.split}, n = {s.sentences:,}" for s in comparison.settings)]
    return ["## F1 at a glance", "Encoder, seeds and sizes: in the tables below.", _table(head, "l" + "r" * len(columns), rows)]


def _scores(comparison: Comparison, wanted: Callable[[SystemResult], bool]) -> str:
    head = ["data set", "system", "P", "R", "F1", f"F1, {comparison.level:.0%} interval", "measured on"]
    rows = []
    for setting in comparison.settings:
        systems = [system for system in setting.systems if wanted(system)]
        columns = [[getattr(system, name) for system in systems] for name in ("precision", "recall", "f1")]
        real = [system.name != CEILING for system in systems]
        cells = [
            _best_bold(
                [f.mean if is_real else -1.0 for f, is_real in zip(column, real, strict=True)], [_figure(f) for f in column]
            )
            for column in columns
        ]
        for system, *figures in zip(systems, *cells, strict=True):
            rows.append([shown(system), *figures, _interval(system.f1_interval)])
        _name_block(rows, len(systems), setting)
    return _table(head, "llrrrrl", rows)


def _differences(comparison: Comparison) -> str:
    head = [
        "data set",
        "system",
        "ΔF1",
        f"{comparison.level:.0%} interval",
        "p",
        "p (Holm)",
        "only system : only baseline",
        "p (McNemar)",
        "measured on",
    ]
    rows = []
    for setting in comparison.settings:
        others = [(system, system.difference) for system in setting.systems if system.difference is not None]
        for system, difference in others:
            rows.append(
                [
                    shown(system),
                    _figure(difference.f1, signed=True),
                    _interval(difference.interval, signed=True),
                    _p(difference.p),
                    _p(difference.p_holm),
                    f"{difference.only_system:,.0f} : {difference.only_baseline:,.0f}",
                    _p(difference.mcnemar_p),
                ]
            )
        _name_block(rows, len(others), setting)
    return _DIFFERENCES + _table(head, "llrrrrrrl", rows)


def _overall(comparison: Comparison) -> list[str]:
    if not comparison.overall:
        return []
    titles = {system.name: shown(system) for setting in comparison.settings for system in setting.systems}
    rows = [
        [titles[name], str(test.n), f"{test.statistic:g}", _p(test.p), _p(2.0 ** (1 - test.n)) if test.n else ""]
        for name, test in comparison.overall.items()
    ]
    return [
        "### Over all runs",
        _WILCOXON,
        _table(["system", "pairs", "W", "p", "smallest p possible"], "lrrrr", rows),
    ]


def _parts(comparison: Comparison) -> str:
    names = list(dict.fromkeys(name for setting in comparison.settings for system in setting.systems for name in system.parts))
    rows = []
    for setting in comparison.settings:
        columns = []
        for name in names:
            found = [system.parts.get(name) for system in setting.systems]
            values = [
                prf.f1 if prf and system.name != CEILING else -1.0 for prf, system in zip(found, setting.systems, strict=True)
            ]
            columns.append(_best_bold(values, [f"{100 * prf.f1:.1f}" if prf else "" for prf in found]))
        rows += [[shown(system), *figures] for system, *figures in zip(setting.systems, *columns, strict=True)]
        first = setting.systems[0].parts
        rows.append(["gold spans", *(f"{first[name].gold // setting.runs:,}" if name in first else "" for name in names)])
        _name_block(rows, len(setting.systems) + 1, setting)
    return _PARTS + _table(["data set", "system", *names, "measured on"], "ll" + "r" * len(names) + "l", rows)


def _left_out(comparison: Comparison) -> list[str]:
    partial = [f"{setting.about.data}: {', '.join(setting.left_out)}" for setting in comparison.settings if setting.left_out]
    return [f"Left out, being in some of the runs only: {'; '.join(partial)}."] if partial else []


def _name_block(rows: list[list[str]], size: int, setting: Setting) -> None:
    """Put the data set and the metadata into the first of the last `size` rows, and an empty cell into the others."""
    for number, index in enumerate(range(len(rows) - size, len(rows))):
        name, about = (setting.about.data, measured_on(setting)) if number == 0 else ("", "")
        rows[index] = [name, *rows[index], about]


def _table(head: Sequence[str], sides: str, rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; `sides` has one letter for each column, l or r."""
    lines = [head, ["---:" if side == "r" else ":---" for side in sides], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _best_bold(values: Sequence[float], cells: Sequence[str]) -> list[str]:
    """The cells with the largest value marked, and those that look the same as it; none when all do."""
    best = cells[max(range(len(values)), key=lambda index: values[index])].partition(" ")[0]
    marked = [bool(cell) and cell.partition(" ")[0] == best for cell in cells]
    return list(cells) if all(marked) else [f"**{cell}**" if mark else cell for cell, mark in zip(cells, marked, strict=True)]


def _figure(figure: MetricSummary, signed: bool = False) -> str:
    value = f"{100 * figure.mean:{'+' if signed else ''}.2f}"
    return value if figure.sd is None else f"{value} ± {100 * figure.sd:.2f}"


def _interval(ends: tuple[float, float], signed: bool = False) -> str:
    low, high = (f"{100 * end:{'+' if signed else ''}.2f}" for end in ends)
    return f"{low} to {high}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
