"""What the page of `/docs` says about requests and answers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from hybridner.serving.requests import PredictRequest


class EntityAnswer(BaseModel):
    """An entity of a text."""

    entity_group: str = Field(description="its type")
    word: str = Field(description="text[start:end]")
    start: int = Field(description="first character, counted in Unicode code points from 0")
    end: int = Field(description="after its last character")
    score: float = Field(description="P(type | span)")
    uncertainty: float = Field(description="from 0, certain, to 1")
    source: Literal["local", "llm", "rule"] = Field(description="who decided")
    votes: dict[str, str] = Field(description="the type that each member gave this span, O for none")
    needs_review: bool = Field(description="whether the uncertainty is above the threshold, or the passage is unfamiliar")
    error_probability: float | None = Field(None, description="P(wrong); only where the model was calibrated for it")
    ood_score: float | None = Field(None, description="how unlike known texts its passage is; only of such models")


class ErrorAnswer(BaseModel):
    """Why a request was not answered."""

    error: str


def _request_schema() -> dict[str, Any]:
    """Of a request, in one piece: references would have to lead through the whole document."""
    schema = PredictRequest.model_json_schema()
    schema["properties"]["parameters"] = schema.pop("$defs")["Parameters"]
    return schema


#: Requests are checked by hybridner itself, so that its errors say how to put them right; FastAPI documents them.
PREDICT_REQUEST: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": _request_schema()}}},
}
#: Bodies of the answers of `/predict`, by status.
PREDICT_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": list[EntityAnswer] | list[list[EntityAnswer]], "description": "Entities of the text, or of each text"},
    **{
        status: {"model": ErrorAnswer, "description": reason}
        for status, reason in {
            413: "More than one request may ask for",
            422: "A request that cannot be answered",
            500: "The texts could not be read",
            503: "Too many texts wait; to be sent again",
            504: "Not answered in time",
        }.items()
    },
}
