"""How a candidate came to be what it is after the LLM stage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from hybridner.ensemble import Candidate
from hybridner.errors import LlmError
from hybridner.llm.confusion import Distribution
from hybridner.llm.verifier import Answer, FailureKind, VerifierError
from hybridner.spans import NON_ENTITY, Span

#: What became of a candidate: not routed; or routed and asked, answered without a call, given no label, failed, out of budget.
Status = Literal["local", "asked", "cached", "unparsed", "failed", "over_budget"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who decided about a candidate.

    Attributes:
        local_label: the ensemble's label; "O" for a span that only the LLM proposed.
        uncertainty: u of the candidate before the LLM was asked.
        status: what became of it, see `Status`.
        source: "llm" when the LLM's answer was used and is the final label; else "local".
        llm_label: the LLM's label ("O" for Non-Entity), None without a readable answer. As a member it is the label that it gave
            the span in the whole sentence, "O" where it left it out; when asked about the span itself, that answer.
        llm_score: the LLM's own probability of its label, where the server gives one or two prompts were asked.
        member_label: the label that it gave as a member, None where it was not asked for the whole sentence.
        model: name of the model that answered, as served.
        features: abilities of the server that the answer made use of, see `Answer.features`.
        fusion: how the answer was used: the fusion, or "member"; None where there was nothing to use.
        llm_error: why there is no LLM label although the candidate was routed, for people to read.
        failure: the same for programs.
        is_doubtful: whether the threshold was exceeded when the candidate came by.
        is_unfamiliar: whether the candidate stands in a text beyond what the model knows.

    Examples:
        >>> Provenance("State", uncertainty=0.6, is_doubtful=True).needs_review
        True
    """

    local_label: str
    uncertainty: float
    status: Status = "local"
    source: Literal["local", "llm"] = "local"
    llm_label: str | None = None
    llm_score: float | None = None
    member_label: str | None = None
    model: str | None = None
    features: tuple[str, ...] = ()
    fusion: str | None = None
    llm_error: str | None = None
    failure: FailureKind | None = None
    is_doubtful: bool = False
    is_unfamiliar: bool = False

    @property
    def needs_review(self) -> bool:
        """Doubtful or in an unfamiliar text, and no LLM has given an answer."""
        return (self.is_doubtful or self.is_unfamiliar) and self.llm_label is None


@dataclass(frozen=True, slots=True)
class VerifiedCandidate:
    """A candidate after the stage, and how it came to be what it is.

    Attributes:
        candidate: what became of it.
        provenance: how.

    Examples:
        >>> candidates = [prediction.candidates for prediction in model.predict([text])]
        >>> with LlmStage(llm, labels, LlmSettings(threshold=0.0)) as stage:
        ...     verified = stage.run([text], candidates)[0][0]
        >>> verified.candidate.label, verified.provenance.llm_label, verified.provenance.status
        ('Adversary States', 'Adversarial Events', 'asked')
    """

    candidate: Candidate
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of asking about one candidate, or about one piece of a text.

    Attributes:
        status, model, features, error, failure: as in `Provenance`.
        label: the LLM's label, None without a readable one.
        confidence: [K + 1] its own probabilities of the labels, where there are any.
        found: of a piece: what it extracted, with offsets into the text.
        cut: of a piece: that the answer broke off, for people to read; then it says nothing about spans that it does not list.
    """

    status: Status
    label: str | None = None
    confidence: Distribution = ()
    found: tuple[Span, ...] = ()
    model: str | None = None
    features: tuple[str, ...] = ()
    error: str | None = None
    failure: FailureKind | None = None
    cut: str | None = None

    @classmethod
    def failed(cls, problem: VerifierError) -> Outcome:
        return cls("failed", error=str(problem), failure=problem.kind)

    @classmethod
    def over_budget(cls) -> Outcome:
        return cls("over_budget", failure=FailureKind.OVER_BUDGET)

    @classmethod
    def unparsed(cls, answer: Answer, problem: str) -> Outcome:
        return cls("unparsed", model=answer.model, features=answer.features, error=problem, failure=FailureKind.UNREADABLE)


def trace(
    original: Candidate | None, final: Candidate, doubtful: bool, member: Outcome | None, label: Outcome | None, fusion: str
) -> VerifiedCandidate:
    """A candidate with its provenance.

    Args:
        original: before the stage; None for a span that only the LLM proposed.
        final: after it.
        doubtful: whether its uncertainty exceeded the threshold before the stage.
        member: what the LLM said about it as a member, if it was asked.
        label: what it said about the span itself, if it was asked.
        fusion: of such answers.
    """
    outcome = label or member
    local = NON_ENTITY if original is None else original.label
    uncertainty = final.uncertainty if original is None else original.uncertainty
    if outcome is None:
        return VerifiedCandidate(final, Provenance(local, uncertainty, is_doubtful=doubtful, is_unfamiliar=final.is_unfamiliar))
    said = next((one for one in (label, member) if one is not None and one.label is not None), outcome)
    return VerifiedCandidate(
        final,
        Provenance(
            local_label=local,
            uncertainty=uncertainty,
            status=outcome.status,
            source="llm" if said.label == final.label else "local",
            llm_label=said.label,
            llm_score=max(said.confidence, default=None),
            member_label=member.label if member is not None else None,
            model=outcome.model,
            features=outcome.features,
            fusion=None if said.label is None else "member" if said is member else fusion,
            llm_error=outcome.error,
            failure=outcome.failure,
            is_doubtful=doubtful,
            is_unfamiliar=final.is_unfamiliar,
        ),
    )


def raise_for(outcomes: Iterable[Outcome]) -> None:
    """Raises:
    LlmError: a question failed; names all the different reasons (in replay mode: every question that is missing).
    """
    everything = list(outcomes)
    failed = [outcome.error or "" for outcome in everything if outcome.status == "failed"]
    if failed:
        reasons = "; ".join(dict.fromkeys(failed))
        raise LlmError(f"the LLM gave no answer for {len(failed)} of {len(everything)} routed spans: {reasons}")


def collect_answer_pairs(results: Iterable[Sequence[VerifiedCandidate]], gold: Iterable[Sequence[Span]]) -> list[tuple[str, str]]:
    """(true label, LLM's label) of every candidate that the LLM gave a label, for `ConfusionMatrix.fit`.

    The true label is "O" where gold has no entity with exactly these characters. Use texts that nothing was trained on.

    Args:
        results: of each text, as the stage returns them.
        gold: gold spans of each text.

    Examples:
        >>> candidate = model.predict([text])[0].entities[0]
        >>> verified = VerifiedCandidate(candidate, Provenance("Adversary States", 0.4, "answered", "llm", "O"))
        >>> collect_answer_pairs([[verified]], [[Span(0, 3, "Adversary States")]])
        [('Adversary States', 'O')]
    """
    pairs: list[tuple[str, str]] = []
    for row, spans in zip(results, gold, strict=True):
        truth = {(span.start, span.end): span.label for span in spans}
        pairs += [
            (truth.get((item.candidate.start, item.candidate.end), NON_ENTITY), item.provenance.llm_label)
            for item in row
            if item.provenance.llm_label is not None
        ]
    return pairs
