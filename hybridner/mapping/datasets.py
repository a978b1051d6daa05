"""A column of entities for every form of data set that `datasets` has."""

from __future__ import annotations

from tempfile import TemporaryDirectory
from types import NoneType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from hybridner.ensemble import FixedThreshold
from hybridner.errors import DataError, InputError, ModelError
from hybridner.mapping.annotator import Annotator

if TYPE_CHECKING:
    from hybridner.pipeline import HybridNerPipeline

#: Rows read at a time: enough that texts of similar length share a batch, few enough that a stopped run has lost little.
_ROWS = 256

_Data = TypeVar("_Data")


def map_dataset(pipe: HybridNerPipeline, data: _Data, column: str, output: str, num_proc: int | None, **settings: Any) -> _Data:
    """See `HybridNerPipeline.map`."""
    return cast(_Data, _map(pipe, data, column, output, num_proc, settings))


def _map(pipe: HybridNerPipeline, data: Any, column: str, output: str, num_proc: int | None, settings: dict[str, Any]) -> Any:
    from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict

    if num_proc is not None and (isinstance(num_proc, bool) or not isinstance(num_proc, int) or num_proc < 1):
        raise ModelError(f"num_proc must be a whole number of at least 1, not {num_proc!r}")
    many = (num_proc or 1) > 1
    annotator = Annotator.of_pipeline(pipe, text=column, output=output, **settings)
    if isinstance(data, (DatasetDict, IterableDatasetDict)):
        return type(data)({name: _map(pipe, part, column, output, num_proc, settings) for name, part in data.items()})
    if isinstance(data, IterableDataset):
        if many:
            raise ModelError("a streamed data set is read by one process; leave num_proc out, or load it without streaming")
        return _streamed(data, annotator)
    if not isinstance(data, Dataset):
        raise InputError(
            f"map takes a data set of the library `datasets`, not {type(data).__name__}; call the pipeline for lists"
        )
    if not many:
        return _mapped(data, annotator, None)
    if not isinstance(annotator.settings.get("threshold"), (int, float, FixedThreshold, NoneType)):
        raise ModelError(
            "an adaptive threshold follows one stream of texts, so it cannot be shared by processes; leave num_proc out"
        )
    with TemporaryDirectory(prefix="hybridner-map-") as folder:
        pipe.model.save_pretrained(folder)
        return _mapped(data, annotator.reading_from(folder), num_proc)


def _mapped(data: Any, annotator: Annotator, num_proc: int | None) -> Any:
    _check_column(data.column_names, annotator)
    mapped = data.with_format("arrow").map(
        annotator, batched=True, batch_size=_ROWS, num_proc=num_proc, features=annotator.features(data.features), desc="entities"
    )
    before = data.format
    names = None if before["type"] is None else list(dict.fromkeys([*before["columns"], annotator.output]))
    return mapped.with_format(before["type"], columns=names, **before["format_kwargs"])


def _streamed(data: Any, annotator: Annotator) -> Any:
    features = data.features
    if data.column_names is not None:
        _check_column(data.column_names, annotator)
    return (
        data.with_format("arrow")
        .map(annotator, batched=True, batch_size=_ROWS, features=None if features is None else annotator.features(features))
        .with_format(None)
    )


def _check_column(names: list[str], annotator: Annotator) -> None:
    if annotator.text not in names:
        raise DataError(f"no column {annotator.text!r}; the data set has {', '.join(names)}")
