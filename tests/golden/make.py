"""Writes the golden files anew: `python -m tests.golden.make`.

A composite, predictions, a run and answers of an LLM as users have them on their disks, and what the code makes of them. The
tests beside this file hold the code to them, so this may be run only when what it gives is meant to change: a formula was
wrong, a format has a new version, a prompt was reworded. The change then needs a line in CHANGELOG.md, and what users have on
their disks must still be read or be refused with an error that says what to do. Never run it to make a test green whose
failure nobody can explain; a change of nothing but speed or form gives the same numbers.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hybridner import HybridNerModel, HybridNerPipeline
from hybridner.ensemble import (
    CombinerWeights,
    PoolWeights,
    Predictions,
    available_strategies,
    decide_predictions,
    select_entities,
)
from hybridner.ensemble.uncertainty import UNCERTAINTIES
from hybridner.evaluation.runs import Run, RunMetadata, make_run
from hybridner.evaluation.systems import systems_of
from hybridner.hybrid.engine import predict_records
from hybridner.llm import AnswerCache
from hybridner.models import MEMBER_CLASSES, MemberModel, SpannerModel
from hybridner.spans import RESOLVERS, Label, LabelSet, Span
from hybridner.training.composing import compose
from hybridner.training.features import Collator, make_features
from tests.llm.scripted_server import KEY, Reply, ScriptedServer, chat
from tests.support.reading import candidates_of
from tests.support.tiny import LABELS, TEXT, small_records, tiny_member

FOLDER = Path(__file__).parent
COMPOSITE = FOLDER / "composite"
PREDICTIONS = FOLDER / "predictions.parquet"
RUN = FOLDER / "run.json"
ANSWERS = FOLDER / "answers.jsonl"
EXPECTED = FOLDER / "expected.json"

TEXTS = {
    "plain": TEXT,
    "empty": "",
    "one character": "俄",
    "mixed width": "北约 在叙利亚部署了ＧＰＳ 4S干扰机,２０２３年，俄罗斯　在 ａｂ",
    "emoji": "北约👩‍🚀在加里宁格勒🇷🇺部署了无人机🚁！",
    "several windows": "北约在叙利亚部署了干扰机。" * 3 + TEXT + "俄罗斯在加里宁格勒部署了干扰机！" * 3 + TEXT[5:31],
}
ASKED = "北约在叙利亚部署了干扰机，俄罗斯在加里宁格勒。"
LLM_SETTINGS = {"fusion": "bayes", "accuracy": 0.95, "kinds": ("entity", "lost"), "spans_per_call": 1}
_STEPS = 60
_REPLIES = ("State", "Non-Entity", "Place")


def new_composite() -> HybridNerModel:
    """Four members that have learned a little, two of them over one encoder, and made-up results of a calibration."""
    labels = LabelSet((Label("State", "国家", "Countries and alliances."), *map(Label, LABELS[1:])), "信息战")
    members = {name: tiny_member(name, seed, labels) for seed, name in enumerate(MEMBER_CLASSES)}
    members["spanner"].encoder = members["bert-bilstm-crf"].encoder
    for name, member in members.items():
        _learn(member, [weight for path, weight in member.named_parameters() if name != "spanner" or "encoder" not in path])
    weights = CombinerWeights(
        priors=np.array([0.4, 0.3, 0.2, 0.1]),
        f1=np.array([0.5, 0.3, 0.55, 0.52]),
        class_f1=np.array([[0.62, 0.1, 0.7, 0.9], [0.71, 0.9, 0.2, 0.3], [0.55, 0.2, 0.8, 0.6], [0.8, 0.7, 0.5, 0.2]]),
        pool=PoolWeights(np.tile([1.0, 0.0], (4, 1)), np.array([0.0, 0.0, 0.1, 0.3, 0.2, 0.1, 0.4, 0.2, -0.1, 0.6, 0.5]), 0.25),
    )
    return HybridNerModel.assemble(
        members,
        threshold=0.45,
        label_thresholds={"Place": 0.3},
        temperature=1.7,
        combiner_weights=weights.to_dict(),
    )


def _learn(member: MemberModel, weights: list[torch.nn.Parameter]) -> None:
    """Some steps only: members that are sure of little and do not agree make more cases.

    One tagger learns only the first half of each place and SpanNER both spans, so that entities lie in each other.
    """
    records = small_records()
    if member.config.model_type in ("roberta-bigru-crf", "spanner"):
        kept = slice(0, 1) if member.config.model_type == "roberta-bigru-crf" else slice(0, 2)
        halves = [Span(record.entities[1].start, record.entities[1].start + 2, "System") for record in records]
        records = [replace(r, entities=(*r.entities[kept], half)) for r, half in zip(records, halves, strict=True)]
    model = compose({"member": member})
    batch = Collator(model)(make_features(records, model))
    optimizer = torch.optim.Adam(weights, lr=0.01)
    for _ in range(_STEPS):
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()
    with torch.no_grad():
        # Every label against O a little more probable.
        (member.head.boundary.bias if isinstance(member, SpannerModel) else member.head.emission.bias)[0] -= 1.0


def reading(model: HybridNerModel) -> dict[str, Any]:
    """What the pipeline gives for every text, by strategy and decoding, the other measures of uncertainty, and members alone."""
    pipe = HybridNerPipeline(model, device="cpu")
    texts = list(TEXTS.values())
    said = {
        f"{strategy}, {decoding}": {
            name: [row(entity) for entity in found]
            for name, found in zip(TEXTS, pipe(texts, strategy=strategy, decoding=decoding), strict=True)
        }
        for strategy in available_strategies(model.combiner_weights)
        for decoding in RESOLVERS
    }
    # Of a strategy's own distribution the pipeline shows only what it decides; "combined" shows the distribution.
    strategies = available_strategies(model.combiner_weights)
    cases = [*((measure, None) for measure in UNCERTAINTIES), *(("combined", strategy) for strategy in strategies)]
    doubts = {
        measure if strategy is None else f"{measure}, {strategy}": {
            name: [candidate.uncertainty for candidate in select_entities(found)]
            for name, found in zip(
                TEXTS, candidates_of(model, texts, batch_size=4, strategy=strategy, uncertainty=measure), strict=True
            )
        }
        for measure, strategy in cases
    }
    members = {}
    for name in model.member_names:
        alone = HybridNerPipeline(model.member(name), device="cpu")
        members[name] = {key: [row(entity) for entity in alone(text)] for key, text in TEXTS.items()}
    return {"entities": said, "uncertainties": doubts, "members": members}


def row(entity: dict[str, Any]) -> list[Any]:
    """An entity of the pipeline in short: start, end, type, score, uncertainty, votes, whether it needs review."""
    votes = " ".join(f"{member}={label}" for member, label in entity["votes"].items())
    return [*(entity[key] for key in ("start", "end", "entity_group", "score", "uncertainty")), votes, entity["needs_review"]]


def decisions(model: HybridNerModel, predictions: Predictions) -> dict[str, list[list[Any]]]:
    """What a composite makes of stored predictions: start, end, type, score and uncertainty of each record's entities."""
    decided = decide_predictions(predictions, model.decision_settings)
    return {
        record.id: [[c.start, c.end, c.label, c.score, c.uncertainty] for c in select_entities(found)]
        for record, found in zip(predictions.records, decided, strict=True)
    }


def judged(model: HybridNerModel, predictions: Predictions) -> Run:
    """What every member and every strategy finds, as `hybridner evaluate` saves it; under made-up circumstances."""
    strategies = available_strategies(model.combiner_weights)
    systems = systems_of(predictions, model.decision_settings, strategies)
    about = RunMetadata(
        "六句话", "test", "flat", "random weights (1 layers)", 3, 1, 24, "paper and pencil", {"torch": "2.13.0", "numpy": "2.4"}
    )
    return make_run(about, predictions.records, systems, frozenset({"北约", "叙利亚"}))


def verified(model: HybridNerModel, url: str, cache: AnswerCache) -> list[dict[str, Any]]:
    """The entities of one text as the pipeline gives them, with an LLM that answers at this address or from the cache."""
    pipe = HybridNerPipeline(model, device="cpu")
    llm = {"model": "some-model", "base_url": url, "api_key": KEY, "max_retries": 0}
    found: list[dict[str, Any]] = pipe(ASKED, llm=llm, llm_settings=LLM_SETTINGS, llm_cache=cache, threshold=0.2)
    return found


def _recorded(model: HybridNerModel) -> list[dict[str, Any]]:
    """Ask a server whose answer hangs on the question, and keep what it said."""

    def script(body: dict[str, Any], number: int) -> Reply:
        return chat(_REPLIES[sum(map(ord, body["messages"][-1]["content"])) % len(_REPLIES)])

    server = ScriptedServer(script)
    try:
        with tempfile.TemporaryDirectory() as folder:
            cache = AnswerCache(Path(folder) / "answers.sqlite")
            verified(model, server.url, cache)
            cache.record(ANSWERS)
            # Once more, so that what is stored says "cached" as it will when the record is replayed.
            found = verified(model, server.url, cache)
            cache.close()
    finally:
        server.stop()
    return found


def main() -> None:
    torch.set_num_threads(1)
    shutil.rmtree(COMPOSITE, ignore_errors=True)
    new_composite().save_pretrained(COMPOSITE)
    model = HybridNerModel.from_pretrained(COMPOSITE)
    predicted = predict_records(model, small_records()[:6])
    predictions = Predictions(
        predicted.records, predicted.ballot, predicted.labels, predicted.members, np.arange(6) % 3, {"data": "六句话", "seed": 3}
    )
    predictions.save(PREDICTIONS)
    judged(model, Predictions.load(PREDICTIONS)).save(RUN)
    expected = {
        "texts": TEXTS,
        **reading(model),
        "decisions": decisions(model, Predictions.load(PREDICTIONS)),
        "verified": _recorded(model),
    }
    EXPECTED.write_text(laid_out(rounded(expected)) + "\n", encoding="utf-8")


def rounded(value: Any) -> Any:
    """All numbers to six places: enough for the comparison, and a change shows where it is one."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(inner) for inner in value]
    return round(value, 6) if isinstance(value, float) else value


def laid_out(value: Any, depth: int = 0) -> str:
    """JSON with a line for each entity, so that a change can be read."""
    inner = "\n" + " " * (depth + 1)
    if isinstance(value, dict) and depth < 4:
        parts = [f"{json.dumps(key, ensure_ascii=False)}: {laid_out(part, depth + 1)}" for key, part in value.items()]
        return "{" + inner + f",{inner}".join(parts) + inner[:-1] + "}"
    if isinstance(value, list) and any(isinstance(part, (list, dict)) for part in value):
        return "[" + inner + f",{inner}".join(laid_out(part, 4) for part in value) + inner[:-1] + "]"
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    main()
