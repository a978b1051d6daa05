"""`pipeline("hybrid-ner")`: text in, entities out."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any, TypeVar

import torch
from torch import nn
from torch.utils.data import Dataset
from transformers import Pipeline

from hybridner.ensemble import AdaptiveThreshold, Candidate, Threshold
from hybridner.errors import InputError, ModelError
from hybridner.export import as_onnx
from hybridner.gazetteer import Rules
from hybridner.hybrid import CompositeModel, HybridNerModel, TextPrediction
from hybridner.hybrid.configuration_hybrid import check_choice
from hybridner.hybrid.consistency import Consistency
from hybridner.hybrid.entity_dicts import Entity, EntityList, is_given_out, local_entities, verified_entity
from hybridner.hybrid.verification import LlmOptions, open_verification
from hybridner.llm import LlmReport, Plan
from hybridner.mapping import map_dataset
from hybridner.models import MemberModel
from hybridner.pipeline.parameters import PARAMETERS, check_batch_size, sort_parameters, split_output

_Data = TypeVar("_Data")

#: Windows per forward pass unless the caller says otherwise.
_BATCH_SIZE = 16
#: Texts read ahead, in batches, so that windows of similar length can share a batch.
_READ_AHEAD = 16


class HybridNerPipeline(Pipeline):
    """Named entity recognition with a composite, or with a single member.

    ``pipe(text)`` gives a list of entities; a list of texts gives a list of such lists; a generator or a data set gives an
    iterator over them, read ahead a little so that texts of similar length share a batch, and in the order of the input. Texts
    of any length are processed in windows, without truncation.

    Each entity is a dict with these keys:

    - `entity_group` (str): its type.
    - `word` (str), `start` (int), `end` (int): ``text[start:end] == word``; characters of the text as given, end exclusive.
    - `score` (float): P(type | span), the members' probabilities averaged (with an LLM: after fusion).
    - `uncertainty` (float): u = 1 - max P(y | span) of SpanNER (equation 9).
    - `source` (str): who decided, "local" for the ensemble, "llm", or "rule" for a forced term.
    - `votes` (dict): the type each member gave this span, "O" for none; a gazetteer says something only about its own terms.
    - `needs_review` (bool): whether u is above the threshold, or the text is beyond what the model knows, and no LLM has given
      an answer.
    - `error_probability` (float): that the entity is wrong; only in composites that `hybridner calibrate` has seen.
    - `ood_score` (float): the share of known passages that are more typical than the one around the entity, from 0 to 1; only in
      composites that `hybridner calibrate` taught what they know. The list itself has the attribute `ood_score` of the whole
      text.
    - `contradictions` (list): only with `consistent_with`; what the entity breaks, in words.
    - `local_label`, `llm_label`, `llm_score`, `member_label`, `llm_features`, `llm_status`, `llm_model`, `fusion`, `llm_error`,
      `llm_failure`: only with an LLM; see `hybridner.llm.Provenance`.

    The keyword arguments can be given here, or per call to override them; so can `batch_size`.

    Args:
        model: a composite or a single member; `transformers.pipeline` takes its folder or Hub id.
        backend: "onnx" runs the model on onnxruntime, on the CPU; what `hybridner export` wrote runs there without it. By default
            torch.
        batch_size: windows per forward pass, by default 16.
        **kwargs: the following, and those of `transformers.Pipeline`, such as `device`.

    Keyword Args:
        threshold (float | Threshold): τ, a number from 0 to 1 or any `hybridner.ensemble.Threshold`; by default the model's own.
            A `hybridner.AdaptiveThreshold` follows the texts and keeps the share of doubtful entities (with an LLM: of routed
            candidates) to a budget; it goes on where the last call left it.
        min_precision (float): give out only entities that the calibration allows to promise to be right so often, such as 0.95:
            those of little uncertainty in texts like those the model knows. The promise is about all texts together and holds in
            9 of 10 calibrations; see `hybridner.ensemble.SelectionTable`. Forced terms are always given out. Not with an LLM.
        decoding (str): "flat" (no overlap) or "nested" (no crossing); by default the model's own.
        strategy (str): a key of `hybridner.ensemble.COMBINERS`; by default the model's own.
        simplify (bool): whether traditional characters are read as the simplified ones they stand for; by default as the model's
            own setting, which is to do so. Words and offsets are those of the text as given.
        force (Mapping[str, Sequence[str]] | str): terms that are entities wherever they stand, by label
            (``{"LOC": ["硅谷"]}``) or as a file of terms; what overlaps them is given up. Case, width and traditional characters
            make no difference.
        forbid (Sequence[str] | Mapping[str, Sequence[str]] | str): terms that are no entities, as a list, by the label they do
            not have, or as a file.
        consistent_with (str): an ontology, "sncm-open" or an OWL file, whose rules each text's entities are held against: every
            entity gets the key `contradictions`, what it breaks in words. See `hybridner.hybrid.consistency`.
        repair (bool): whether contradictions are put right by the next probable label; by default not.
        llm (str | Mapping[str, Any] | Verifier): who is asked about the spans with u > τ: the name of a model at an
            OpenAI-compatible endpoint, a mapping of settings of `hybridner.llm.OpenAIVerifier`, or any verifier. The next texts
            are read while answers come in. By default no request is sent.
        llm_settings (Mapping[str, Any]): fields of `hybridner.llm.LlmSettings`, such as fusion, accuracy, template or budget.
            Without accuracy or confusion, what `hybridner learn` knows about this LLM is used.
        llm_cache (str | AnswerCache): where answers are kept, such as a file; by default nowhere.
        llm_examples (str | ExampleIndex): what `hybridner examples` made of the training data, such as its file: with each
            question the LLM is shown the labelled spans most like the one in doubt.
        labels (Sequence[str] | LabelSet | str): not per call, and in place of a model: an LLM finds the entities from the
            definitions of these labels; see `hybridner.pipeline.definitions.DefinitionsPipeline`.
        dry_run (bool): per call only: give back a `hybridner.llm.Plan` of calls, tokens and price; no request is sent.

    Attributes:
        llm_report: cost and latency of the last call that used an LLM, else None.

    Raises:
        InputError: a single input that is not a string. Inside a list, data set or generator such an item gives an empty
            result and a warning, so that the rest of the batch comes through.
        ModelError: a parameter has a value it cannot have.
        LlmError: settings of the LLM that cannot work; an LLM that fails only with ``llm_settings={"on_llm_error": "raise"}``.

    Examples:
        >>> from transformers import pipeline
        >>> ner = pipeline("hybrid-ner", model=str(hybridner.bundled.BUNDLED_FOLDER))
        >>> [(entity["word"], entity["entity_group"]) for entity in ner("俄罗斯部署了干扰机。")]
        [('俄罗斯', 'Adversary States'), ('干扰机', 'Offensive Systems')]
        >>> [entity["word"] for entity in ner("俄罗斯部署了干扰机。", forbid=["俄罗斯"])]
        ['干扰机']
    """

    # The model brings its own vocabularies.
    _load_tokenizer: Any = False
    _load_feature_extractor: Any = False
    _load_image_processor: Any = False
    _load_processor: Any = False

    model: CompositeModel
    llm_report: LlmReport | None = None

    def __new__(cls, *args: Any, labels: Any = None, **kwargs: Any) -> HybridNerPipeline:
        if labels is None:
            return super().__new__(cls)
        from hybridner.pipeline.definitions import DefinitionsPipeline

        return super().__new__(DefinitionsPipeline)

    def __init__(
        self, model: CompositeModel | MemberModel, backend: str | None = None, batch_size: int = _BATCH_SIZE, **kwargs: Any
    ) -> None:
        if backend is not None:
            check_choice("backend", backend, ("onnx",))
        if isinstance(model, MemberModel):
            device = model.device
            model = HybridNerModel.assemble({model.config.model_type: model})
            nn.Module.to(model, device)
        if not isinstance(model, CompositeModel):
            raise ModelError(
                f"the hybrid-ner pipeline needs a composite or one of its members, not a {type(model).__name__}; "
                "`hybridner train` makes them"
            )
        composite: Any = as_onnx(model) if backend == "onnx" else model
        self.settings = {"batch_size": batch_size, **{name: value for name, value in kwargs.items() if name in PARAMETERS}}
        super().__init__(model=composite.eval(), batch_size=batch_size, **kwargs)
        if self.device.type == "cpu" and self.model.dtype == torch.float16:
            warnings.warn(
                "the weights are in half precision, in which a CPU reads several times as slowly; load the model with "
                "dtype=torch.float32, or make it smaller with `hybridner compact`, which is read in single precision",
                UserWarning,
                stacklevel=2,
            )

    def get_inference_context(self) -> Any:
        return torch.inference_mode

    def _sanitize_parameters(self, **parameters: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        return {}, *sort_parameters(parameters, self.model)

    def __call__(self, inputs: Any, *args: Any, dry_run: bool = False, **kwargs: Any) -> Any:
        check_batch_size(kwargs.get("batch_size"))
        if isinstance(inputs, (bytes, bytearray, Mapping)) or not isinstance(inputs, (str, Iterable, Dataset)):
            raise InputError(
                f"expected a string, a list of strings, a data set or a generator, not {type(inputs).__name__}"
                + ("; decode it first: text.decode('utf-8')" if isinstance(inputs, (bytes, bytearray)) else "")
            )
        if dry_run:
            return self._plan([inputs] if isinstance(inputs, str) else _items(inputs), **kwargs)
        if isinstance(inputs, str):
            return super().__call__(inputs, *args, **kwargs)
        # Of everything that can be iterated over, transformers reads generators as they come.
        stream = super().__call__(_items(inputs), *args, **kwargs)
        return list(stream) if isinstance(inputs, Sequence) and not isinstance(inputs, Dataset) else iter(stream)

    def map(
        self, dataset: _Data, column: str = "text", *, output: str = "entities", num_proc: int | None = None, **settings: Any
    ) -> _Data:
        """A data set with one more column: the entities of each text.

        Rows are read and written as Arrow tables, and stay in their order; a text that is null gets null. With several processes
        each loads the model for itself and runs on one thread.

        Args:
            dataset: a `datasets.Dataset` or `IterableDataset`, or a `DatasetDict` or `IterableDatasetDict`, whose splits are all
                mapped.
            column: the column of the texts.
            output: name of the new column; one that is there already is replaced.
            num_proc: how many processes; by default this one.
            **settings: of the pipeline, in place of its own: batch_size, threshold, strategy, decoding, force, forbid, ...

        Returns:
            the data set in the same form and format; `output` is a list of structs with start, end, label, word, score,
            uncertainty, source, needs_review and votes.

        Raises:
            DataError: there is no such column.
            InputError: `dataset` is something else.
            ModelError: a setting that cannot work here, such as an LLM (see `hybridner annotate`).

        Examples:
            >>> from datasets import Dataset
            >>> rows = pipe.map(Dataset.from_dict({"body": [text]}), column="body")
            >>> [entity["word"] for entity in rows[0]["entities"]]
            ['俄罗斯', '干扰机']
        """
        return map_dataset(self, dataset, column, output, num_proc, **settings)

    def check_settings(self, batch_size: int | None = None, **settings: Any) -> None:
        """Make sure that settings can work, before anything is read.

        Args:
            batch_size, **settings: as for the pipeline.

        Raises:
            ModelError: a setting that cannot work.
        """
        check_batch_size(batch_size)
        self._sanitize_parameters(**settings)

    def push_to_hub(self, repo_id: str, **kwargs: Any) -> str:
        """Publish the model, with which everything is saved that the pipeline needs.

        Args:
            repo_id: "NAME/MODEL", or "MODEL" under the token's own name.
            **kwargs: as for `push_to_hub` of the model.

        Returns:
            the address of the commit.
        """
        push: Any = self.model.push_to_hub
        return str(push(repo_id, **kwargs))

    def preprocess(self, input_: Any, **preprocess_parameters: Any) -> dict[str, Any]:
        """A text as the input of `_forward`; an empty one, with a warning, for what is no text.

        Args:
            input_: the text.
            **preprocess_parameters: `position`, its number among the inputs.

        Raises:
            InputError: a row of a data set with several columns.
        """
        position = preprocess_parameters.get("position", 0)
        if isinstance(input_, Mapping):
            raise InputError(
                f"item {position} is a row with the columns {', '.join(map(str, input_))}, not a text; choose one, for example "
                'with transformers.pipelines.pt_utils.KeyDataset(dataset, "text")'
            )
        if isinstance(input_, str):
            return {"text": input_}
        warnings.warn(f"item {position} is {type(input_).__name__}, not a string; its result is empty", UserWarning, stacklevel=2)
        return {"text": ""}

    def _forward(self, input_tensors: dict[str, Any], **decision: Any) -> Any:
        (prediction,) = self.model.predict([input_tensors["text"]], **decision)
        return prediction

    def postprocess(self, model_outputs: Any, **postprocess_parameters: Any) -> EntityList:
        """Entities of one text as dicts; with `llm` among the parameters, it is asked first.

        Args:
            model_outputs: a `TextPrediction`.
            **postprocess_parameters: those of the pipeline that bear on the output.
        """
        (entities,) = self._entities([[model_outputs]], **split_output(postprocess_parameters))
        return entities

    def get_iterator(
        self,
        inputs: Any,
        num_workers: int,
        batch_size: int,
        preprocess_params: dict[str, Any],
        forward_params: dict[str, Any],
        postprocess_params: dict[str, Any],
    ) -> Iterator[EntityList]:
        """The entities of each text, in the order of the texts.

        Args:
            inputs: the texts.
            num_workers: has no meaning here.
            batch_size: windows per forward pass.
            preprocess_params, forward_params, postprocess_params: as `_sanitize_parameters` sorts them.
        """
        return self._entities(self._predictions(inputs, batch_size, forward_params), **split_output(postprocess_params))

    def _predictions(self, inputs: Iterable[Any], batch_size: int, decision: Mapping[str, Any]) -> Iterator[list[TextPrediction]]:
        """Predictions some batches at a time, so that texts of similar length can share a batch."""
        position = 0
        items = iter(inputs)
        while chunk := list(islice(items, batch_size * _READ_AHEAD)):
            texts = [self.preprocess(item, position=position + offset)["text"] for offset, item in enumerate(chunk)]
            position += len(chunk)
            with self.device_placement():
                yield self.model.predict(texts, batch_size=batch_size, **decision)

    def _entities(
        self,
        predictions: Iterable[Sequence[TextPrediction]],
        threshold: Threshold | None,
        decoding: str | None,
        rules: Rules | None,
        consistency: tuple[Consistency, bool] | None,
        most: float | None,
        llm: Mapping[str, Any],
    ) -> Iterator[EntityList]:
        limit = self.model.config.review_threshold if threshold is None else threshold
        predictions = _watched(predictions, limit)
        if "llm" not in llm:
            for prediction in chain.from_iterable(predictions):
                candidates, notes = _checked(prediction.text, prediction.candidates, consistency)
                entities = local_entities(replace(prediction, candidates=tuple(candidates)), limit, most)
                yield EntityList((_noted(entity, notes) for entity in entities), prediction.ood_score)
            return
        if most is not None:
            raise ModelError("min_precision promises something about the members' own entities; it does not go with an LLM")
        with open_verification(self.model, LlmOptions(**llm), limit, decoding) as verification:
            for batch, verified in verification.stream(predictions):
                self.llm_report = verification.report()
                for prediction, row in zip(batch, verified, strict=True):
                    row = [item for item in row if is_given_out(prediction.text, item.candidate, rules)]
                    candidates, notes = _checked(prediction.text, [item.candidate for item in row], consistency)
                    items = [replace(item, candidate=candidate) for item, candidate in zip(row, candidates, strict=True)]
                    found = (verified_entity(prediction.text, item, item.provenance.needs_review) for item in items)
                    yield EntityList((_noted(entity, notes) for entity in found), prediction.ood_score)

    def _plan(self, inputs: Iterable[Any], batch_size: int | None = None, **kwargs: Any) -> Plan:
        _, decision, output = self._sanitize_parameters(**kwargs)
        options = split_output({**self._postprocess_params, **output})
        llm, *_ = (options.pop(name) for name in ("llm", "rules", "consistency", "most"))
        if "llm" not in llm:
            raise ModelError("dry_run tells what an LLM would be asked; it needs `llm` as well")
        size = self._batch_size if batch_size is None else batch_size
        predictions = self._predictions(inputs, size, {**self._forward_params, **decision})
        with open_verification(self.model, LlmOptions(**llm), **options) as verification:
            return verification.plan(list(chain.from_iterable(predictions)))


def _checked(
    text: str, candidates: Sequence[Candidate], consistency: tuple[Consistency, bool] | None
) -> tuple[Sequence[Candidate], dict[tuple[int, int], dict[str, Any]]]:
    """The candidates of a text, repaired where that is wanted, and for each span what its entity has beside the usual keys."""
    if consistency is None:
        return candidates, {}
    rules, is_repairing = consistency
    notes: dict[tuple[int, int], dict[str, Any]] = {(c.start, c.end): {"contradictions": []} for c in candidates if c.is_entity}
    for found in rules.find([text], [candidates]):
        for _, start, end in found.mentions:
            notes[start, end]["contradictions"].append(found.message)
    return (rules.repair([text], [candidates])[0] if is_repairing else candidates), notes


def _noted(entity: Entity, notes: Mapping[tuple[int, int], dict[str, Any]]) -> Entity:
    return {**entity, **notes.get((entity["start"], entity["end"]), {})}


def _watched(predictions: Iterable[Sequence[TextPrediction]], limit: Threshold) -> Iterator[Sequence[TextPrediction]]:
    """The predictions; an adaptive threshold looks at them and says when the stream has changed."""
    for batch in predictions:
        if isinstance(limit, AdaptiveThreshold):
            for prediction in batch:
                if prediction.ood_score is not None and limit.stream.update(prediction.ood_score):
                    warnings.warn(limit.stream.notice, UserWarning, stacklevel=2)
        yield batch


def _items(inputs: Any) -> Iterator[Any]:
    """The items of anything that can be iterated over, and of data sets that only know their length."""
    yield from inputs if isinstance(inputs, Iterable) else (inputs[index] for index in range(len(inputs)))
