"""The pipeline as a function over batches of rows: for `datasets.map` and as an actor of Ray Data."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import torch
from transformers import pipeline
from transformers.utils import logging

from hybridner.bundled import BUNDLED, BUNDLED_FOLDER
from hybridner.errors import DataError, ModelError
from hybridner.mapping.identity import fingerprint
from hybridner.mapping.table import entities_array, entities_type
from hybridner.models.loading import load_error

if TYPE_CHECKING:
    from datasets import Features

    from hybridner.pipeline import HybridNerPipeline


class Annotator:
    """Adds a column of entities to batches of rows.

    With `datasets`, on as many processes as you like::

        annotator = Annotator("my-composite")
        data.with_format("arrow").map(annotator, batched=True, num_proc=2)
        data.map(annotator, batched=True, features=annotator.features(data.features))      # the same over lists

    With Ray Data, an actor each::

        data.map_batches(Annotator, fn_constructor_args=("my-composite",), batch_format="pyarrow",
                         compute=ray.data.ActorPoolStrategy(size=2))

    A row whose text is null or no string gets null for entities; every row stays in its place.

    Args:
        model: folder or Hub id of a composite or a member, or "bundled".
        text: column of the texts.
        output: name of the new column.
        device: such as "cuda:0"; by default an accelerator where there is one.
        **settings: of the pipeline: batch_size, threshold, strategy, decoding. An LLM belongs into `hybridner annotate`, which
            keeps a budget over the whole.

    Attributes:
        fingerprint: of the model, so that what `datasets` keeps from another model is not taken for this one's.
        members: the names of its members, which are the fields of `votes`.

    Raises:
        ModelError: no such model, or a setting that cannot work.

    Examples:
        >>> from hybridner.mapping import Annotator
        >>> annotator = Annotator("bundled")
        >>> rows = annotator({"text": ["俄罗斯部署了干扰机。"]})
        >>> [entity["word"] for entity in rows["entities"][0]]
        ['俄罗斯', '干扰机']
    """

    def __init__(
        self, model: str, *, text: str = "text", output: str = "entities", device: str | None = None, **settings: Any
    ) -> None:
        if any(name.startswith("llm") for name in settings):
            raise ModelError("an Annotator asks no LLM, for it could keep no budget; `hybridner annotate` does")
        self.model, self.text, self.output, self.device, self.settings = model, text, output, device, settings
        self._home = os.getpid()
        self._pipe.check_settings(**settings)
        self.fingerprint = fingerprint(self._pipe.model)
        self.members = self._pipe.model.voter_names

    @classmethod
    def of_pipeline(cls, pipe: HybridNerPipeline, *, text: str = "text", output: str = "entities", **settings: Any) -> Annotator:
        """One that uses a pipeline which is loaded already; for other processes see `reading_from`.

        Args:
            pipe: the pipeline.
            text, output, **settings: as for an Annotator; settings of the pipeline itself hold as well.

        Raises:
            ModelError: a setting that cannot work.
        """
        settings = {**pipe.settings, **settings}
        if any(name.startswith("llm") for name in settings):
            raise ModelError("a data set is mapped without an LLM, for it could keep no budget; `hybridner annotate` does")
        pipe.check_settings(**settings)
        annotator = cls.__new__(cls)
        annotator.model, annotator.text, annotator.output, annotator.device = "", text, output, str(pipe.device)
        annotator.settings, annotator._home, annotator._pipe = settings, os.getpid(), pipe
        annotator.fingerprint, annotator.members = fingerprint(pipe.model), pipe.model.voter_names
        return annotator

    def reading_from(self, folder: str) -> Annotator:
        """The same, but every other process loads the model from this folder."""
        other = type(self).__new__(type(self))
        vars(other).update(vars(self))
        other.model = folder
        return other

    @cached_property
    def _pipe(self) -> HybridNerPipeline:
        # Every process loads the model for itself. Workers share the cores, and threads of a forked one may hang.
        if os.getpid() != self._home:
            torch.set_num_threads(1)
        if not self.model:
            raise ModelError("this Annotator was made of a loaded pipeline; other processes need the name of a model")
        load: Any = pipeline
        source = str(BUNDLED_FOLDER) if self.model == BUNDLED else self.model
        logging.disable_progress_bar()
        try:
            pipe: HybridNerPipeline = load("hybrid-ner", model=source, device=self.device)
        except OSError as error:
            raise load_error(self.model, error) from error
        finally:
            logging.enable_progress_bar()
        return pipe

    def __getstate__(self) -> dict[str, Any]:
        # Neither the loaded model nor the process is a part of what `datasets` recognises the function by.
        return {**{name: value for name, value in vars(self).items() if name != "_pipe"}, "_home": 0}

    def features(self, before: Features) -> Features:
        """The features of a data set after this column is added."""
        from datasets import Features

        added = Features.from_arrow_schema(pa.schema([(self.output, self._type)]))
        return Features({**before, **added})

    @property
    def _type(self) -> pa.DataType:
        return entities_type(self.members, llm=False, contradictions="consistent_with" in self.settings)

    def __call__(self, batch: Any) -> Any:
        """The batch with the column: an Arrow table as such, a mapping of column names to lists as a dict.

        Raises:
            DataError: there is no column of texts.
        """
        names = batch.column_names if isinstance(batch, pa.Table) else list(batch)
        if self.text not in names:
            raise DataError(f"no column {self.text!r}; the batch has {', '.join(names)}")
        column = batch[self.text]
        texts = column.to_pylist() if isinstance(batch, pa.Table) else list(column)
        known = [number for number, text in enumerate(texts) if isinstance(text, str)]
        found: list[Any] = [None] * len(texts)
        for number, entities in zip(known, self._pipe([texts[number] for number in known], **self.settings), strict=True):
            found[number] = entities
        array = entities_array(found, self._type)
        if not isinstance(batch, pa.Table):
            return {**batch, self.output: array.to_pylist()}
        if self.output in names:
            batch = batch.drop_columns([self.output])
        return batch.append_column(self.output, array)
