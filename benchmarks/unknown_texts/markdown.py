"""The figures as a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.unknown_texts.routing import FIXED, VALUE

_TEXT = Path(__file__).with_name("page.md")


def write_page(figures: Mapping[str, Any], path: Path) -> None:
    """Write `page.md` with each line "{{NAME}}" replaced by the table of that name, as far as its figures are there."""
    tables = {
        name: make(figures[part]) if part in figures else "(not measured)"
        for name, (part, make) in {
            "scores": ("scores", _scores),
            "errors": ("errors", _errors),
            "beyond": ("errors", _beyond),
            "promise": ("promise", _promise),
            "routing": ("routing", _routing),
            "calls": ("routing", _calls),
            "cost": ("cost", _cost),
        }.items()
    }
    text = _TEXT.read_text(encoding="utf-8")
    for name, table in tables.items():
        text = text.replace(f"{{{{{name}}}}}", table)
    path.write_text(text, encoding="utf-8")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _scores(part: Mapping[str, Any]) -> str:
    sets = ("cluener", "cmeee", "msra", "draft")
    rows = []
    for name, found in part["scores"].items():
        cells = [f"{v['auroc']:.3f} / {v['aupr']:.2f} / {v['false alarms']:.2f}" for v in (found[one] for one in sets)]
        chosen = [found[one].get("auroc on train") for one in sets]
        on_train = " ".join("-" if value is None else f"{value:.3f}" for value in chosen)
        beyond = found.get("known texts beyond 0.95")
        rows.append([name, *cells, on_train, "-" if beyond is None else f"{100 * beyond:.1f}"])
    return _table(("score", "CLUENER", "CMeEE", "MSRA", "draft", "AUROC on the training parts", "known beyond 0.95, %"), rows)


def _errors(part: Mapping[str, Any]) -> str:
    measures = ("spanner", "combined", "score", "disagreement", "entropy", "error")
    rows = []
    for name, found in part["in domain"].items():
        cells = [f"{v['auroc']:.3f} / {v['aurc']:.3f} / {v['ece']:.3f}" for v in (found["measures"][m] for m in measures)]
        rows.append([name, f"{found['entities']:,}", *cells])
    return _table(("test", "n", "1 − max p (paper)", *measures[1:]), rows)


def _beyond(part: Mapping[str, Any]) -> str:
    keys = ("auroc", "aurc", "ece", "ece at 10% foreign", "ece at 50% foreign", "ece in domain")
    rows = [[name, *(f"{found[key]:.3f}" for key in keys)] for name, found in part["beyond"]["measures"].items()]
    return _table(("u", "AUROC", "AURC", "ECE", "ECE, 10 % foreign", "ECE, 50 % foreign", "ECE in the domain"), rows)


def _promise(part: Mapping[str, Any]) -> str:
    rows = []
    for name, sizes in part.items():
        for size, found in sizes.items() if name != "machine" else ():
            cells = [f"{100 * v['possible']:.0f} / {100 * v['broken']:.1f} / {100 * v['given out']:.0f}" for v in found.values()]
            rows.append([name, size, *cells])
    precisions = next(iter(next(found for name, found in part.items() if name != "machine").values()))
    return _table(("set", "texts", *precisions), rows)


def _routing(part: Mapping[str, Any]) -> str:
    rows = []
    for name, found in part.items():
        for order, v in found["orders"].items() if name != "machine" else ():
            at = [f"{v['at'][share]:.2f}" if share in v["at"] else "-" for share in ("0.05", "0.1", "0.2", "0.3")]
            calls = ["never" if share is None else f"{share:.2f}" for share in v["calls for the F1 of fixed tau"].values()]
            rows.append([name, order, *at, f"{v['mean']:.2f}", *calls])
    head = ("set", "order", "5 %", "10 %", "20 %", "30 %", "mean", "calls for the F1 of τ at 10 %", "at 20 %")
    return _table(head, rows)


def _cost(part: Mapping[str, Any]) -> str:
    low, high = part["quartiles"]
    return (
        f"{100 * part['share']:.1f} % of the CPU time of `predict` (quartiles over {part['rounds']} rounds {100 * low:.1f} to "
        f"{100 * high:.1f} %; {part['texts']} texts, {part['characters']:,} characters, one thread)"
    )


def _calls(part: Mapping[str, Any]) -> str:
    rows = []
    for name, found in part.items():
        if name != "machine":
            several = found["several spans a call"]
            ratios = [several[f"{order}, against one span a call"] for order in (FIXED, VALUE)]
            cells = ["never" if ratio is None else f"{ratio:.2f}" for pair in ratios for ratio in pair.values()]
            means = [f"{several['mean'][order]:.2f}" for order in (FIXED, VALUE)]
            rows.append([name, f"{found['answers']:,}", f"{several['calls']:,}", *cells, *means])
    head = ("set", "spans", "calls", "τ, 10 %", "τ, 20 %", "value, 10 %", "value, 20 %", "mean F1, τ", "mean F1, value")
    return _table(head, rows)
