"""What a request for entities may say, at `hybridner serve` and at Hugging Face Inference Endpoints alike."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import Field, field_validator

from hybridner.ensemble import COMBINERS
from hybridner.errors import InputError
from hybridner.spans import RESOLVERS
from hybridner.validation import Number, Settings, one_of, validate


class Parameters(Settings):
    """How the texts of one request are read; what is left out is as the model has it.

    Files, devices and which LLM is asked are for those to choose who run the service.

    Attributes:
        threshold: τ, from 0 to 1; entities with a greater uncertainty are marked `needs_review`.
        min_precision: give out only entities that the calibration allows to promise to be right so often; not with an LLM.
        decoding: "flat" (no overlap) or "nested" (no crossing).
        strategy: a key of `hybridner.ensemble.COMBINERS`.
        simplify: whether traditional characters are read as the simplified ones they stand for.
        force: terms that are entities wherever they stand, by label.
        forbid: terms that are no entities, as a list, or by the label that they do not have.
        llm: false for the members' entities alone, where the service has an LLM asked about doubtful ones.

    Examples:
        >>> Parameters(threshold=0.3, forbid=["中国"]).given
        {'threshold': 0.3, 'forbid': ['中国']}
    """

    error_class = InputError

    threshold: Annotated[Number, Field(ge=0, le=1)] | None = None
    min_precision: Annotated[Number, Field(gt=0, lt=1)] | None = None
    decoding: Annotated[str, one_of(RESOLVERS)] | None = None
    strategy: Annotated[str, one_of(COMBINERS)] | None = None
    simplify: bool | None = Field(default=None, strict=True)
    # Never a text: the pipeline would read the file of that name.
    force: dict[str, list[str]] | None = None
    forbid: list[str] | dict[str, list[str]] | None = None
    llm: bool | None = Field(default=None, strict=True)

    @property
    def given(self) -> dict[str, Any]:
        """Those of the pipeline that were set, by name."""
        return self.model_dump(exclude_none=True, exclude={"llm"})


class PredictRequest(Settings):
    """The body of a request.

    Attributes:
        inputs: a text, or a list of texts.
        parameters: how they are read.

    Examples:
        >>> request = read_request({"inputs": "俄罗斯部署了干扰机。", "parameters": {"threshold": 0.3}})
        >>> request.texts, request.parameters.threshold
        (['俄罗斯部署了干扰机。'], 0.3)
    """

    error_class = InputError

    inputs: str | list[str] = Field(examples=["俄罗斯在叙利亚部署了干扰机。", ["北约的无人机失去了信号。", "英国增派了驱逐舰。"]])
    parameters: Parameters = Parameters()

    @field_validator("inputs", mode="before")
    @classmethod
    def _hold_texts_only(cls, value: object) -> object:
        if not isinstance(value, (str, list)):
            raise ValueError(f"must be a text or a list of texts, not {type(value).__name__}")
        for number, text in enumerate(value if isinstance(value, list) else []):
            if not isinstance(text, str):
                raise ValueError(f"must hold texts only; item {number} is {type(text).__name__}")
        return value

    @field_validator("parameters", mode="before")
    @classmethod
    def _none_is_none_given(cls, value: object) -> object:
        return Parameters() if value is None else value

    @property
    def texts(self) -> list[str]:
        """The texts; one for a single text."""
        return [self.inputs] if isinstance(self.inputs, str) else self.inputs

    def shaped(self, rows: list[Any]) -> Any:
        """The results of `texts` in the form of `inputs`: the one result of a single text, else their list."""
        return rows[0] if isinstance(self.inputs, str) else rows


def read_request(body: object) -> PredictRequest:
    """A request from its decoded JSON.

    Args:
        body: what its JSON holds.

    Raises:
        InputError: something in it cannot be, or is unknown; the message says what.

    Examples:
        >>> read_request({"inputs": ["北约", "俄罗斯"], "parameters": {"decoding": "nested"}}).texts
        ['北约', '俄罗斯']
    """
    if not isinstance(body, dict) or "inputs" not in body:
        raise InputError('a request is an object with "inputs": a text or a list of texts')
    return validate(PredictRequest, body, InputError)


def parse_request(body: bytes) -> PredictRequest:
    """A request from the bytes of its body.

    Args:
        body: of the request.

    Raises:
        InputError: as `read_request`; or it is no JSON.

    Examples:
        >>> parse_request(b'{"inputs": ["a", "b"]}').texts
        ['a', 'b']
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        # The message of a JSONDecodeError says where; it does not repeat the text.
        raise InputError(f"the body is not JSON in UTF-8: {_reason(error)}") from None
    return read_request(data)


def _reason(error: ValueError | RecursionError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"{error.reason} at byte {error.start}"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
