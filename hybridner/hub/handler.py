"""Answers requests at Hugging Face Inference Endpoints, which import this file from the model's repository.

The package hybridner must be installed there; the repository's requirements.txt says so.
"""

from __future__ import annotations

from typing import Any

from transformers import pipeline

import hybridner  # noqa: F401 (makes the task "hybrid-ner" known to transformers)
from hybridner.errors import HybridNerError

#: What a request may set. Files and LLMs are for those to choose who run the endpoint.
PARAMETERS = ("threshold", "decoding", "strategy", "batch_size")


class EndpointHandler:
    """The model of this repository behind an endpoint.

    Args:
        path: the folder of the repository.
    """

    def __init__(self, path: str = "") -> None:
        # As a dict, for type checkers that know only the tasks of transformers.
        options: dict[str, Any] = {"task": "hybrid-ner", "model": path or ".", "trust_remote_code": False}
        self.pipeline = pipeline(**options)

    def __call__(self, data: dict[str, Any]) -> Any:
        """Answer one request.

        Args:
            data: {"inputs": a text or a list of texts, "parameters": {"threshold": 0.3, ...}}; the
                parameters may be left out.

        Returns:
            the entities of a text as a list of dicts, or a list of such lists for a list of texts; for a request that cannot be
            answered {"error": what is wrong with it}.
        """
        problem = _problem(data)
        if problem:
            return {"error": problem}
        try:
            return self.pipeline(data["inputs"], **(data.get("parameters") or {}))
        except HybridNerError as error:
            return {"error": str(error)}


def _problem(data: Any) -> str | None:
    """What is wrong with the form of a request."""
    if not isinstance(data, dict) or "inputs" not in data:
        return 'a request is an object with "inputs": a text or a list of texts'
    inputs, parameters = data["inputs"], data.get("parameters") or {}
    if not isinstance(inputs, (str, list)):
        return f'"inputs" must be a text or a list of texts, not {type(inputs).__name__}'
    for number, text in enumerate(inputs if isinstance(inputs, list) else []):
        if not isinstance(text, str):
            return f'"inputs" must hold texts only; item {number} is {type(text).__name__}'
    if not isinstance(parameters, dict):
        return f'"parameters" must be an object, not {type(parameters).__name__}'
    for name in parameters:
        if name not in PARAMETERS:
            return f"unknown parameter {name!r}; a request may set {', '.join(PARAMETERS)}"
    return None
