"""Hands a model of this repository over to the package hybridner, which holds its code.

transformers runs this file when the model is loaded with ``trust_remote_code=True`` and hybridner has not been imported yet.
"""

from __future__ import annotations

from typing import Any

try:
    import hybridner  # registers the model classes and the task "hybrid-ner"
except ModuleNotFoundError as error:
    if error.name != "hybridner":
        raise
    raise ImportError(
        "This model is read by the Python package hybridner, which is not installed here. Install it with\n"
        "    pip install hybridner\n"
        "and load the model again."
    ) from None

from transformers import AutoConfig, PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING


class Config:
    """Stands where transformers expects a configuration class; since hybridner is imported, AutoConfig knows the real one."""

    @classmethod
    def register_for_auto_class(cls, auto_class: str = "AutoConfig") -> None:
        """Nothing to do: hybridner has registered its own classes."""

    @classmethod
    def from_pretrained(cls, source: Any, **options: Any) -> Any:
        model_type = PreTrainedConfig.get_config_dict(source, **options)[0].get("model_type")
        if model_type not in CONFIG_MAPPING:
            raise ImportError(
                f"This model has the type {model_type!r}, which hybridner {hybridner.__version__} does not know. Update it with\n"
                "    pip install --upgrade hybridner"
            )
        return AutoConfig.from_pretrained(source, trust_remote_code=False, **options)
