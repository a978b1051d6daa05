"""The LLM stage: which spans are asked about, how, at what cost, and what is made of the answers. Knows nothing of torch."""

from hybridner.errors import LlmError
from hybridner.llm.answers import AnswerReader
from hybridner.llm.cache import AnswerCache, question_key
from hybridner.llm.confusion import ConfusionMatrix
from hybridner.llm.example_choice import SentenceExamples
from hybridner.llm.extraction import Extraction, ExtractionErrors, SentenceFinder, count_errors
from hybridner.llm.extractor import Extractor, extract
from hybridner.llm.fusion import FUSIONS, resolve_again
from hybridner.llm.guidelines import load_guidelines
from hybridner.llm.member import JoinedCandidate, MemberReliability, expected_gain, join_member
from hybridner.llm.openai_verifier import OpenAIVerifier, as_verifier
from hybridner.llm.plan import Piece, Plan
from hybridner.llm.prices import Budget, Price, load_prices
from hybridner.llm.prompts import Example, Prompter, PromptTemplate
from hybridner.llm.provenance import Provenance, VerifiedCandidate, collect_answer_pairs
from hybridner.llm.report import LlmReport
from hybridner.llm.routing import ExampleFinder, route
from hybridner.llm.settings import LlmSettings
from hybridner.llm.simulation import SimulatedCurve, draw_curves, simulate
from hybridner.llm.stage import LlmStage
from hybridner.llm.transformers_verifier import TransformersVerifier
from hybridner.llm.verifier import Answer, FailureKind, Message, Question, Verifier, VerifierError

__all__ = [
    "FUSIONS",
    "Answer",
    "AnswerCache",
    "AnswerReader",
    "Budget",
    "ConfusionMatrix",
    "Example",
    "ExampleFinder",
    "Extraction",
    "ExtractionErrors",
    "Extractor",
    "FailureKind",
    "JoinedCandidate",
    "LlmError",
    "LlmReport",
    "LlmSettings",
    "LlmStage",
    "MemberReliability",
    "Message",
    "OpenAIVerifier",
    "Piece",
    "Plan",
    "Price",
    "PromptTemplate",
    "Prompter",
    "Provenance",
    "Question",
    "SentenceExamples",
    "SentenceFinder",
    "SimulatedCurve",
    "TransformersVerifier",
    "VerifiedCandidate",
    "Verifier",
    "VerifierError",
    "as_verifier",
    "collect_answer_pairs",
    "count_errors",
    "draw_curves",
    "expected_gain",
    "extract",
    "join_member",
    "load_guidelines",
    "load_prices",
    "question_key",
    "resolve_again",
    "route",
    "simulate",
]
