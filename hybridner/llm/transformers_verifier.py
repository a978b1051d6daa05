"""A causal language model in this process as a verifier: it scores the closed list and so always answers with a label."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hybridner.errors import LlmError
from hybridner.llm.verifier import Answer, Question, VerifierError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class TransformersVerifier:
    """Chooses the option with the largest mean log-likelihood per token after the prompt (length-normalised).

    P(option) is the softmax of these means over the closed list. Free text (the extraction baseline) is not supported.

    Args:
        model: a local folder, a name on the Hub, or a loaded causal model.
        tokenizer: of a loaded model; a folder or a name brings its own.
        device: where a model that is loaded here goes; by default a GPU where there is one.
        dtype: number type of a model that is loaded here, "auto" as saved.

    Raises:
        LlmError: a loaded model without a tokenizer.

    Examples:
        >>> verifier = TransformersVerifier("Qwen/Qwen2.5-1.5B-Instruct", device="cpu")     # loaded when it is first asked
        >>> verifier.model
        'Qwen/Qwen2.5-1.5B-Instruct'
    """

    #: One forward pass at a time: more would share the same processor.
    concurrency = 1

    def __init__(
        self,
        model: str | PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase | None = None,
        *,
        device: str | None = None,
        dtype: str = "auto",
    ) -> None:
        if not isinstance(model, str) and tokenizer is None:
            raise LlmError("a loaded model needs its `tokenizer` too")
        self._name = model if isinstance(model, str) else str(model.name_or_path or type(model).__name__)
        self._model = None if isinstance(model, str) else model
        self._tokenizer = tokenizer
        self._device = device
        self._dtype = dtype
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"TransformersVerifier({self._name!r})"

    @property
    def model(self) -> str:
        return self._name

    @property
    def parameters(self) -> Mapping[str, Any]:
        return {"method": "mean log-likelihood of each option"}

    async def complete(self, question: Question) -> Answer:
        """Score the options in a thread of its own; the first call loads the model.

        Args:
            question: with a closed list of options.

        Returns:
            the best option, with the probability of each.

        Raises:
            VerifierError: a question without options, or a prompt that is longer than the model takes.
        """
        return await asyncio.to_thread(self._answer, question)

    async def close(self) -> None:
        """Nothing to close: the model goes with the object."""

    def _answer(self, question: Question) -> Answer:
        if not question.options:
            raise VerifierError(
                "TransformersVerifier only chooses from a list of labels; for extraction use a server", fatal=True
            )
        with self._lock:
            model, tokenizer = self._loaded()
            started = time.monotonic()
            prompt = _prompt_ids(tokenizer, question)
            lines: list[str] = []
            rows: list[tuple[float, ...]] = []
            written: list[int] = []
            for number in range(1, question.count + 1):
                lead = "" if question.count == 1 else f"{number}: "
                if lead:
                    written += tokenizer.encode(("\n" if lines else "") + lead, add_special_tokens=False)
                options = [tokenizer.encode(option, add_special_tokens=False) for option in question.options]
                means = self._means(model, prompt + written, options)
                best = int(means.argmax())
                rows.append(tuple(means.softmax(-1).tolist()))
                lines.append(lead + question.options[best])
                written += options[best]
        return Answer(
            content="\n".join(lines),
            model=self._name,
            prompt_tokens=len(prompt),
            completion_tokens=len(written),
            latency=time.monotonic() - started,
            probabilities=tuple(rows),
        )

    def _means(self, model: PreTrainedModel, prompt: list[int], options: list[list[int]]) -> torch.Tensor:
        """Mean log P(token | prompt, tokens before) of each option, [options].

        The prompt is read once; the options continue it as a batch, so no logits of [options, prompt, vocabulary] are ever built.
        """
        import torch

        longest = max(map(len, options))
        limit = getattr(model.config, "max_position_embeddings", None)
        if limit is not None and len(prompt) + longest > limit:
            raise VerifierError(f"a prompt of {len(prompt)} tokens is too long for {self._name}, which takes {limit}")
        with torch.inference_mode():
            # The last token of the prompt goes with the options, whose first token it predicts.
            head = torch.tensor([prompt[:-1]], device=model.device)
            past = model(input_ids=head, use_cache=True, logits_to_keep=1).past_key_values
            past.batch_repeat_interleave(len(options))
            padded = [[prompt[-1], *option, *([0] * (longest - len(option)))] for option in options]
            tail = torch.tensor(padded, device=model.device)
            # Padding stands last, where causal attention keeps it from mattering to the tokens before.
            logits = model(input_ids=tail[:, :-1], past_key_values=past).logits.float()
            target = tail[:, 1:]
            given = logits.log_softmax(-1).gather(-1, target[..., None])[..., 0]
            lengths = torch.tensor([len(option) for option in options], device=model.device)
            real = torch.arange(longest, device=model.device) < lengths[:, None]
            means: torch.Tensor = ((given * real).sum(-1) / lengths).cpu()
            return means

    def _loaded(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        if self._model is None or self._tokenizer is None:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer

            device = self._device or ("cuda" if torch.cuda.is_available() else "cpu")
            try:
                self._tokenizer = self._tokenizer or AutoTokenizer.from_pretrained(self._name, trust_remote_code=False)
                self._model = AutoModelForCausalLM.from_pretrained(
                    self._name, dtype=self._dtype, device_map=device, trust_remote_code=False
                )
            except (OSError, ValueError) as error:
                raise VerifierError(f"{self._name}: cannot be loaded as a causal language model ({error})", fatal=True) from error
        self._model.train(False)
        return self._model, self._tokenizer


def _prompt_ids(tokenizer: PreTrainedTokenizerBase, question: Question) -> list[int]:
    """Token ids of the chat up to where the answer begins."""
    if tokenizer.chat_template:
        chat = [{"role": role, "content": content} for role, content in question.messages]
        text = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        return list(tokenizer.encode(text, add_special_tokens=False))
    return list(tokenizer.encode("\n\n".join(message.content for message in question.messages) + " "))
