"""Answers requests at Hugging Face Inference Endpoints, which import this file from the model's repository.

The package hybridner must be installed there; the repository's requirements.txt says so.
"""

from __future__ import annotations

from typing import Any

from transformers import pipeline

import hybridner  # noqa: F401 (makes the task "hybrid-ner" known to transformers)
from hybridner.errors import HybridNerError, InputError
from hybridner.serving import read_request


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
            data: {"inputs": a text or a list of texts, "parameters": {"threshold": 0.3, ...}}; the parameters may be left out.
                It is what `hybridner serve` takes at /predict, see `hybridner.serving.PredictRequest`.

        Returns:
            the entities of a text as a list of dicts, or a list of such lists for a list of texts; for a request that cannot be
            answered {"error": what is wrong with it}.
        """
        try:
            request = read_request(data)
            if request.parameters.llm:
                raise InputError("parameters.llm: no LLM stands behind this model here")
            return request.shaped(self.pipeline(request.texts, **request.parameters.given))
        except HybridNerError as error:
            return {"error": str(error)}
