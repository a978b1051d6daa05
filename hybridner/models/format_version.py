"""The layout of saved configurations has a version, so that a folder of any release is read by every later one, or refused.

The version goes up when a key is renamed, removed or means something else; a new key with a default needs none. Each step up
comes with the function that turns a configuration of the version before into one of the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from transformers import PreTrainedConfig

from hybridner.errors import ModelError

#: Of configurations that this version of hybridner writes.
FORMAT_VERSION = 1

#: For each earlier version what makes one of the next of it. Before 0.1.0 none was written: that counts as 0.
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {0: dict}


def upgrade(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as the current version has it.

    Args:
        settings: as read from a config.json of any version.

    Raises:
        ModelError: it was written by a later version of hybridner, or its version is no whole number.

    Examples:
        >>> upgrade({"threshold": 0.4})
        {'threshold': 0.4, 'format_version': 1}
    """
    version = settings.get("format_version", 0)
    if isinstance(version, bool) or not isinstance(version, int) or version < 0:
        raise ModelError(f"format_version in config.json must be a whole number, not {version!r}; fetch the folder again")
    if version > FORMAT_VERSION:
        raise ModelError(
            f"this model was saved by a later version of hybridner (format {version}; this one reads up to {FORMAT_VERSION}); "
            "update it with `pip install --upgrade hybridner`"
        )
    upgraded = dict(settings)
    for step in range(version, FORMAT_VERSION):
        upgraded = MIGRATIONS[step](upgraded)
    return {**upgraded, "format_version": FORMAT_VERSION}


class VersionedConfig(PreTrainedConfig):
    """A configuration that is stored with the version of its layout, and read from any earlier one."""

    format_version: int = FORMAT_VERSION

    def __post_init__(self, **kwargs: Any) -> None:
        # In memory there is only the current layout.
        self.format_version = FORMAT_VERSION
        super().__post_init__(**kwargs)

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """As `PreTrainedConfig.from_dict`, after `upgrade`.

        Raises:
            ModelError: as `upgrade`.
        """
        return super().from_dict(upgrade(config_dict), **kwargs)
