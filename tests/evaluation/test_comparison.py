from __future__ import annotations

import json
import re
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from hybridner.errors import DataError
from hybridner.evaluation import Run, make_run, score_spans, text_counts
from hybridner.evaluation.comparison import Comparison, compare
from hybridner.evaluation.grouping import group_runs
from hybridner.evaluation.markdown import to_markdown
from hybridner.evaluation.plots import draw_differences, draw_scores
from hybridner.evaluation.significance import f1_from_counts, wilcoxon
from hybridner.spans import Record, Span
from tests.evaluation.test_runs import ABOUT

SAMPLES = 500
#: How often each system finds an entity.
SYSTEMS = {"tagger": 0.5, "spanner": 0.6, "strategy:majority": 0.6, "strategy:score": 0.7}


def made_up(seed: int = 1, texts: int = 60, data: str = "Made-up", systems: dict[str, float] | None = None, draw: int = 0) -> Run:
    """Entities everywhere, and systems that miss some and mislabel others."""
    generator = np.random.default_rng([draw, texts])
    records = [
        Record("字" * 20, tuple(Span(3 * i, 3 * i + 2, "A") for i in range(generator.integers(1, 5)))) for _ in range(texts)
    ]
    generator = np.random.default_rng([seed, texts])

    def found(rate: float) -> list[list[Span]]:
        return [
            [
                span if generator.random() < 0.9 else span._replace(label="B")
                for span in record.entities
                if generator.random() < rate
            ]
            for record in records
        ]

    predicted = {name: found(rate) for name, rate in (systems or SYSTEMS).items()}
    return make_run(replace(ABOUT, data=data, seed=seed), records, predicted, frozenset({"字字"}))


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    hybrid = {**SYSTEMS, "hybrid:some-llm": 0.95, "taggers:sequence-vote": 0.6}
    runs = [made_up(seed) for seed in (3, 1, 2)] + [made_up(seed, 80, "Other|set", hybrid) for seed in (1, 2)]
    return compare(runs, samples=SAMPLES)


def test_a_single_run() -> None:
    run = made_up()
    (setting,) = compare([run], samples=SAMPLES).settings
    assert [system.name for system in setting.systems] == list(SYSTEMS)
    assert (setting.seeds, setting.runs, setting.sentences, setting.entities) == ((1,), 1, 60, run.entities)
    for system in setting.systems:
        expected = score_spans(run.gold, run.systems[system.name])
        assert (system.f1.mean, system.f1.sd) == (expected.micro.f1, None)
        assert (system.precision.mean, system.recall.mean) == (expected.micro.precision, expected.micro.recall)
        assert system.labels == expected.per_label
        assert system.f1_interval[0] < expected.micro.f1 < system.f1_interval[1]
    assert [system.kind for system in setting.systems] == ["member", "member", "combiner", "combiner"]


def test_intervals_equal_a_plain_loop() -> None:
    """Texts drawn by the same generator, but one sample after the other and pair by pair."""
    runs, names = [made_up(1), made_up(2)], ("tagger", "strategy:majority")
    (setting,) = compare(runs, samples=SAMPLES).settings
    generator = np.random.default_rng(42)
    differences = []
    for _ in range(SAMPLES):
        drawn = generator.integers(0, 60, 60)
        f1 = [[f1_from_counts(text_counts(run.gold, run.systems[name])[drawn].sum(axis=0)) for name in names] for run in runs]
        differences.append(np.mean([ours - theirs for ours, theirs in f1]))
    (tagger,) = (system for system in setting.systems if system.name == "tagger")
    assert tagger.difference is not None
    assert tagger.difference.interval == pytest.approx(np.quantile(differences, [0.025, 0.975]))


def test_several_seeds(comparison: Comparison) -> None:
    first, second = comparison.settings
    assert (first.seeds, first.runs, first.sentences) == ((1, 2, 3), 3, 60)
    assert [system.name for system in second.systems][-2:] == ["taggers:sequence-vote", "hybrid:some-llm"]
    baseline = first.systems[2]
    assert (baseline.name, baseline.difference) == (comparison.baseline, None)
    for system in first.systems:
        values = [score_spans(run.gold, run.systems[system.name]).micro.f1 for run in (made_up(seed) for seed in (1, 2, 3))]
        assert system.f1.values == tuple(values)
        assert system.f1.mean == pytest.approx(np.mean(values))
        assert system.f1.sd == pytest.approx(np.std(values, ddof=1))
        if system.difference is not None:
            assert system.difference.f1.mean == pytest.approx(system.f1.mean - baseline.f1.mean)
            assert system.difference.p <= system.difference.p_holm


def test_a_clear_lead_is_significant_and_none_is_not() -> None:
    base, same = {"strategy:majority": 0.5}, made_up(5, systems={"strategy:majority": 0.5, "better": 0.9})
    copy = replace(same, systems={**same.systems, "copy": same.systems["strategy:majority"]})
    (setting,) = compare([copy], samples=SAMPLES).settings
    better, copied = (system.difference for system in setting.systems if system.name not in base)
    assert better is not None
    assert better.interval[0] > 0
    assert max(better.p_holm, better.mcnemar_p) < 0.01
    assert better.only_system > better.only_baseline
    assert copied is not None
    assert (copied.p, copied.mcnemar_p, copied.only_system, copied.interval) == (1.0, 1.0, 0, (0.0, 0.0))


def test_wilcoxon_is_over_all_runs(comparison: Comparison) -> None:
    assert comparison.overall["strategy:score"].n == 5
    by_name = [{system.name: system.f1.values for system in setting.systems} for setting in comparison.settings]
    ours, theirs = (sum((values[name] for values in by_name), ()) for name in ("strategy:score", comparison.baseline))
    assert comparison.overall["strategy:score"] == wilcoxon(ours, theirs)
    assert comparison.overall["hybrid:some-llm"].n == 2
    assert comparison.baseline not in comparison.overall


def test_folds_have_texts_of_their_own() -> None:
    folds = [made_up(1, draw=fold) for fold in range(3)]
    runs = [replace(run, about=replace(run.about, fold=fold), texts=str(fold)) for fold, run in enumerate(folds)]
    (setting,) = compare(runs, samples=SAMPLES).settings
    assert (setting.folds, setting.seeds, setting.sentences) == ((0, 1, 2), (1,), 180)
    assert "folds 0, 1, 2; n = 180" in to_markdown(compare(runs, samples=SAMPLES))


def test_runs_that_do_not_go_together() -> None:
    run = made_up()
    with pytest.raises(DataError, match="no run"):
        group_runs([])
    with pytest.raises(DataError, match="two runs of seed 1"):
        group_runs([run, run])
    with pytest.raises(DataError, match="seeds 1 and 2 differ in their texts"):
        group_runs([run, replace(made_up(2), texts="others")])
    with pytest.raises(DataError, match="differ in their gold"):
        group_runs([run, replace(made_up(2), gold=run.systems["tagger"])])
    # Another encoder, another training size: other settings.
    others = [replace(run, about=replace(run.about, encoder="b")), replace(run, about=replace(run.about, train_size=9))]
    assert [len(group) for group in group_runs([run, *others])] == [1, 1, 1]


def test_systems_that_are_not_everywhere_are_left_out_and_named() -> None:
    runs = [made_up(1), made_up(2, systems={**SYSTEMS, "extra": 0.5})]
    comparison = compare(runs, samples=SAMPLES)
    assert comparison.settings[0].left_out == ("extra",)
    assert "Left out" in to_markdown(comparison)
    with pytest.raises(DataError, match=r"no system 'extra' in every run.*tagger, spanner"):
        compare(runs, "extra", samples=SAMPLES)


def test_any_system_can_be_the_baseline() -> None:
    for given, name in (("spanner", "spanner"), ("score", "strategy:score"), ("strategy:score", "strategy:score")):
        assert compare([made_up()], given, samples=SAMPLES).baseline == name


def test_json_holds_it_all(comparison: Comparison) -> None:
    data = json.loads(json.dumps(comparison.to_dict()))
    system = data["settings"][1]["systems"][-1]
    assert system["parts"]["boundaries"]["f1"] == comparison.settings[1].systems[-1].parts["boundaries"].f1
    assert system["labels"]["A"]["gold"] > 0
    assert len(system["f1"]["values"]) == 2
    assert data["settings"][0]["about"]["encoder"] == "an-encoder"


def test_markdown_tables_are_whole(comparison: Comparison) -> None:
    text = to_markdown(comparison, [("F1", "f1.png")])
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    assert len(tables) == 6
    for table in tables:
        rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()]
        assert len({len(row) for row in rows}) == 1
        head, sides = [cell.strip() for cell in rows[0]], [cell.strip() for cell in rows[1]]
        assert all(
            side == "---:"
            for name, side in zip(head, sides, strict=True)
            if name in {"P", "R", "F1", "ΔF1", "p"} and name != head[0]
        )
    assert r"Other\|set" in text
    assert "dev; encoder an-encoder; trained on 50; seeds 1, 2, 3; n = 60" in text
    assert "![F1](f1.png)" in text
    combining, members = tables[1], tables[2]
    assert "tagger |" not in combining
    assert "`score`" in members
    assert "`majority`" not in members
    best = [line for line in combining.splitlines() if "**" in line]
    assert "some-llm (LLM)" in best[-1]
    assert re.search(r"\| \*\*[\d.]+ ± [\d.]+\*\* \| [\d.]+ to", best[-1])


def test_pictures_are_drawn(comparison: Comparison) -> None:
    for draw in (draw_scores, draw_differences):
        for drawn in (comparison, compare([made_up()], samples=SAMPLES)):
            picture = Image.open(BytesIO(draw(drawn)))
            assert picture.format == "PNG"
            assert len(picture.convert("L").getcolors()) > 10


def test_documents_are_drawn_whole() -> None:
    """Ten copies of each text in one document say no more than one copy; in documents of their own they would."""
    few = made_up(texts=40)
    copies = [text for text in range(40) for _ in range(10)]

    def repeated(documents: tuple[int, ...] | None) -> Run:
        systems = {name: tuple(spans[text] for text in copies) for name, spans in few.systems.items()}
        return replace(few, gold=tuple(few.gold[text] for text in copies), systems=systems, seen=None, documents=documents)

    def width(run: Run) -> float:
        (setting,) = compare([run], samples=2000).settings
        (score,) = (system for system in setting.systems if system.name == "strategy:score")
        assert score.difference is not None
        return score.difference.interval[1] - score.difference.interval[0]

    assert width(repeated(tuple(copies))) == pytest.approx(width(few))
    assert width(repeated(None)) < 0.5 * width(few)
    (setting,) = compare([repeated(tuple(copies))], samples=50).settings
    assert (setting.sentences, setting.documents) == (400, 40)
    assert "n = 400 of 40 documents" in to_markdown(compare([repeated(tuple(copies))], samples=50))


def test_a_run_knows_the_documents_of_its_records() -> None:
    records = [Record("甲乙", group="a"), Record("丙"), Record("丁", group="b"), Record("戊", group="a")]
    run = make_run(ABOUT, records, {"tagger": [[] for _ in records]})
    assert run.documents == (0, 1, 2, 0)
    assert Run.from_dict(json.loads(json.dumps(run.to_dict()))) == run
    assert make_run(ABOUT, records[:3], {"tagger": [[], [], []]}).documents is None
    with pytest.raises(DataError, match="documents: has 3 texts"):
        Run.from_dict({**run.to_dict(), "documents": [0, 1, 2]})
