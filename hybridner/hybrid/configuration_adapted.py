"""Configuration of a composite that is another one plus an adapter."""

from __future__ import annotations

from typing import Any

from hybridner.hybrid.configuration_hybrid import HybridNerConfig


class AdaptedHybridNerConfig(HybridNerConfig):
    """A composite's configuration, and which base the adapter stands on.

    Args:
        base: folder or Hub id of the base, or "bundled".
        base_fingerprint: of the base's encoders and vocabularies, see `base_fingerprint`.
        lora: settings of `peft.LoraConfig`: rank `r`, `lora_alpha`, `target_modules`.
    """

    model_type = "hybrid-ner-adapter"

    base: str | None = None
    base_fingerprint: str | None = None
    lora: dict[str, Any] | None = None
