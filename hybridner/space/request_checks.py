"""Requests that no browser would make of this page are refused with a message.

gradio itself answers them too, but prints a traceback into the operator's log for each.
"""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.route_utils import FnIndexInferError
from starlette.requests import Request
from starlette.responses import JSONResponse

from hybridner.space.texts import page_texts
from hybridner.text.surrogates import replace_surrogates


class CheckedBlocks(gr.Blocks):
    """Blocks that answer impossible input with a message in the language of the page."""

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], state: Any, explicit_call: bool = False) -> Any:
        """As gradio's, which turns what a browser sent into what handlers are given."""
        try:
            return await super().preprocess_data(block_fn, without_surrogates(inputs), state, explicit_call)
        except Exception as error:  # whatever a component makes of it: the visitor's input is the reason
            languages = [value for block, value in zip(block_fn.inputs, inputs, strict=False) if block.elem_id == "language"]
            language = languages[0] if languages else "en"
            raise gr.Error(page_texts(language)("problems.bad_request"), print_exception=False) from error


def without_surrogates(value: Any) -> Any:
    """JSON values in which half characters, which no answer can hold, are U+FFFD."""
    if isinstance(value, str):
        return replace_surrogates(value)[0]
    if isinstance(value, list):
        return [without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {without_surrogates(key): without_surrogates(item) for key, item in value.items()}
    return value


def _refuse(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": "there is no such event"}, status_code=404)


#: What gradio raises for events that there are not: by a wrong name, and by a wrong number.
EXCEPTION_HANDLERS = {FnIndexInferError: _refuse, KeyError: _refuse}
