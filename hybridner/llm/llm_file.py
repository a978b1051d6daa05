"""An LLM for the doubtful spans, described in a YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hybridner.errors import DataError
from hybridner.files import check_is_file
from hybridner.llm import ConfusionMatrix, MemberReliability

_KEYS = {"verifier", "settings", "examples"}


@dataclass(frozen=True)
class LlmFile:
    """What a file says.

    Attributes:
        verifier: a model's name, or the settings of an `OpenAIVerifier`.
        settings: fields of `LlmSettings`.
        examples: file of `hybridner examples`, or None.
    """

    verifier: str | Mapping[str, Any]
    settings: Mapping[str, Any]
    examples: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The parameters of the pipeline."""
        named = {"llm": self.verifier, "llm_settings": self.settings, "llm_examples": self.examples}
        return {name: value for name, value in named.items() if value is not None}


def read_llm_file(path: str) -> LlmFile:
    """Read a file of `verifier` (model, base_url, ...) and, if you like, `settings` and `examples`.

    Files that it names (guidelines, template, examples) may lie where the command runs or beside it.

    Raises:
        DataError: the file cannot be read, or holds anything else, or a key.
        LlmError: a confusion matrix, or a member's reliability, that cannot be.
    """
    check_is_file(path)
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"cannot be read as YAML: {error}", path) from error
    if not isinstance(content, dict) or not content.get("verifier") or set(content) - _KEYS:
        raise DataError("expected `verifier` (model, base_url, ...) and, if you like, `settings` and `examples`", path)
    verifier, settings, examples = content["verifier"], content.get("settings") or {}, content.get("examples")
    if not isinstance(verifier, (str, dict)):
        raise DataError(f"`verifier` must be a model's name or a mapping of model, base_url and so on, not {verifier!r}", path)
    if not isinstance(settings, dict):
        raise DataError(f"`settings` must be a mapping, such as {{template: zh, stage: both}}, not {settings!r}", path)
    if examples is not None and not isinstance(examples, str):
        raise DataError(f"`examples` must be a file that `hybridner examples` made, not {examples!r}", path)
    if isinstance(verifier, dict) and "api_key" in verifier:
        raise DataError("`verifier` must hold no key; put it into the environment variable OPENAI_API_KEY", path)
    for name, kind in (("confusion", ConfusionMatrix), ("member", MemberReliability)):
        if isinstance(settings.get(name), Mapping):
            settings[name] = kind.from_dict(settings[name])
    for name in ("guidelines", "template"):
        if isinstance(settings.get(name), str):
            settings[name] = _find(settings[name], path)
    return LlmFile(verifier, settings, None if examples is None else _find(examples, path))


def _find(name: str, path: str) -> str:
    """The file of this name: here, or else beside the file that names it."""
    beside = Path(path).parent / name
    return str(beside) if not Path(name).exists() and beside.is_file() else name
