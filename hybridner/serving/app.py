"""The web application: `/predict`, health, metrics, and the page that documents them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi_offline import FastAPIOffline
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, RedirectResponse

from hybridner.errors import InputError, LlmError
from hybridner.hybrid import CompositeModel
from hybridner.hybrid.verification import Verification
from hybridner.serving.batching import OverloadedError, TooSlowError
from hybridner.serving.bodies import receive_body, wait_until_gone
from hybridner.serving.limits import Limits, TooLargeError
from hybridner.serving.lingering import LingeringClose
from hybridner.serving.logs import LOGGER
from hybridner.serving.middleware import RequestLog
from hybridner.serving.requests import parse_request
from hybridner.serving.schema import PREDICT_ANSWERS, PREDICT_REQUEST
from hybridner.serving.service import Service
from hybridner.version import __version__

#: What is answered, and logged, when a client has gone before its answer: nobody reads it.
_CLIENT_CLOSED = 499
_STATUS: dict[type[Exception], int] = {
    InputError: 422,
    TooLargeError: 413,
    LlmError: 502,
    OverloadedError: 503,
    TooSlowError: 504,
}
#: Seconds after which an overloaded service asks to be tried again.
_RETRY_AFTER = "1"


def create_app(
    model: CompositeModel, name: str = "model", limits: Limits | None = None, verification: Verification | None = None
) -> FastAPI:
    """The application that serves a model; `hybridner serve` runs it, and so does any ASGI server.

    Args:
        model: the model, on its device.
        name: what it is called in `/model` and the metrics.
        limits: what a request may ask for.
        verification: of this model by an LLM, as `hybridner.hybrid.verification.open_verification` gives it; None for no LLM.
    """
    bounds = limits or Limits()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.service = Service(model, name, bounds, verification)
        yield
        await app.state.service.close()

    app = FastAPIOffline(
        title="hybridner", version=__version__, summary=f"Named entities of Chinese texts, found by {name}", lifespan=lifespan
    )
    app.add_middleware(RequestLog, metrics=lambda: app.state.service.metrics)
    app.add_middleware(LingeringClose, max_bytes=bounds.forgotten_bytes, seconds=bounds.seconds)
    _add_predict(app, bounds)
    _add_status(app)
    return app


def _add_predict(app: FastAPI, limits: Limits) -> None:
    @app.post("/predict", openapi_extra=PREDICT_REQUEST, responses=PREDICT_ANSWERS)
    async def predict(request: Request) -> Response:
        """Entities of a text, as a list of objects, or of a list of texts, as a list of such lists."""
        deadline = time.monotonic() + limits.seconds
        try:
            body = await receive_body(request, limits.body_bytes, limits.seconds)
            asked = parse_request(body)
            request.state.log = {"texts": len(asked.texts), "characters": sum(map(len, asked.texts))}
            rows = await _unless_gone(request, app.state.service.answer(asked, deadline - time.monotonic()))
        except ClientDisconnect:
            return Response(status_code=_CLIENT_CLOSED)
        except Exception as error:
            return _error_answer(error)
        request.state.log["entities"] = sum(map(len, rows))
        return JSONResponse(asked.shaped(rows))


async def _unless_gone(request: Request, answer: Any) -> Any:
    """The answer, unless the client goes before it is there; then the rest of the work is dropped."""
    answering, going = asyncio.ensure_future(answer), asyncio.ensure_future(wait_until_gone(request))
    try:
        await asyncio.wait({answering, going}, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            raise ClientDisconnect
        return answering.result()
    finally:
        answering.cancel()
        going.cancel()


def _error_answer(error: Exception) -> Response:
    status = _STATUS.get(type(error), 500)
    if status == 500:
        # What the exception says may repeat a text; the log has where it was raised.
        LOGGER.error("text could not be read", exc_info=error)
        return JSONResponse({"error": "the texts could not be read; the log of the service says where it failed"}, status)
    headers = {"Retry-After": _RETRY_AFTER} if status == 503 else None
    return JSONResponse({"error": str(error)}, status, headers)


def _add_status(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def root() -> Response:
        return RedirectResponse("docs")

    @app.get("/health", responses={503: {}})
    async def health() -> Response:
        """Whether the service works at all; one that does not is to be started again."""
        return _state(app.state.service.is_alive, "alive", "dead")

    @app.get("/ready", responses={503: {}})
    async def ready() -> Response:
        """Whether a further request would be taken, and which LLM is asked about doubtful entities.

        Send no request to a service that is not ready. One whose LLM fails is: it gives out the members' entities.
        """
        return _state(app.state.service.is_ready, "ready", "overloaded", llm=app.state.service.llm)

    @app.get("/model")
    async def about() -> dict[str, Any]:
        """The model's name, entity types, members and settings."""
        facts: dict[str, Any] = app.state.service.about
        return facts

    @app.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(app.state.service.metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _state(is_good: bool, good: str, bad: str, **facts: Any) -> Response:
    return JSONResponse({"status": good if is_good else bad, **facts}, 200 if is_good else 503)
