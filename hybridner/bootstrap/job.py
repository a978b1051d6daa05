"""From raw text to a first local model, step by step; each leaves a file, and a stopped job goes on after the last one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from hybridner.adaptation.selection import doubtful_and_diverse
from hybridner.bootstrap.label_errors import JudgedLabels, find_label_issues, mark_unsure
from hybridner.bootstrap.local_model import cross_predict, train_local, training_arguments
from hybridner.bootstrap.sampling import diverse_sentences
from hybridner.bootstrap.silver import Agreement, agreement, combine, read_silver, with_reviews, write_silver
from hybridner.data.formats.json_records import write_lines
from hybridner.ensemble import Predictions
from hybridner.errors import DataError, RecipeError
from hybridner.files import atomic_folder, read_mapping, write_json
from hybridner.llm import AnswerCache, Budget, Extractor, LlmSettings, Plan, SentenceFinder, Verifier
from hybridner.models import MEMBER_CLASSES
from hybridner.spans import LabelSet, Record, Span
from hybridner.training.members import check_encoders
from hybridner.training.recipe import MemberSection
from hybridner.validation import validate

#: Two prompts of the same question: what an LLM says in both languages hangs on neither's wording.
PROMPTS = ("zh", "en")
#: Sentences that members can begin to learn from.
FEWEST = 20
FOLDS = 5
#: Reviewed sentences count so often: they alone show where the annotators draw lines.
REVIEWED_TIMES = 3
_ANEW = "delete it to begin anew"
#: About so many sentences are read in training.
_READ = 6000

SAMPLE, SILVER, OOF, COMPOSITE, REVIEW, REPORT = (
    "sample.json",
    "silver.jsonl",
    "oof.parquet",
    "composite",
    "review.jsonl",
    "bootstrap.json",
)


@dataclass(frozen=True)
class BootstrapSettings:
    """How a first model is made.

    Attributes:
        encoder: Hub id or folder of a pretrained encoder, or a mapping of sizes for a new one.
        sentences: how many the LLM annotates.
        review: how many of them go into the review queue.
        layers: keep only the first so many layers of the encoder.
        epochs: passes over the sentences; None takes so many that about 6,000 are read, at least 10 and at most 30.
        seed: of the sample, the folds and training.
        guidelines: file of annotation guidelines, where there are any already.

    Raises:
        RecipeError: a number that is not positive.
    """

    encoder: str | dict[str, Any]
    sentences: int = 400
    review: int = 50
    layers: int | None = None
    epochs: int | None = None
    seed: int = 42
    guidelines: str | None = None

    def __post_init__(self) -> None:
        for name in ("sentences", "review", "layers", "epochs"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RecipeError(f"{name} must be at least 1, not {value}")
        if self.sentences < FEWEST:
            raise RecipeError(f"sentences: {self.sentences} are too few to learn from; take at least {FEWEST}")


@dataclass
class Bootstrap:
    """A job in a folder.

    Args:
        output: the folder; what is there already is not done again.
        labels: the entity types, defined.
        texts: raw texts.
        settings: how.
        examples: finds labelled sentences to show the LLM, where there are any.
        say: told what is going on.

    Raises:
        RecipeError: the folder holds a job of other labels, texts or settings; or there is no such encoder.
        DataError: the texts hold too few sentences.
    """

    output: Path
    labels: LabelSet
    texts: Sequence[str]
    settings: BootstrapSettings
    examples: SentenceFinder | None = None
    say: Callable[[str], None] = print
    sample: list[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_encoders(self._members)
        digest = hashlib.sha256("\n".join(self.texts).encode()).hexdigest()[:16]
        about = {"labels": self.labels.to_dict(), "texts": digest, **asdict(self.settings)}
        kept = self.output / SAMPLE
        if kept.exists():
            known = read_mapping(kept, _ANEW)
            if known.get("about") != json.loads(json.dumps(about)):
                raise RecipeError(f"{self.output} holds a job of other labels, texts or settings; choose another --output")
            self.sample = validate(list[str], known.get("sentences"), DataError, f"{kept}, sentences")
            return
        self.sample = diverse_sentences(self.texts, self.settings.sentences, self.settings.seed)
        if len(self.sample) < FEWEST:
            found = len(self.sample)
            raise DataError(f"the texts hold {found} different sentences of 8 to 200 characters; give at least {FEWEST}")
        write_json(kept, {"about": about, "sentences": self.sample})

    def plan(self, verifier: Verifier, settings: LlmSettings) -> list[Plan]:
        """What annotating with each prompt will ask and cost; nothing where that is done."""
        if (self.output / SILVER).exists():
            return []
        return list(self._with_prompts(verifier, settings, lambda extractor: extractor.plan(self.sample)))

    def annotate(self, verifier: Verifier, settings: LlmSettings) -> list[Record]:
        """Silver records of all sentences that both prompts were answered about.

        Raises:
            DataError: these are too few; what was answered is kept for the next time.
        """
        path = self.output / SILVER
        if path.exists():
            return read_silver(path)
        first, second = self._with_prompts(verifier, settings, lambda extractor: extractor.run(self.sample))
        answered = [n for n, pair in enumerate(zip(first, second, strict=True)) if not any(found.error for found in pair)]
        spans = [[found[n].spans for n in answered] for found in (first, second)]
        problems = dict.fromkeys(found.error for found in (*first, *second) if found.error)
        if len(answered) < min(FEWEST, len(self.sample)):
            raise DataError(
                f"the LLM annotated {len(answered)} of {len(self.sample)} sentences: {'; '.join(map(str, problems))}. "
                "Start again to ask about the others; answers are kept"
            )
        records = [combine(self.sample[n], *pair) for n, *pair in zip(answered, *spans, strict=True)]
        found = agreement(spans[0], spans[1], len(self.sample) - len(answered))
        self._report(agreement=found.to_dict())
        self.say(_in_words(found, list(map(str, problems))))
        write_silver(records, path)
        return records

    def find_errors(self, silver: Sequence[Record]) -> tuple[list[Record], Predictions]:
        """The silver records with likely errors marked unsure, and the out-of-fold predictions that say so.

        Members that have seen a few hundred sentences suspect far more than is wrong: all issues order the review, and only those
        where the two prompts differ as well count in training.
        """
        path = self.output / OOF
        if not path.exists():
            self.say(f"training on {len(silver)} sentences crosswise, {FOLDS} times, to find likely errors")
            # All folds alike, however few sentences one of them is trained on.
            fit = partial(train_local, self._members, labels=self.labels, arguments=self._arguments(len(silver)))
            cross_predict(fit, silver, FOLDS, self.settings.seed, self.output / "folds").save(path)
        predictions = Predictions.load(path)
        issues = find_label_issues(JudgedLabels.of(predictions))
        doubly = [issue for issue in issues if _is_unsure(silver[issue.record], issue.span)]
        self._report(issues=len(issues), issues_where_prompts_differ=len(doubly))
        self.say(f"{len(issues)} labels may be wrong; {len(doubly)}, where the prompts differ too, count less in training")
        return mark_unsure(silver, doubly), predictions

    def train(self, records: Sequence[Record], reviewed: Sequence[Record] = ()) -> Path:
        """The composite of members trained on silver records, with reviewed ones in their place."""
        folder = self.output / (f"{COMPOSITE}-{_digest(reviewed)}" if reviewed else COMPOSITE)
        if not (folder / "config.json").exists():
            whole = with_reviews(records, reviewed, REVIEWED_TIMES)
            self.say(f"training on {len(records)} sentences, {len(reviewed)} of them reviewed" if reviewed else "training on all")
            model = train_local(self._members, whole, self.labels, self._arguments(len(whole)))
            with atomic_folder(folder) as unfinished:
                model.save_pretrained(unfinished)
        return folder

    def write_review(self, silver: Sequence[Record], predictions: Predictions) -> Path:
        """The most doubtful sentences, unlike each other, with their silver entities, in the form of `hybridner suggest`."""
        path = self.output / REVIEW
        if path.exists():  # somebody may be at work in it
            return path
        judged = JudgedLabels.of(predictions)
        order = doubtful_and_diverse(
            [record.text for record in silver], judged.expected_errors(len(silver)), self.settings.review
        )
        sure = {
            (row, start, end): float(p) for (row, start, end), p in zip(judged.spans.tolist(), judged.given_probs, strict=True)
        }
        rows = [
            {
                "text": silver[number].text,
                "entities": [
                    {**span._asdict(), "uncertainty": round(1.0 - sure[number, span.start, span.end], 4)}
                    for span in silver[number].entities
                ],
            }
            for number in order
        ]
        write_lines(rows, path)
        return path

    @property
    def _members(self) -> dict[str, MemberSection]:
        encoder, layers = self.settings.encoder, self.settings.layers
        return {name: MemberSection(type=name, encoder=encoder, num_hidden_layers=layers) for name in MEMBER_CLASSES}

    def _arguments(self, records: int) -> Any:
        epochs = self.settings.epochs or max(10, min(30, round(_READ / records)))
        return training_arguments(self.settings.seed, epochs)

    def _with_prompts(self, verifier: Verifier, settings: LlmSettings, do: Callable[[Extractor], Any]) -> list[Any]:
        results = []
        with closing(AnswerCache(str(self.output / "answers.sqlite"))) as cache:
            for template in PROMPTS:
                # Each has its share of the budget. The job may take its time; a single request has a limit of its own.
                changes = {"template": template, "budget": _share(settings.budget), "time_limit": None}
                if self.settings.guidelines is not None:
                    changes["guidelines"] = self.settings.guidelines
                with Extractor(
                    verifier, self.labels, settings.model_copy(update=changes), cache=cache, examples=self.examples
                ) as extractor:
                    results.append(do(extractor))
        return results

    def _report(self, **values: Any) -> None:
        path = self.output / REPORT
        write_json(path, {**(read_mapping(path, _ANEW) if path.exists() else {}), **values})


def _is_unsure(record: Record, span: Span) -> bool:
    return any(doubt.start < span.end and span.start < doubt.end for doubt in record.unsure)


def _share(budget: Budget) -> Budget:
    def part(limit: int | None) -> int | None:
        return None if limit is None else limit // len(PROMPTS)

    cost = None if budget.cost is None else budget.cost / len(PROMPTS)
    return Budget(calls_per_text=budget.calls_per_text, calls=part(budget.calls), tokens=part(budget.tokens), cost=cost)


def _in_words(found: Agreement, problems: list[str]) -> str:
    text = f"{found.sentences} sentences annotated twice: {found.same} entities by both prompts, agreement F1 {found.f1:.3f}"
    return f"{text}; {found.unanswered} left out ({'; '.join(problems)})" if found.unanswered else text


def _digest(records: Sequence[Record]) -> str:
    return hashlib.sha256(json.dumps([[r.text, r.entities] for r in records]).encode()).hexdigest()[:8]
