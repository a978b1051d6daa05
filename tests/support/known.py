"""A domain of its own: texts made of a few words, texts foreign to it, and a tiny composite that was taught the difference."""

from __future__ import annotations

import numpy as np

from hybridner import HybridNerModel
from hybridner.calibration.ood import built_in_background, fit_ood
from tests.support.tiny import tiny_member

#: None of them is in the background that the composite learned from.
FOREIGN = ["早上好，今天天气不错呀，我们去公园里走走，好不好？", *built_in_background()[150:170]]
BACKGROUND = built_in_background()[:100]
_WORDS = ("俄罗斯", "北约", "叙利亚", "加里宁格勒", "干扰机", "无人机", "部署了", "失去了", "在", "的", "GPS信号")


def known_texts(count: int, seed: int) -> list[str]:
    """Texts of the domain."""
    dice = np.random.default_rng(seed)
    return ["".join(dice.choice(_WORDS, dice.integers(4, 12))) + "。" for _ in range(count)]


def taught_composite() -> HybridNerModel:
    """Two tiny members whose `ood_score` ranks texts among known ones; seeds 0 and 1 of `known_texts` are used up."""
    model = HybridNerModel.assemble({"tagger": tiny_member("bert-bilstm-crf"), "spanner": tiny_member("spanner", 1)})
    report = fit_ood(model, known_texts(120, 0), known_texts(60, 1), BACKGROUND)
    assert report["separation"]["auroc"] > 0.8
    return model
