"""Logs as one JSON object a line. What texts say is never in them."""

from __future__ import annotations

import logging
import re
import sys
import traceback
import uuid
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

LOGGER = logging.getLogger("hybridner.serving")
LEVELS = ("debug", "info", "warning", "error")

_REQUEST_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)
_RENAMED = {"asctime": "time", "levelname": "level", "message": "event", "name": "logger"}


class _WithoutMessages(JsonFormatter):
    """Of an exception its type and where it was raised: a message may repeat a text."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 (the name that logging calls)
        frames = traceback.extract_tb(ei[2])
        return " < ".join([ei[0].__name__, *(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames))])


def configure_logs(level: str) -> None:
    """Send the logs of the service and of its server to stderr.

    Args:
        level: one of `LEVELS`; requests are logged at "info".
    """
    handler = logging.StreamHandler(sys.stderr)
    fields = "%(asctime)s %(levelname)s %(name)s %(message)s"
    handler.setFormatter(_WithoutMessages(fields, rename_fields=_RENAMED, reserved_attrs=[*RESERVED_ATTRS, "color_message"]))
    logging.captureWarnings(True)
    for name in (LOGGER.name, "uvicorn", "py.warnings"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level.upper())


def request_id(given: str | None) -> str:
    """The id that a request came with, where it is a plain one, else a new one."""
    return given if given and _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
