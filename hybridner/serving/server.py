"""Running the application until it is told to stop."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import torch

from hybridner.bundled import BUNDLED
from hybridner.errors import ModelError
from hybridner.hybrid import CompositeModel, ExampleIndex
from hybridner.hybrid.loading import load_composite
from hybridner.hybrid.verification import LlmOptions, Verification, open_verification
from hybridner.llm.llm_file import LlmFile
from hybridner.optional import require
from hybridner.serving.limits import Limits
from hybridner.serving.service import warm_up

_BACKLOG = 2_048


def serve(
    source: str = BUNDLED,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    limits: Limits | None = None,
    device: str | None = None,
    threads: int | None = None,
    log_level: str = "info",
    llm: LlmFile | None = None,
    llm_cache: str | None = None,
) -> None:
    """Serve a model until Ctrl-C or SIGTERM; requests that have come in are answered first.

    Args:
        source: folder or Hub id of a composite or a member, or "bundled".
        host, port: where to listen; port 0 for any free one, which the log names.
        limits: what a request may ask for.
        device: where the model runs, such as "cuda:0"; the CPU where None.
        threads: of the CPU; by default as many as torch takes.
        log_level: "debug", "info", "warning" or "error".
        llm: who is asked about doubtful entities, and how; its budget is that of the whole run.
        llm_cache: file in which the LLM's answers are kept.

    Raises:
        ModelError: a model that cannot be loaded or an address that is taken.
        DataError: examples for the LLM that cannot be read.
        LlmError: settings of the LLM that cannot work.
        MissingPackageError: a package of the extra `serve` is missing.
    """
    for package in ("fastapi", "fastapi_offline", "uvicorn", "prometheus_client", "pythonjsonlogger"):
        require(package, "serve")
    if llm is not None:
        require("openai", "llm")
    import uvicorn

    from hybridner.serving.app import create_app
    from hybridner.serving.draining import DrainingServer
    from hybridner.serving.logs import LOGGER, configure_logs

    bounds = limits or Limits()
    configure_logs(log_level)
    if threads is not None:
        torch.set_num_threads(threads)
    with _listen(host, port) as listening:
        model = load_composite(source).eval()
        if device is not None:
            model = model.to(device)
        warm_up(model)
        with _verification(model, llm, llm_cache) as verification:
            config = uvicorn.Config(
                create_app(model, source, bounds, verification),
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=round(bounds.seconds) + 1,
            )
            # uvicorn raises the signal that stopped it once more when it is done; being told to stop is no failure.
            signal.signal(signal.SIGTERM, _stopped)
            address, own_port = listening.getsockname()[:2]
            facts = {"model": source, "threads": torch.get_num_threads(), "llm": verification and verification.llm}
            LOGGER.info("listening", extra={"host": address, "port": own_port, **facts})
            try:
                DrainingServer(config).run(sockets=[listening])
            finally:
                LOGGER.info("stopped")


@contextmanager
def _verification(model: CompositeModel, llm: LlmFile | None, cache: str | None) -> Iterator[Verification | None]:
    if llm is None:
        yield None
        return
    examples = None if llm.examples is None else ExampleIndex.of(llm.examples, model)
    with open_verification(model, LlmOptions(llm.verifier, llm.settings, cache, examples)) as verification:
        yield verification


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        raise ModelError(f"cannot listen on {host}, port {port}: {error}; choose another with --host and --port") from error


def _stopped(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
