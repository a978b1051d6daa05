"""From a span in its text to the question that the LLM reads: templates in text files, slots filled in one pass."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hybridner.errors import LlmError
from hybridner.files import read_text
from hybridner.llm.context import Context, mark_span, select_context, to_single_line
from hybridner.llm.guidelines import LANGUAGES
from hybridner.llm.prices import estimate_tokens
from hybridner.llm.verifier import Message, Question
from hybridner.spans import NON_ENTITY, Label, LabelSet, Record

_HERE = Path(__file__).parent / "prompts"
_SLOT = re.compile(r"\{([A-Za-z_]+)\}")
_GLOBAL = {"Target_Domain", "Candidate_Label_Set", "Label_Names", "Non_Entity"}
#: The parts of a template: the slots that each must have, and those that it may have beside the global ones.
_PARTS: dict[str, tuple[set[str], set[str]]] = {
    "system": ({"Candidate_Label_Set"}, set()),
    "guidelines": ({"Guidelines"}, set()),
    "example": ({"Input_Sentence", "Category"}, {"Entity_Span"}),
    "contrast": ({"Entity_Span"}, set()),
    "single": ({"Input_Sentence", "Entity_Span"}, set()),
    "several": ({"Input_Sentence", "Entity_Spans"}, set()),
    "again": (set(), set()),
    "extract-system": ({"Candidate_Label_Set"}, set()),
    "extract-example": ({"Input_Sentence", "Entities"}, set()),
    "extract": ({"Input_Sentence"}, set()),
}
_SETTINGS = ("version", "language", "non_entity", "default_domain")
#: Characters shown on either side of a span in the list of the compact form, to tell equal words apart.
_NEAR = 6
#: Characters of an example's sentence that are shown at most: every example costs them with every question.
_EXAMPLE_CHARS = 120
#: Of a list of entities: tokens of a line beside its label and words, characters of text for a line where entities are densest,
#: and lines that there may be in the shortest text.
_AROUND_TOKENS, _DENSEST, _FEWEST_LINES = 4, 3, 4
#: Tokens of one line of the compact form; more spans than the default limit holds get a larger one.
_LINE_TOKENS = 24


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled span shown to the LLM before its question.

    Attributes:
        text: the sentence it stands in.
        start, end: the span, characters [start, end) of `text`.
        label: its label; "O" for a span that is no entity.

    Examples:
        >>> Example("北约在叙利亚部署了雷达。", 3, 6, "Place").words
        '叙利亚'
    """

    text: str
    start: int
    end: int
    label: str

    @property
    def words(self) -> str:
        return self.text[self.start : self.end]


@dataclass(frozen=True)
class PromptTemplate:
    """The wording of the questions; the slots are those of the paper's appendix A.

    Attributes:
        version: changes whenever the wording does.
        language: "zh" or "en"; guidelines are taken in it.
        non_entity: how "no entity" is written.
        default_domain: stands in where a label set names no domain.
        parts: text of each part, with slots in braces.

    Examples:
        >>> PromptTemplate.load("zh").non_entity
        '非实体'
    """

    version: str
    language: str
    non_entity: str
    default_domain: str
    parts: Mapping[str, str]

    @classmethod
    def load(cls, source: str | Path) -> PromptTemplate:
        """Read "en", "zh" or a file of your own in the same format.

        Raises:
            LlmError: the file is not there or something is missing, doubled or unknown in it.
        """
        path = _HERE / f"{source}.txt" if str(source) in ("en", "zh") else Path(source)
        try:
            text = read_text(path)
        except (OSError, UnicodeDecodeError) as error:
            raise LlmError(f'no prompt template {str(source)!r}; give "en", "zh" or the path of a text file') from error
        return cls.parse(text, str(source))

    @classmethod
    def parse(cls, text: str, where: str = "template") -> PromptTemplate:
        """Read a template from its text; `where` names it in errors."""
        settings: dict[str, str] = {}
        parts: dict[str, list[str]] = {}
        lines: list[str] | None = None
        for number, line in enumerate(text.splitlines(), 1):
            heading = re.fullmatch(r"\[([a-z-]+)\]", line.strip())
            if heading:
                name = heading[1]
                if name not in _PARTS or name in parts:
                    problem = "is there twice" if name in parts else f"is unknown; expected {', '.join(_PARTS)}"
                    raise LlmError(f"{where}, line {number}: part [{name}] {problem}")
                lines = parts[name] = []
            elif lines is not None:
                lines.append(line)
            elif line.strip() and not line.startswith("#"):
                key, _, value = line.partition(":")
                if key.strip() not in _SETTINGS:
                    raise LlmError(f"{where}, line {number}: unknown setting {key.strip()!r}; expected {', '.join(_SETTINGS)}")
                settings[key.strip()] = value.strip()
        missing = [name for name in _SETTINGS if not settings.get(name)] + [f"[{name}]" for name in _PARTS if name not in parts]
        if missing:
            raise LlmError(f"{where}: {', '.join(missing)} missing")
        joined = {name: "\n".join(part).strip() for name, part in parts.items()}
        for name, part in joined.items():
            _check_slots(part, *_PARTS[name], f"{where}, part [{name}]")
        if settings["language"] not in LANGUAGES:
            raise LlmError(f"{where}: language must be one of {', '.join(LANGUAGES)}, not {settings['language']!r}")
        return cls(**settings, parts=joined)

    def fill(self, part: str, slots: Mapping[str, str]) -> str:
        """The part with its slots filled, in one pass: braces inside what is filled in stay as they are."""
        return _SLOT.sub(lambda match: slots[match[1]], self.parts[part])


def _check_slots(part: str, needed: set[str], allowed: set[str], where: str) -> None:
    used = set(_SLOT.findall(part))
    unknown = used - needed - allowed - _GLOBAL
    if unknown:
        known = ", ".join(sorted(f"{{{name}}}" for name in needed | allowed | _GLOBAL))
        raise LlmError(f"{where}: unknown slot {{{min(unknown)}}}; it may have {known}")
    if needed - used:
        raise LlmError(f"{where}: slot {{{min(needed - used)}}} missing")


class Prompter:
    """Writes the questions for one label set: domain, closed list of labels, sentence with the span in brackets (appendix A).

    Args:
        labels: names, titles and descriptions of the entity types, and their domain.
        template: the wording.
        min_context_chars, max_context_chars: characters of context, see `select_context`.
        guidelines: how annotators label, see `load_guidelines`; they end the stable part of every prompt.

    Examples:
        >>> prompter = Prompter(LabelSet.of(["国家", "武器"]), PromptTemplate.load("zh"))
        >>> question = prompter.build_question(text, [(0, 3)], prompter.select_context(text, 0, 3))
        >>> question.options
        ('国家', '武器', '非实体')
    """

    def __init__(
        self,
        labels: LabelSet,
        template: PromptTemplate,
        *,
        min_context_chars: int = 40,
        max_context_chars: int = 400,
        guidelines: str = "",
    ) -> None:
        self.labels = labels
        self.template = template
        self.min_context_chars = min_context_chars
        self.max_context_chars = max_context_chars
        self.options = (*labels.names, template.non_entity)
        self._slots = {
            "Target_Domain": to_single_line(labels.domain or template.default_domain),
            "Candidate_Label_Set": "\n".join([*map(_label_line, labels.labels), f"- {template.non_entity}"]),
            "Label_Names": ", ".join(self.options),
            "Non_Entity": template.non_entity,
        }
        # Servers keep what they made of a prompt's beginning, so that nothing in it may change between questions.
        more = "\n\n" + self._fill("guidelines", Guidelines=guidelines) if guidelines else ""
        self._system = Message("system", template.fill("system", self._slots) + more)
        self._extract_system = Message("system", template.fill("extract-system", self._slots) + more)

    @property
    def fingerprint(self) -> str:
        """Changes with what every question shows: wording, labels, definitions, guidelines."""
        shown = (self.template.version, self._system.content, self._extract_system.content)
        return hashlib.sha256("\n".join(shown).encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def select_context(self, text: str, start: int, end: int) -> Context:
        """The piece of the text in which the span is shown."""
        return select_context(
            text, start, end, min_context_chars=self.min_context_chars, max_context_chars=self.max_context_chars
        )

    def build_question(
        self, text: str, spans: Sequence[tuple[int, int]], context: Context, examples: Sequence[Example] = ()
    ) -> Question:
        """Ask for the labels of one or several spans that lie in the same context."""
        shown = self._examples(examples)
        if len(spans) == 1:
            (start, end), sentence = spans[0], mark_span(text, *spans[0], context)
            shown.append(self._fill("single", Input_Sentence=sentence, Entity_Span=to_single_line(text[start:end])))
        else:
            sentence = to_single_line(text[context.start : context.end]).strip()
            listed = "\n".join(f"{n}. {_near(text, span, context)}" for n, span in enumerate(spans, 1))
            shown.append(self._fill("several", Input_Sentence=sentence, Entity_Spans=listed))
        limit = None if len(spans) * _LINE_TOKENS <= 128 else len(spans) * _LINE_TOKENS
        return Question((self._system, Message("user", "\n\n".join(shown))), self.options, len(spans), limit)

    def build_retry(self, question: Question, content: str) -> Question:
        """Ask about a span once more after an answer that is no label; the chat goes on, so that the LLM sees what was wrong."""
        more = (Message("assistant", content), Message("user", self._fill("again")))
        return Question((*question.messages, *more), question.options, question.count, question.max_tokens)

    def build_extraction(self, text: str, examples: Sequence[Record] = ()) -> Question:
        """Ask for all entities of a text, after whole labelled sentences as examples."""
        shown = [self._sentence_example(record) for record in examples]
        shown.append(self._fill("extract", Input_Sentence=to_single_line(text)))
        messages = (self._extract_system, Message("user", "\n\n".join(shown)))
        return Question(messages, max_tokens=self._extraction_tokens(text))

    def _extraction_tokens(self, text: str) -> int:
        """Tokens that the longest list of a text's entities may take: its words once, and a line around each of very many."""
        line = max(map(estimate_tokens, self.labels.names)) + _AROUND_TOKENS
        return estimate_tokens(text) + line * (_FEWEST_LINES + len(text) // _DENSEST)

    def _examples(self, examples: Sequence[Example]) -> list[str]:
        """Each example; those of the same words under different labels together, where the last of them stands, and said so."""
        by_words: dict[str, list[Example]] = {}
        for example in examples:
            by_words.setdefault(example.words, []).append(example)
        shown = []
        for example in examples:
            alike = by_words[example.words]
            if len({other.label for other in alike}) == 1:
                shown.append(self._example(example))
            elif example is alike[-1]:
                shown.append(self._fill("contrast", Entity_Span=to_single_line(example.words)))
                shown += map(self._example, alike)
        return shown

    def _sentence_example(self, record: Record) -> str:
        lines = [f"{span.label}: {to_single_line(record.text[span.start : span.end])}" for span in record.entities]
        return self._fill(
            "extract-example",
            Input_Sentence=to_single_line(record.text),
            Entities="\n".join(lines) or self.template.non_entity,
        )

    def _example(self, example: Example) -> str:
        context = select_context(example.text, example.start, example.end, min_context_chars=0, max_context_chars=_EXAMPLE_CHARS)
        category = self.template.non_entity if example.label == NON_ENTITY else example.label
        return self._fill(
            "example",
            Input_Sentence=mark_span(example.text, example.start, example.end, context),
            Entity_Span=to_single_line(example.words),
            Category=category,
        )

    def _fill(self, part: str, **slots: str) -> str:
        return self.template.fill(part, {**self._slots, **slots})


def _label_line(label: Label) -> str:
    title = f" ({label.title})" if label.title and label.title != label.name else ""
    description = f": {label.description}" if label.description else ""
    return to_single_line(f"- {label.name}{title}{description}")


def _near(text: str, span: tuple[int, int], context: Context) -> str:
    start, end = span
    near = Context(max(context.start, start - _NEAR), min(context.end, end + _NEAR))
    left, right = "…" * (near.start > context.start), "…" * (near.end < context.end)
    return f"“{to_single_line(text[start:end])}” ({left}{mark_span(text, start, end, near)}{right})"
