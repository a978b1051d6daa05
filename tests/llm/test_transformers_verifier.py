"""A tiny causal model made on the spot: scored in process, and served over HTTP by `transformers serve`."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from hybridner.llm import (
    LlmError,
    LlmSettings,
    LlmStage,
    Message,
    OpenAIVerifier,
    Question,
    TransformersVerifier,
    VerifierError,
)
from hybridner.spans import Label, LabelSet
from tests.llm.scripted_server import candidate
from tests.support.patience import PATIENCE, wait_until
from tests.support.ports import own_port

OPTIONS = ("LOC", "PERSON", "Non-Entity")
QUESTION = Question((Message("system", "choose"), Message("user", "在[北京]")), OPTIONS)
CHARACTERS = sorted({chr(code) for code in range(32, 127)} | set("在北京俄罗斯叙利亚部署了干扰机，。“”\n年地名人"))
CHAT = "{% for m in messages %}<s>{{ m['role'] }}:{{ m['content'] }}</s>{% endfor %}{% if add_generation_prompt %}<s>{% endif %}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-layer model of single characters, with a chat template."""
    path = tmp_path_factory.mktemp("tiny-chat")
    vocabulary = {token: number for number, token in enumerate(["<unk>", "<s>", "</s>", *CHARACTERS])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Split("", "isolated")
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="</s>"
    )
    fast.chat_template = CHAT
    fast.save_pretrained(path)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        initializer_range=0.3,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def loaded(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    verifier = TransformersVerifier(str(folder), device="cpu")
    return verifier._loaded()


def test_the_options_scores_are_those_of_the_whole_sequence(loaded: tuple[PreTrainedModel, PreTrainedTokenizerBase]) -> None:
    model, tokenizer = loaded
    answer = asyncio.run(TransformersVerifier(model, tokenizer).complete(QUESTION))
    prompt = tokenizer.encode("<s>system:choose</s><s>user:在[北京]</s><s>", add_special_tokens=False)
    assert answer.prompt_tokens == len(prompt)
    means = []
    for option in OPTIONS:
        # The reference: prompt and option in one pass without a cache or padding.
        ids = torch.tensor([prompt + tokenizer.encode(option, add_special_tokens=False)])
        with torch.no_grad():
            steps = model(ids).logits[0].log_softmax(-1)
        given = [steps[i - 1, ids[0, i]].item() for i in range(len(prompt), ids.shape[1])]
        means.append(sum(given) / len(given))
    expected = torch.tensor(means).softmax(-1).tolist()
    assert answer.probabilities[0] == pytest.approx(expected, abs=1e-5)
    assert answer.content == OPTIONS[expected.index(max(expected))]


def test_the_answer_is_always_an_option_and_sums_to_one(loaded: tuple[PreTrainedModel, PreTrainedTokenizerBase]) -> None:
    verifier = TransformersVerifier(*loaded)
    question = Question(QUESTION.messages, OPTIONS, count=3)
    answer = asyncio.run(verifier.complete(question))
    lines = answer.content.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["1", "2", "3"]
    assert all(line.split(": ")[1] in OPTIONS for line in lines)
    assert all(math.isclose(sum(row), 1.0, abs_tol=1e-5) for row in answer.probabilities)


def test_in_the_stage_every_span_gets_a_label(loaded: tuple[PreTrainedModel, PreTrainedTokenizerBase]) -> None:
    labels = LabelSet((Label("LOC", "地名"), Label("PER"), Label("ORG")))
    text = "俄罗斯在叙利亚部署了干扰机。"
    row = [candidate(0, 3), candidate(4, 7)]
    for spans_per_call in (1, 2):
        with LlmStage(TransformersVerifier(*loaded), labels, LlmSettings(spans_per_call=spans_per_call)) as stage:
            results = stage.run([text], [row])[0]
        assert all(v.provenance.status == "asked" for v in results)
        assert all(v.provenance.llm_label in labels.with_outside for v in results)
        assert all(1 / 4 <= v.provenance.llm_score <= 1 for v in results)


def test_what_it_cannot_do_is_said(loaded: tuple[PreTrainedModel, PreTrainedTokenizerBase], tmp_path: Path) -> None:
    verifier = TransformersVerifier(*loaded)
    with pytest.raises(VerifierError, match="only chooses"):
        asyncio.run(verifier.complete(Question(QUESTION.messages)))
    with pytest.raises(VerifierError, match="too long"):
        asyncio.run(verifier.complete(Question((Message("user", "在" * 5000),), OPTIONS)))
    with pytest.raises(LlmError, match="tokenizer"):
        TransformersVerifier(loaded[0])
    with pytest.raises(VerifierError, match="cannot be loaded") as caught:
        asyncio.run(TransformersVerifier(str(tmp_path)).complete(QUESTION))
    assert caught.value.fatal


@pytest.fixture
def served(folder: Path, tmp_path: Path) -> Iterator[str]:
    """The address of `transformers serve` with the tiny model; skips where it cannot be started."""
    command = Path(sys.executable).with_name("transformers")
    pytest.importorskip("fastapi", reason="`transformers serve` needs transformers[serving]")
    pytest.importorskip("uvicorn", reason="`transformers serve` needs transformers[serving]")
    if not command.exists():
        pytest.skip("the `transformers` command is not installed beside this Python")
    port = own_port()
    log = tmp_path / "serve.log"
    surroundings = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
    arguments = ["serve", str(folder), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    with log.open("w") as output:
        process = subprocess.Popen([command, *arguments], stdout=output, stderr=output, env=surroundings, start_new_session=True)
    try:
        if not _answers(f"http://127.0.0.1:{port}/health", process):
            pytest.skip(f"`transformers serve` did not start here: {log.read_text()[-500:]}")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    """Whether it does, once it has started; False if it ends instead."""
    opener = build_opener(ProxyHandler({}))

    def answers() -> bool:
        try:
            with opener.open(url, timeout=PATIENCE):
                return True
        except OSError:
            return False

    wait_until(lambda: process.poll() is not None or answers())
    return process.poll() is None


def test_transformers_serve_speaks_the_protocol(served: str, folder: Path) -> None:
    labels = LabelSet((Label("LOC", "地名"), Label("PER"), Label("ORG")))
    verifier = OpenAIVerifier(str(folder), served, timeout=PATIENCE, max_retries=0, max_tokens=4)
    with LlmStage(verifier, labels) as stage:
        verified = stage.run(["俄罗斯在叙利亚部署了干扰机。"], [[candidate(0, 3)]])[0][0]
        report = stage.report()
    # Untrained, it writes up to four characters of nonsense; they come back over the real protocol and are read as no label.
    assert verified.provenance.status == "unparsed", verified.provenance.llm_error
    assert verified.candidate == candidate(0, 3)
    assert report.calls == 2
    assert report.prompt_tokens > 400
    assert 0 < report.completion_tokens <= 8
