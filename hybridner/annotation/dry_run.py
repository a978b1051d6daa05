"""What the LLM of a job would be asked, before anything is asked or written."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from hybridner.annotation.decision import AnnotationConfig, parameters_of_calls
from hybridner.annotation.job import describe_job
from hybridner.annotation.llm_job import answers_file, left, spent
from hybridner.annotation.records import Item
from hybridner.annotation.shards import Shards, job_digest
from hybridner.annotation.sources import Source
from hybridner.errors import DataError
from hybridner.llm import AnswerCache, Budget, LlmError, Plan, Price, as_verifier, load_prices
from hybridner.llm.cache import question_key
from hybridner.llm.prices import Usage
from hybridner.pipeline import HybridNerPipeline
from hybridner.validation import validate


@dataclass(frozen=True)
class PlannedUse:
    """What a job would still ask.

    Attributes:
        usage: estimated calls and tokens.
        over_budget: spans and pieces of text that no budget is left for.
        price: of the model, where it is known.
    """

    usage: Usage
    over_budget: int
    price: Price | None

    def __str__(self) -> str:
        used = self.usage
        money = f"about {self.price.of(used):.4f} {self.price.currency}" if self.price else "price unknown"
        return (
            f"{used.calls:,} calls, about {used.prompt_tokens:,} tokens in and {used.completion_tokens:,} out, {money}; "
            f"{self.over_budget:,} spans or pieces of text over budget"
        )


def plan_annotation(pipe: HybridNerPipeline, source: Source, output: str | Path, how: AnnotationConfig) -> PlannedUse:
    r"""What the LLM would be asked about what is not done yet; no request is sent and nothing is written.

    Args:
        pipe, source, output, how: as for `annotate`.

    Raises:
        DataError: there is no LLM.
        LlmError: settings that cannot work.

    Examples:
        >>> _ = Path("posts.txt").write_text("俄罗斯部署了干扰机。\n", encoding="utf-8")
        >>> llm = {"model": "deepseek-flash", "base_url": "http://127.0.0.1:8901/v1"}
        >>> how = AnnotationConfig(llm=llm, threshold=0.0, llm_settings={"budget": {"calls": 100}})
        >>> plan_annotation(pipe, FileSource(["posts.txt"], None, Fields(), per_piece=100), "annotated", how).usage.calls
        1
    """
    if how.llm is None:
        raise DataError("only asking an LLM is planned; give one", "llm")
    folder, verifier, settings = Path(output), as_verifier(how.llm), dict(how.llm_settings or {})
    price = load_prices().get(verifier.model)
    budget = left(validate(Budget, settings.pop("budget", None) or {}, LlmError, "budget"), spent(folder), price)
    shards = Shards(folder, job_digest(describe_job(pipe, source, how)))
    used, over, planned = Usage(), 0, set[str]()
    with ExitStack() as opened:
        cache = None
        if (path := answers_file(folder, 0)).exists():
            cache = AnswerCache(path, "replay")
            opened.callback(cache.close)
        given: Mapping[str, object] = {"llm": verifier, "llm_cache": cache, "llm_examples": how.llm_examples}
        for _, records in source.pieces(0, 1, shards.finished):
            texts = [record.text for record in records if isinstance(record, Item)]
            asking = {**given, "llm_settings": {**settings, "budget": left(budget, used, price)}}
            plan: Plan = pipe(texts, dry_run=True, **parameters_of_calls(pipe, how), **asking)
            # The answers are kept from piece to piece, and what the server can do is found out once.
            new = {question_key(verifier, question): estimate for question, estimate in plan.questions}
            used = sum((use for key, use in new.items() if key not in planned), used if planned else used + plan.probe)
            planned |= new.keys()
            over += plan.left_out
    return PlannedUse(used, over, price)
