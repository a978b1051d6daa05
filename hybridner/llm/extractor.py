"""All entities of texts by an LLM alone, from the definitions of the labels: planned, within a budget, and with exact offsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hybridner.errors import LlmError
from hybridner.llm.cache import AnswerCache
from hybridner.llm.extraction import Extraction, SentenceFinder, join_extractions
from hybridner.llm.piece_calls import plan_pieces, read_pieces
from hybridner.llm.plan import KnownAnswers, Piece, Plan
from hybridner.llm.prices import BudgetTracker, Price
from hybridner.llm.report import LlmReport
from hybridner.llm.session import LlmSession
from hybridner.llm.settings import LlmSettings
from hybridner.llm.verifier import Verifier
from hybridner.spans import LabelSet
from hybridner.text import cut_windows

#: For the estimate: characters of text for each entity.
_CHARACTERS_PER_ENTITY = 15
OVER_BUDGET = "not asked: the budget is used up"


class Extractor(LlmSession):
    """Asks for the entities of whole texts. One object serves many batches; `close` it, or use it in a `with` block.

    Args:
        verifier: who is asked; must be able to write free text.
        labels: the entity types with their definitions.
        settings: template, guidelines, budget, time limit and so on; longer texts than `max_context_chars` are asked about in
            pieces.
        cache: answers kept on disk, or None.
        prices: the price table, by default the package's own.
        examples: finds labelled sentences to show before a text.

    Raises:
        LlmError: settings that do not go together, or a template or guidelines that cannot be read.

    Examples:
        >>> verifier = as_verifier({"model": "deepseek-flash", "base_url": "http://127.0.0.1:8901/v1"})
        >>> with Extractor(verifier, LabelSet.of(["武器", "国家"])) as extractor:
        ...     extractor.plan([text]).usage.calls      # and `extractor.run([text])[0].spans` asks
        1
    """

    def __init__(
        self,
        verifier: Verifier,
        labels: LabelSet,
        settings: LlmSettings | None = None,
        *,
        cache: AnswerCache | None = None,
        prices: Mapping[str, Price] | None = None,
        examples: SentenceFinder | None = None,
    ) -> None:
        super().__init__(verifier, labels, settings, cache, prices)
        self._examples = examples

    def plan(self, texts: Sequence[str]) -> Plan:
        """What `run` would ask now; no request is sent and no budget used (a dry run)."""
        return self._plan(texts, self._budget.copy())

    def run(self, texts: Sequence[str]) -> list[Extraction]:
        """What was found in each text, in order; one that was not answered, or not in whole, has an `error`.

        Raises:
            LlmError: a question failed, with ``on_llm_error="raise"`` only.
        """
        plan, limit = self._plan(texts, self._budget), self.settings.time_limit
        found = {piece: Extraction(error=OVER_BUDGET) for piece in plan.pieces_over_budget}
        if plan.pieces:
            read = self._loop.start(read_pieces, plan.pieces, texts, self._runner, self._reader, limit).result()
            found |= {piece: reading.extraction for piece, reading in read.items()}
        self._stats.add(texts=len(texts), texts_routed=len({call.piece.text for call in plan.pieces}))
        results = _by_text(found, len(texts))
        problems = dict.fromkeys(result.error for result in results if result.error)
        if problems and self.settings.on_llm_error == "raise":
            raise LlmError(f"the LLM did not answer about all texts: {'; '.join(map(str, problems))}")
        return results

    def _plan(self, texts: Sequence[str], budget: BudgetTracker) -> Plan:
        pieces = [
            Piece(number, window.start, window.end)
            for number, text in enumerate(texts)
            for window in cut_windows(text, self.settings.max_context_chars, 0)
            if text[window.start : window.end].strip()
        ]
        calls, over = plan_pieces(
            pieces,
            texts,
            lambda piece: (piece.end - piece.start) // _CHARACTERS_PER_ENTITY,
            prompter=self.prompter,
            known=KnownAnswers(self.verifier, self._dispatcher.keeps),
            budget=budget,
            calls_per_text=self.settings.budget.calls_per_text,
            examples=self._examples,
        )
        return Plan((), (), self.price, tuple(calls), tuple(over))


def _by_text(found: Mapping[Piece, Extraction], texts: int) -> list[Extraction]:
    parts: list[list[tuple[int, Extraction]]] = [[] for _ in range(texts)]
    for piece in sorted(found, key=lambda piece: (piece.text, piece.start)):
        parts[piece.text].append((piece.start, found[piece]))
    return [join_extractions(pieces) for pieces in parts]


def extract(
    texts: Sequence[str],
    labels: LabelSet,
    verifier: Verifier,
    *,
    template: str | Path = "en",
    guidelines: str | Path | None = None,
    examples: SentenceFinder | None = None,
    cache: AnswerCache | None = None,
    prices: Mapping[str, Price] | None = None,
    time_limit: float | None = None,
) -> tuple[list[Extraction], LlmReport]:
    """Ask the LLM once for all entities of each text, without a budget (the pure-LLM baseline, section 3.4); see
    `Extractor`.

    Args:
        texts: to be read.
        labels: the entity types.
        verifier: who is asked; closed at the end.
        template, guidelines, examples, cache, prices: as for `Extractor`.
        time_limit: seconds for all texts together; texts without an answer by then have an `error`.

    Returns:
        what was found in each text, in order, and the report of cost and latency.

    Examples:
        >>> class Reader:
        ...     model, parameters, concurrency = "reader", {}, 1
        ...     async def complete(self, question):
        ...         return Answer("国家: 俄罗斯", self.model)
        ...     async def close(self):
        ...         pass
        >>> found, report = extract([text], LabelSet.of(["国家", "武器"]), Reader(), template="zh")
        >>> found[0].spans, report.calls
        ((Span(start=0, end=3, label='国家'),), 1)
    """
    settings = LlmSettings(template=template, guidelines=guidelines, time_limit=time_limit)
    with Extractor(verifier, labels, settings, cache=cache, prices=prices, examples=examples) as extractor:
        return extractor.run(texts), extractor.report()
