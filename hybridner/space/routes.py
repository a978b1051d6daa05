"""What the page's script asks the server for beside gradio's events: reviews as files, and reviews kept on the server's disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

from anyio import to_thread
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hybridner.errors import HybridNerError
from hybridner.serving.lingering import LingeringClose
from hybridner.space.errors import VisitorError
from hybridner.space.models import Models
from hybridner.space.review_store import ReviewStore
from hybridner.space.reviews import export_reviews, read_reviews
from hybridner.space.texts import page_texts

#: Bytes of a request: a thousand reviewed texts have less.
_MOST = 8_000_000
#: Who is still sending when a request is refused is heard out.
_TO_THE_END = Middleware(LingeringClose, max_bytes=4 * _MOST, seconds=30.0)


def page_routes(models: Models, store: ReviewStore | None) -> list[Route]:
    """POST /hybridner/export, and where reviews are kept POST /hybridner/save."""

    def export(data: dict[str, Any]) -> Response:
        labels = models.get(data.get("model")).labels
        file = export_reviews(read_reviews(data.get("items"), labels), str(data.get("format")), labels, "review")
        disposition = f"attachment; filename*=UTF-8''{quote(file.name)}"
        return Response(file.content, media_type="application/octet-stream", headers={"Content-Disposition": disposition})

    def save(data: dict[str, Any]) -> Response:
        assert store is not None
        labels = models.get(data.get("model")).labels
        (review, *_) = read_reviews([data.get("item")], labels)
        return JSONResponse({"saved": store.save(str(data.get("queue")), review, labels)})

    answers = {"/hybridner/export": export} | ({} if store is None else {"/hybridner/save": save})
    return [Route(path, _answer(work), methods=["POST"], middleware=[_TO_THE_END]) for path, work in answers.items()]


def _answer(work: Callable[[dict[str, Any]], Response]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        language: object = "en"
        try:
            data = json.loads(await _body(request))
            if not isinstance(data, dict):
                raise ValueError("no object")
            language = data.get("language")
            return await to_thread.run_sync(work, data)
        except VisitorError as error:
            return JSONResponse({"error": page_texts(language)(f"problems.{error.key}", **error.values)}, status_code=422)
        except HybridNerError as error:
            return JSONResponse({"error": str(error)}, status_code=500)
        except (ValueError, RecursionError):
            return JSONResponse({"error": page_texts(language)("problems.bad_request")}, status_code=400)

    return endpoint


async def _body(request: Request) -> bytes:
    """Of a request by this page's own script.

    Raises:
        ValueError: other pages can make browsers send requests too, but not as JSON, or not without their own origin; too long.
    """
    origin = request.headers.get("origin")
    if request.headers.get("content-type") != "application/json":
        raise ValueError("no JSON")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("x-forwarded-host", request.headers.get("host")):
        raise ValueError("another page")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST:
            raise ValueError("too long")
    return bytes(body)
