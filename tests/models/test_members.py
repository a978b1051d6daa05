from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForTokenClassification, BertModel

from hybridner import LabelSet
from hybridner.errors import HybridNerError, ModelError
from hybridner.models import MEMBER_CLASSES, MemberModel, SpannerModel, TaggerModel
from hybridner.models.encoders import character_mask, encode_characters
from hybridner.models.layers import BidirectionalRnn, FeatureNorm
from tests.support.tiny import ENCODER, LABELS, save_tiny_encoder

TYPES = list(MEMBER_CLASSES)


def batch(lengths: tuple[int, ...] = (12, 5, 1), seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(4, 40, (len(lengths), max(lengths) + 2), generator=generator)
    mask = torch.arange(ids.size(1))[None, :] < torch.tensor(lengths)[:, None] + 2
    return {"input_ids": ids.masked_fill(~mask, 0), "attention_mask": mask.long()}


def per_token(output: Any) -> torch.Tensor:
    """All of an output that belongs to tokens: [B, n, ...]."""
    return output.logits if "logits" in output else torch.cat([output.start_logits, output.end_logits], dim=-1)


@pytest.mark.parametrize("model_type", TYPES)
@pytest.mark.parametrize("length", [1, 7, 31])
def test_save_and_load_give_bit_equal_outputs(model_type: str, length: int, make_member: Callable, tmp_path: Path) -> None:
    member = make_member(model_type)
    # the norm has seen data, so its statistics are no longer the initial ones
    member.train()(**batch((30, 20)))
    member.eval().save_pretrained(tmp_path)
    inputs = batch((length,))
    for loaded in (AutoModel.from_pretrained(tmp_path), type(member).from_pretrained(tmp_path)):
        assert type(loaded) is type(member)
        assert not loaded.training
        assert loaded.vocabularies == member.vocabularies
        assert loaded.config.to_dict()["encoder_config"] == member.config.to_dict()["encoder_config"]
        with torch.inference_mode():
            assert all(map(torch.equal, loaded(**inputs).to_tuple(), member(**inputs).to_tuple()))
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}


@pytest.mark.parametrize("model_type", TYPES)
def test_padding_and_neighbours_change_nothing(model_type: str, make_member: Callable) -> None:
    member = make_member(model_type)
    inputs = batch()
    with torch.inference_mode():
        together = per_token(member(**inputs))
        for row, length in enumerate((12, 5, 1)):
            alone = per_token(member(**{name: value[row : row + 1, : length + 2] for name, value in inputs.items()}))
            torch.testing.assert_close(together[row, : length + 2], alone[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model_type", [name for name in TYPES if name != "spanner"])
def test_taggers_are_token_classification_models(model_type: str, make_member: Callable, tmp_path: Path) -> None:
    member = make_member(model_type)
    member.save_pretrained(tmp_path)
    assert isinstance(AutoModelForTokenClassification.from_pretrained(tmp_path), TaggerModel)
    assert AutoConfig.from_pretrained(tmp_path).id2label[1] == "B-State"


def test_the_three_taggers_differ_as_their_names_say(make_member: Callable) -> None:
    bert, roberta, macbert = (make_member(name) for name in TYPES[:3])
    kind = {type(member.head.rnn.forward_rnn).__name__ for member in (bert, macbert)}
    assert kind == {"LSTM"}
    assert type(roberta.head.rnn.forward_rnn).__name__ == "GRU"
    assert [member.head.attention is not None for member in (bert, roberta, macbert)] == [False, False, True]


@pytest.mark.parametrize("model_type", TYPES)
def test_proposals_lie_inside_their_texts_and_do_not_overlap(model_type: str, make_member: Callable) -> None:
    member = make_member(model_type)
    lengths = (12, 5, 1)
    inputs = batch(lengths)
    with torch.inference_mode():
        hidden = encode_characters(member.encoder, **inputs)
        mask = character_mask(inputs["attention_mask"])
        proposed = member.head.decoder.propose(member.head(hidden, mask).logits, mask).entities.tolist()
    assert proposed, "the tiny model should find something"
    for row, start, end, label in proposed:
        assert 0 <= start < end <= lengths[row]
        assert 1 <= label <= len(LABELS)
    for row in range(3):
        mine = sorted((start, end) for r, start, end, _ in proposed if r == row)
        assert all(earlier[1] <= later[0] for earlier, later in pairwise(mine))


def test_spanner_looks_at_long_texts_piece_by_piece(make_member: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = make_member("spanner").head.decoder
    scores = torch.randn(2, 50, 8)
    mask = torch.arange(50)[None, :] < torch.tensor([50, 33])[:, None]
    whole = decoder.likely_spans(scores, mask, 0.1)
    monkeypatch.setattr("hybridner.models.decoders._CELLS", 7 * 2 * 6)
    pieces = decoder.likely_spans(scores, mask, 0.1)
    assert len(whole[0]) > 0

    def by_span(found: tuple[torch.Tensor, torch.Tensor]) -> dict[tuple[int, ...], float]:
        return {tuple(span): odds for span, odds in zip(found[0].tolist(), found[1].tolist(), strict=True)}

    assert by_span(whole) == by_span(pieces)


def test_spanner_cannot_judge_what_is_longer_than_it_knows(make_member: Callable) -> None:
    decoder = make_member("spanner").head.decoder
    logits, scored = decoder.span_logits(torch.randn(1, 20, 8), torch.tensor([[0, 0, 6], [0, 0, 7]]))
    assert scored.tolist() == [True, False]
    assert logits[1].tolist() == [0.0] * 4
    assert logits[0].abs().sum() > 0


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_recurrent_layer_equals_a_packed_bidirectional_one(kind: str) -> None:
    torch.manual_seed(0)
    ours = BidirectionalRnn(kind, 6, 10)
    reference = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind](6, 5, batch_first=True, bidirectional=True)
    state = {}
    for name, tensor in ours.state_dict().items():
        direction, parameter = name.split(".")
        state[parameter + ("_reverse" if direction == "backward_rnn" else "")] = tensor
    reference.load_state_dict(state)
    hidden = torch.randn(3, 9, 6)
    lengths = torch.tensor([9, 4, 1])
    mask = torch.arange(9)[None, :] < lengths[:, None]
    packed = torch.nn.utils.rnn.pack_padded_sequence(hidden, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = torch.nn.utils.rnn.pad_packed_sequence(reference(packed)[0], batch_first=True)
    torch.testing.assert_close(ours(hidden, mask) * mask[..., None], expected)


def test_feature_norm_spreads_real_characters_only() -> None:
    torch.manual_seed(0)
    layer = FeatureNorm(4)
    hidden = torch.randn(6, 30, 4) * 0.01 + 5.0
    mask = torch.rand(6, 30) < 0.7
    for _ in range(200):
        out = layer(hidden, mask)
    real = out[mask]
    torch.testing.assert_close(real.mean(0), torch.zeros(4), rtol=0, atol=1e-4)
    torch.testing.assert_close(real.var(0), torch.ones(4), rtol=0, atol=0.15)
    torch.testing.assert_close(layer.eval()(hidden, mask), out, rtol=0.02, atol=0.02)
    assert out[~mask].abs().sum() == 0


@pytest.fixture
def encoder_folder(tmp_path: Path) -> Path:
    save_tiny_encoder(tmp_path / "encoder", "中国人民在北京的", num_hidden_layers=3)
    return tmp_path / "encoder"


def test_a_member_starts_from_pretrained_weights(encoder_folder: Path) -> None:
    labels = LabelSet.of(["A"])
    pretrained = BertModel.from_pretrained(encoder_folder)
    member = SpannerModel.from_encoder(encoder_folder, labels, num_hidden_layers=2)
    assert member.encoder.config.num_hidden_layers == 2
    for name, tensor in member.encoder.state_dict().items():
        assert torch.equal(tensor, pretrained.state_dict()[name]), name
    assert member.vocabulary.encode("中国")[1:-1] == [5, 6]
    assert member.max_characters == ENCODER["max_position_embeddings"] - 2


def test_loading_a_member_needs_no_encoder_repository(encoder_folder: Path, tmp_path: Path) -> None:
    SpannerModel.from_encoder(encoder_folder, ["A"]).save_pretrained(tmp_path / "member")
    for path in encoder_folder.iterdir():
        path.unlink()
    assert isinstance(AutoModel.from_pretrained(tmp_path / "member"), SpannerModel)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda folder: SpannerModel.from_encoder(folder / "nowhere", ["A"]), "cannot load the encoder"),
        (lambda folder: SpannerModel.from_encoder(folder, ["A"], num_hidden_layers=9), "between 1 and 3"),
        (lambda folder: SpannerModel.from_encoder(folder, ["A"], rnn_hidden_size=7), "even"),
        (lambda folder: SpannerModel.from_encoder(folder, ["A"], max_span_length=0), "at least 1"),
        (lambda folder: MEMBER_CLASSES["bert-bilstm-crf"].from_encoder(folder, ["A"], rnn_cell="rnn"), "lstm"),
        (lambda folder: SpannerModel.from_encoder(folder, []), "at least one label"),
    ],
)
def test_what_cannot_be_started_says_why(encoder_folder: Path, make: Callable[[Path], MemberModel], problem: str) -> None:
    with pytest.raises(HybridNerError, match=problem):
        make(encoder_folder)


def test_a_folder_without_characters_is_refused(make_member: Callable, tmp_path: Path) -> None:
    make_member("spanner").save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        AutoModel.from_pretrained(tmp_path)
