"""An LLM for the doubtful spans, described in a YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from hybridner.errors import DataError
from hybridner.files import check_is_file
from hybridner.llm import ConfusionMatrix, MemberReliability


def read_llm_file(path: str) -> tuple[Any, dict[str, Any]]:
    """The `llm` and the `llm_settings` of the pipeline that a file describes.

    Raises:
        DataError: the file cannot be read, or holds anything else, or a key.
        LlmError: a confusion matrix, or a member's reliability, that cannot be.
    """
    check_is_file(path)
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"cannot be read as YAML: {error}", path) from error
    if not isinstance(content, dict) or not content.get("verifier") or set(content) - {"verifier", "settings"}:
        raise DataError("expected `verifier` (model, base_url, ...) and, if you like, `settings`", path)
    verifier, settings = content["verifier"], content.get("settings") or {}
    if not isinstance(settings, dict):
        raise DataError(f"`settings` must be a mapping, such as {{fusion: bayes, accuracy: 0.8}}, not {settings!r}", path)
    if isinstance(verifier, dict) and "api_key" in verifier:
        raise DataError("`verifier` must hold no key; put it into the environment variable OPENAI_API_KEY", path)
    for name, kind in (("confusion", ConfusionMatrix), ("member", MemberReliability)):
        if isinstance(settings.get(name), Mapping):
            settings[name] = kind.from_dict(settings[name])
    return verifier, settings
