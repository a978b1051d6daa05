"""Configuration of a composite that is another one plus an adapter."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils._validators import validate_repo_id

from hybridner.bundled import BUNDLED
from hybridner.hybrid.configuration_hybrid import HybridNerConfig


class AdaptedHybridNerConfig(HybridNerConfig):
    """A composite's configuration, and which base the adapter stands on.

    Args:
        base: folder or Hub id of the base, or "bundled".
        base_fingerprint: of the base's encoders and vocabularies, see `base_fingerprint`.

    Examples:
        >>> config = AdaptedHybridNerConfig(**{**model.config.to_dict(), "base": "NAME/MODEL"})
        >>> config.base_model
        'NAME/MODEL'
    """

    model_type = "hybrid-ner-adapter"

    base: str | None = None
    base_fingerprint: str | None = None

    @property
    def base_model(self) -> str | None:
        """The base's Hub id; None where the base is a folder or comes with hybridner."""
        return self.base if is_hub_id(self.base) else None

    def save_pretrained(self, save_directory: str | os.PathLike[str], push_to_hub: bool = False, **kwargs: Any) -> None:
        """As `PreTrainedConfig.save_pretrained`, with a path that works elsewhere.

        A base in a folder is stored relative to the adapter's, so that both can be moved together and no path of this machine is
        written down.

        Args:
            save_directory: the adapter's folder.
            push_to_hub, **kwargs: as for `PreTrainedConfig.save_pretrained`.
        """
        stored = copy.copy(self)
        if self.base not in (None, BUNDLED) and not is_hub_id(self.base):
            relative = Path(os.path.relpath(str(self.base), save_directory)).as_posix()
            stored.base = relative if relative.startswith(".") else f"./{relative}"
        super(AdaptedHybridNerConfig, stored).save_pretrained(save_directory, push_to_hub, **kwargs)

    def resolve_base(self, folder: str) -> None:
        """Find a base that was stored relative to the adapter's folder.

        Args:
            folder: where this configuration was loaded from.
        """
        if self.base is not None and self.base.startswith("."):
            self.base = os.path.abspath(Path(folder) / self.base)


def is_hub_id(name: object) -> bool:
    """Whether a name is that of a repository on the Hub, as far as one can tell without asking it."""
    if not isinstance(name, str) or name == BUNDLED or Path(name).exists():
        return False
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True
