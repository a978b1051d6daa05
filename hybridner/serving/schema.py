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
    local_label: str | None = Field(None, description="what the members said; this and the following only with an LLM")
    llm_label: str | None = Field(None, description="the LLM's answer, O for none; null where it gave none")
    llm_score: float | None = Field(None, description="the LLM's own probability of its answer, where it is known")
    member_label: str | None = Field(None, description="what it said when it read the whole sentence")
    llm_features: list[str] | None = Field(None, description="abilities of the LLM's server that its answer made use of")
    llm_status: str | None = Field(None, description="local (not asked about), asked, cached, unparsed, failed or over_budget")
    llm_model: str | None = Field(None, description="the model that answered")
    fusion: str | None = Field(None, description="how the answer was used")
    llm_error: str | None = Field(None, description="why there is no answer")
    llm_failure: str | None = Field(None, description="the same for programs")


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
            502: "The LLM failed, and the service is set to fail with it (on_llm_error: raise)",
            503: "Too many texts wait; to be sent again",
            504: "Not answered in time",
        }.items()
    },
}
