"""What a composite that knows what it does not know does with it: promises, notices, columns, suggestions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from hybridner import AdaptiveThreshold, HybridNerModel, HybridNerPipeline
from hybridner.adaptation.selection import next_to_annotate
from hybridner.cli.main import main
from hybridner.ensemble import SelectionTable
from hybridner.errors import ModelError
from tests.support.known import FOREIGN, known_texts, taught_composite


@pytest.fixture(scope="module")
def taught() -> HybridNerModel:
    model = taught_composite()
    u = np.linspace(0, 1, 400)
    table = SelectionTable.of(model.config.strategy, model.config.uncertainty, u, u > 0.9)
    model.config.update({"selection": table.to_dict()})
    return model


def test_only_what_can_be_promised_is_given_out(taught: HybridNerModel) -> None:
    pipe = HybridNerPipeline(taught)
    texts = [*known_texts(10, 2), *FOREIGN[:3]]
    level = SelectionTable.from_dict(taught.config.selection).level_for(0.95)
    assert level is not None
    everything, promised = pipe(texts), pipe(texts, min_precision=0.95)
    wanted = [
        [(c.start, c.end) for c in found.entities if c.uncertainty <= level and not c.is_unfamiliar]
        for found in taught.predict(texts)
    ]
    assert [[(entity["start"], entity["end"]) for entity in row] for row in promised] == wanted
    assert 0 < sum(map(len, promised)) < sum(map(len, everything))


def test_what_cannot_be_promised_is_refused(taught: HybridNerModel, composite: HybridNerModel) -> None:
    pipe = HybridNerPipeline(taught)
    for settings, problem in (
        ({"min_precision": 0.9999}, "ask for less"),
        ({"min_precision": 2}, "between 0 and 1"),
        ({"min_precision": 0.9, "strategy": "mean"}, "strategy"),
    ):
        with pytest.raises(ModelError, match=problem):
            pipe("北约", **settings)
    with pytest.raises(ModelError, match="not calibrated"):
        HybridNerPipeline(composite)("北约", min_precision=0.9)


def test_a_stream_of_other_texts_is_noticed_once(taught: HybridNerModel) -> None:
    pipe, threshold = HybridNerPipeline(taught), AdaptiveThreshold(0.2)
    pipe(known_texts(40, 3), threshold=threshold)
    assert not threshold.stream.has_changed
    with pytest.warns(UserWarning, match="stream of texts has changed") as noticed:
        pipe(FOREIGN, threshold=threshold)
    assert len([warning for warning in noticed if "stream" in str(warning.message)]) == 1


def test_commands_say_it(taught: HybridNerModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    taught.save_pretrained(tmp_path / "model")
    texts = [*known_texts(6, 4), *FOREIGN[:6]]
    (tmp_path / "texts.txt").write_text("\n".join(texts), encoding="utf-8")
    expected = [found.ood_score for found in taught.predict(texts)]
    assert main(["predict", str(tmp_path / "model"), "--file", str(tmp_path / "texts.txt"), "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["ood_score"] for row in rows] == pytest.approx(expected, abs=0.02)
    assert main(["predict", str(tmp_path / "model"), FOREIGN[0]]) == 0
    assert "less typical than" in capsys.readouterr().out
    command = ["annotate", str(tmp_path / "model"), str(tmp_path / "texts.txt"), "--output", str(tmp_path / "out")]
    assert main(command) == 0
    unlike = sum(score > taught.config.ood_threshold for score in expected)
    assert unlike >= 4
    assert f"{unlike / 12:.0%} of these texts are unlike" in capsys.readouterr().out
    (shard,) = (tmp_path / "out" / "data").glob("*.parquet")
    table = pq.read_table(shard).to_pylist()
    assert [row["ood_score"] for row in table] == pytest.approx(expected, abs=0.02)
    assert all(entity["ood_score"] is not None for row in table for entity in row["entities"])
    assert main(["suggest", str(tmp_path / "model"), str(tmp_path / "texts.txt"), "--count", "3"]) == 0
    assert all("ood_score" in json.loads(line) for line in capsys.readouterr().out.splitlines())


def test_of_texts_without_a_candidate_the_foreign_one_is_suggested_first() -> None:
    texts = ["今天天气很好", "卫星导航受到干扰", "患者体温正常"]
    assert next_to_annotate(texts, [[], [], []], 1, [0.1, 0.5, 0.99]) == [2]
    assert next_to_annotate(texts, [[], [], []], 1, [0.99, None, 0.2]) == [0]
