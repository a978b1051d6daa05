"""Models for the commands, without the loader's progress bars."""

from __future__ import annotations

from typing import Any

from transformers import AutoModel
from transformers.utils import logging

from hybridner.bundled import BUNDLED, BUNDLED_FOLDER
from hybridner.errors import HybridNerError, ModelError
from hybridner.hybrid import CompositeModel, HybridNerModel
from hybridner.models import MemberModel
from hybridner.models.loading import load_error, read_model_type


def load_composite(source: str) -> CompositeModel:
    """A composite from a folder or the Hub, or the bundled one; a single member becomes a composite of one.

    Raises:
        ModelError: there is neither at `source`.
    """
    model = _load(source)
    if isinstance(model, MemberModel):
        return HybridNerModel.assemble({model.config.model_type: model})
    if not isinstance(model, CompositeModel):
        raise ModelError(
            f"{source} holds a {type(model).__name__}, neither a composite nor one of its members; `hybridner train` makes them"
        )
    return model


def load_member(source: str) -> MemberModel:
    """A member from a folder or the Hub.

    Raises:
        ModelError: there is none, or it is something else.
    """
    model = _load(source)
    if not isinstance(model, MemberModel):
        raise ModelError(f"{source} holds a {type(model).__name__}, not a member")
    return model


def _load(source: str) -> Any:
    source = str(BUNDLED_FOLDER) if source == BUNDLED else source
    logging.disable_progress_bar()
    try:
        read_model_type(source, {})
        return AutoModel.from_pretrained(source, trust_remote_code=False)
    except HybridNerError:
        raise
    except (OSError, ValueError) as error:
        raise load_error(source, error) from error
    finally:
        logging.enable_progress_bar()
