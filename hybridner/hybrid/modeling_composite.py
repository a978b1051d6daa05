"""What every composite is, whichever runtime computes its logits: decoders, settings, vocabularies, and reading texts."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from hybridner.ensemble import STACKERS, Candidate, CombinerWeights, DecisionSettings, ErrorModel, select_entities
from hybridner.ensemble.stacking import STACKER_FILES, StoredStacker
from hybridner.ensemble.uncertainty import SINGLE_MEASURES
from hybridner.errors import InputError, ModelError
from hybridner.files import write_bytes
from hybridner.gazetteer import GAZETTEER, Gazetteer, Rules
from hybridner.hybrid.configuration_hybrid import HybridNerConfig
from hybridner.hybrid.engine import DecisionOptions, predict_candidates
from hybridner.models.decoders import Decoder
from hybridner.models.loading import CharacterModel, companion_file
from hybridner.text.simplified import to_simplified
from hybridner.text.surrogates import replace_surrogates

#: The gazetteer's file in a composite's folder.
GAZETTEER_FILE = "gazetteer.parquet"


@dataclass(frozen=True)
class TextPrediction:
    """What a composite makes of one text.

    Attributes:
        text: the text.
        candidates: every span that some member proposed or SpanNER nearly did, with its label; sorted by start, then longer
            first.
        ood_score: the share of known texts that are more typical than this one, in [0, 1): 0.99 is less typical than 99 % of
            them. None in a composite that has not been taught what it knows (`hybridner calibrate`), and of an empty text.

    Examples:
        >>> prediction = model.predict([text])[0]
        >>> [text[entity.start : entity.end] for entity in prediction.entities]
        ['俄罗斯', '干扰机']
    """

    text: str
    candidates: tuple[Candidate, ...]
    ood_score: float | None = None

    @property
    def entities(self) -> list[Candidate]:
        """The candidates that are entities of the text."""
        return select_entities(self.candidates)


class CompositeModel(CharacterModel):
    """Several members over one label set that read texts together. `HybridNerModel` runs in torch, `OnnxHybridNerModel` on
    onnxruntime.

    Attributes:
        stackers: trained stacking classifiers by their name, stored beside the weights.
        gazetteer: terms that vote as one more member, stored beside the weights; set it with `use_gazetteer`.

    Examples:
        >>> isinstance(model, CompositeModel), model.member_names
        (True, ('bert-bilstm-crf', 'roberta-bigru-crf', 'macbert-attn-bilstm-crf', 'spanner'))
    """

    config_class = HybridNerConfig
    base_model_prefix = "hybrid"
    main_input_name = "input_ids"

    config: Any
    stackers: dict[str, StoredStacker]
    gazetteer: Gazetteer | None = None

    def character_logits(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        """Every member's logits [B, n, D] of the characters, see `HybridNerOutput`, and behind them [B, n, 1] their strangeness
        in a composite that has a detector (`config.ood`); inputs on any device.

        Args:
            input_ids: [B, V, n + 2], one layer for each of the V vocabularies.
            attention_mask: [B, n + 2], 1 for real tokens.
        """
        raise NotImplementedError

    @property
    def decoders(self) -> list[Decoder]:
        """The members' decoders, in the order of `member_names`."""
        raise NotImplementedError

    @property
    def member_names(self) -> tuple[str, ...]:
        return tuple(entry["name"] for entry in self.config.members)

    @property
    def voter_names(self) -> tuple[str, ...]:
        """The names of those who vote, in the order of a ballot: the members, and the gazetteer where there is one."""
        return self.member_names if self.gazetteer is None else (*self.member_names, GAZETTEER)

    def use_gazetteer(self, gazetteer: Gazetteer | None) -> None:
        """Let the terms of a gazetteer vote from now on, or none any more.

        Fitted weights stay, with the average weight for a gazetteer that was not there before, until `hybridner calibrate` fits
        them again; stackers, which know their voters, are dropped.

        Raises:
            DataError: the gazetteer has terms of a label that this model lacks.
            ModelError: a member of this composite has the gazetteer's name.
        """
        if gazetteer is not None and GAZETTEER in self.member_names:
            raise ModelError(f"a member of this composite is called {GAZETTEER!r} already; give it another name")
        weights = self.combiner_weights
        self.gazetteer = None if gazetteer is None else gazetteer.for_labels(self.config.labels.names)
        self.config.gazetteer = None if self.gazetteer is None else self.gazetteer.to_config()
        if weights is not None and len(weights.f1) != len(self.voter_names):
            self.stackers = {}
            strategy = "pool" if self.config.strategy in STACKERS else self.config.strategy
            weights = weights.resized(len(self.voter_names))
            self.config.update({"combiner_weights": weights.to_dict(), "stackers": None, "strategy": strategy})

    def encoder_settings(self) -> list[tuple[int, Mapping[str, Any]]]:
        return [(entry["vocabulary"], entry["config"]) for entry in self.config.encoders]

    def normalize(self, text: str, simplify: bool | None = None) -> str:
        """The text as the encoders are to see it, in training and in reading: of the same length, in simplified characters unless
        `simplify` or else the configuration says otherwise."""
        return to_simplified(text) if (self.config.simplify if simplify is None else simplify) else text

    def predict(
        self,
        texts: Sequence[str],
        *,
        batch_size: int = 16,
        strategy: str | None = None,
        decoding: str | None = None,
        uncertainty: str | None = None,
        simplify: bool | None = None,
        rules: Rules | None = None,
    ) -> list[TextPrediction]:
        """Read texts of any length: they are processed in overlapping windows, without truncation.

        Args:
            texts: strings.
            batch_size: windows per forward pass.
            strategy, decoding, uncertainty: in place of the model's own, see `DecisionOptions`.
            simplify: whether traditional characters are read as simplified ones, in place of the model's own setting. Offsets and
                words are those of the text as given.
            rules: terms that must be entities or must not be; see `hybridner.gazetteer.Rules.of`.

        Returns:
            one prediction for each text; halves of surrogate pairs in a text have become U+FFFD, with a warning.

        Raises:
            InputError: `texts` is a single string, or one of them is none.
            ModelError: an unknown strategy, or one that needs weights which this composite lacks.

        Examples:
            >>> model = AutoModel.from_pretrained(hybridner.bundled.BUNDLED_FOLDER)
            >>> [(entity.start, entity.end, entity.label) for entity in model.predict(["俄罗斯部署了干扰机。"])[0].entities]
            [(0, 3, 'Adversary States'), (6, 9, 'Offensive Systems')]
        """
        if isinstance(texts, str):
            raise InputError("predict takes a list of texts; put the text into a list")
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise InputError(f"text {number} is {type(text).__name__}, not a string")
        options = DecisionOptions(strategy, decoding, uncertainty)
        whole = _without_surrogates(texts)
        with self._evaluating():
            found = predict_candidates(self, whole, batch_size=batch_size, options=options, simplify=simplify)
        candidates = [row for row, _ in found]
        if rules is not None:
            labels, how = self.config.labels.with_outside, decoding or self.config.decoding
            candidates = [rules.apply(text, row, labels, how) for text, row in zip(whole, candidates, strict=True)]
        return [TextPrediction(text, tuple(row), ood) for text, row, (_, ood) in zip(whole, candidates, found, strict=True)]

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        training = self.training
        if training:
            self.eval()
        try:
            yield
        finally:
            if training:
                self.train()

    @property
    def combiner_weights(self) -> CombinerWeights | None:
        """What strategies beyond the plain ones need; None before `hybridner calibrate`."""
        if self.config.combiner_weights is None:
            return None
        weights = CombinerWeights.from_dict(self.config.combiner_weights, self.stackers)
        weights.check_shape(len(self.voter_names), len(self.config.labels) + 1)
        return weights

    @property
    def decision_settings(self) -> DecisionSettings:
        """How this composite decides a ballot."""
        config = self.config
        model = config.error_model
        return DecisionSettings(
            strategy=config.strategy,
            decoding=config.decoding,
            uncertainty=config.uncertainty,
            temperature=config.temperature,
            weights=self.combiner_weights,
            error_model=None if model is None else ErrorModel.from_dict(model, len(SINGLE_MEASURES), len(config.labels) + 1),
        )

    def save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any) -> Any:
        """As `PreTrainedModel.save_pretrained`, with tokenizers, stackers and gazetteer beside the weights."""
        if kwargs.get("is_main_process", True):
            Path(save_directory).mkdir(parents=True, exist_ok=True)
            for kind, name in STACKER_FILES.items():
                (Path(save_directory) / name).unlink(missing_ok=True)
                if kind in self.stackers:
                    write_bytes(Path(save_directory) / name, self.stackers[kind].data)
            (Path(save_directory) / GAZETTEER_FILE).unlink(missing_ok=True)
            if self.gazetteer is not None:
                self.gazetteer.save(Path(save_directory) / GAZETTEER_FILE)
        return super().save_pretrained(save_directory, *args, **kwargs)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """As `PreTrainedModel.from_pretrained`, from a folder or the Hub.

        Raises:
            ModelError: see `CharacterModel.from_pretrained`; or a stacker that the configuration names is missing.
        """
        loaded = super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        model.load_companions(pretrained_model_name_or_path, kwargs)
        return loaded

    def load_companions(self, source: Any, options: Mapping[str, Any]) -> None:
        """Load what the configuration names beside the weights: stackers and gazetteer.

        Args:
            source: folder or Hub id.
            options: the keyword arguments of `from_pretrained`.

        Raises:
            ModelError: a file is missing.
            DataError: the gazetteer is damaged.
        """
        self.stackers = load_stackers(self.config, source, options)
        if self.config.gazetteer is not None:
            gazetteer = Gazetteer.load(companion_file(source, GAZETTEER_FILE, options))
            self.gazetteer = gazetteer.for_labels(self.config.labels.names)

    def take_companions(self, model: CompositeModel) -> None:
        """Take stackers and gazetteer of another composite over the same members and labels."""
        self.stackers, self.gazetteer = model.stackers, model.gazetteer


def _without_surrogates(texts: Sequence[str]) -> list[str]:
    replaced = [replace_surrogates(text) for text in texts]
    if count := sum(number for _, number in replaced):
        warnings.warn(f"{count} halves of characters (lone surrogates) were read as U+FFFD", UserWarning, stacklevel=3)
    return [text for text, _ in replaced]


def load_stackers(config: HybridNerConfig, source: Any, options: Mapping[str, Any]) -> dict[str, StoredStacker]:
    """The stackers that a configuration names, from beside the weights.

    Raises:
        ModelError: one is missing.
    """
    return {
        kind: StoredStacker(
            kind,
            Path(companion_file(source, STACKER_FILES[kind], options)).read_bytes(),
            tuple(classes),
            len(config.labels) + 1,
        )
        for kind, classes in (config.stackers or {}).items()
    }


def refuse_no_members(config: HybridNerConfig) -> None:
    """Raise a ModelError where a composite's configuration names no member."""
    if not config.members:
        raise ModelError("a composite needs at least one member; make one with HybridNerModel.assemble(members)")
