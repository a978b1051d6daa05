"""Publishing a model: everything its users need, in one commit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hybridner.bundled import BUNDLED
from hybridner.errors import ModelError
from hybridner.files import read_json
from hybridner.hub.model_card import existing_card, make_card, requirement
from hybridner.hub.model_folder import (
    CALIBRATION_FILE,
    CALIBRATION_PLOT_FILE,
    CARD_FILE,
    CONFIG_FILE,
    EVALUATION_FILE,
    MODEL_FILE_PATTERN,
    PLOT_FILE,
    TRAINING_FILE,
    ModelFolder,
    public_report,
    read_model_folder,
    tokenizer_files,
    weight_files,
)
from hybridner.hub.upload import HubError, UploadTarget, upload_files
from hybridner.hybrid import AdaptedHybridNerConfig
from hybridner.hybrid.modeling_adapted import missing_base
from hybridner.registration import CONFIGURATIONS

#: Runs at a user's who has not imported hybridner; see its own text.
REMOTE_CODE = Path(__file__).with_name("hybridner_remote.py")
#: Runs at an inference endpoint, with what is listed in the other file installed.
HANDLER = Path(__file__).with_name("handler.py")
REQUIREMENTS_FILE = "requirements.txt"

#: Files beside the weights that a model has or has not.
_OPTIONAL_FILES = {TRAINING_FILE, EVALUATION_FILE, PLOT_FILE, CALIBRATION_FILE, CALIBRATION_PLOT_FILE}


def push_model(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool = False,
    revision: str | None = None,
    token: str | None = None,
    endpoint: str | None = None,
    licence: str | None = None,
) -> str:
    """Publish the member or composite in a folder, with its card, in one commit: users see all of it or nothing.

    A repository that is not there is made. One that is there gets a new commit, and keeps who may see it.

    Args:
        folder: what `save_pretrained`, training or `hybridner assemble` wrote.
        repo_id: "NAME/MODEL", or "MODEL" under the token's own name.
        private: only those with access may see it.
        revision: a branch; it is made from main when it is not there.
        token: a token with the right to write; by default the one of `hf auth login` or HF_TOKEN.
        endpoint: address of another Hub; by default HF_ENDPOINT.
        licence: of the weights, for a card that is made now.

    Returns:
        the address of the commit.

    Raises:
        ModelError: the folder holds no complete model, or a card or figures of other weights.
        HubError: no token, no right, no connection, or the repository is not for this model.

    Examples:
        >>> push_model(hybridner.bundled.BUNDLED_FOLDER, "my-model", private=True, endpoint=hub)
        'http://.../me/my-model/commit/...'
    """
    record = read_model_folder(folder)
    return upload_files(
        UploadTarget(repo_id, "model", private, revision, token, endpoint),
        lambda full_id: published_files(record, full_id, revision, licence),
        mark=CONFIG_FILE,
        is_mark=_is_our_config,
        is_ours=lambda name: bool(MODEL_FILE_PATTERN.fullmatch(name)) or name in _OPTIONAL_FILES,
        what="a model of hybridner",
    )


def _is_our_config(content: bytes) -> bool:
    """Whether a config.json is that of a model of hybridner."""
    try:
        settings = json.loads(content)
    except ValueError:
        return False
    return isinstance(settings, dict) and settings.get("model_type") in CONFIGURATIONS


def published_files(
    record: ModelFolder, repo_id: str, revision: str | None = None, licence: str | None = None
) -> dict[str, Path | bytes]:
    """The files of the repository by name, each as a file on disk or as its content."""
    config = record.config
    if isinstance(config, AdaptedHybridNerConfig) and config.base != BUNDLED and config.base_model is None:
        raise ModelError(missing_base(config.base))
    card = existing_card(record, repo_id, revision)
    if card is None:
        card = make_card(record, repo_id=repo_id, revision=revision, licence=licence)
    elif licence is not None:
        raise HubError(f"{record.folder / CARD_FILE} is published as it is; state the licence in it, or delete it")
    needed = (*tokenizer_files(record.folder), *weight_files(record.folder), *record.plots)
    files: dict[str, Path | bytes] = {file.relative_to(record.folder).as_posix(): file for file in needed}
    files[CONFIG_FILE] = _json(_with_remote_code(read_json(record.folder / CONFIG_FILE)))
    files[CARD_FILE] = str(card).encode()
    for code in (REMOTE_CODE, HANDLER):
        files[code.name] = code.read_bytes()
    files[REQUIREMENTS_FILE] = f"{requirement(record)}\n".encode()
    reports = {name: public_report(report) for name, report in record.training.items()}
    if reports:
        files[TRAINING_FILE] = _json({"members": reports} if record.is_composite else next(iter(reports.values())))
    for name, figures in ((EVALUATION_FILE, record.evaluation), (CALIBRATION_FILE, record.calibration)):
        if figures is not None:
            files[name] = _json(figures)
    return files


def _with_remote_code(config: dict[str, Any]) -> dict[str, Any]:
    """A stored configuration that leads users who have not imported hybridner to it, when they trust the repository's code.

    No `custom_pipelines`: with it transformers would ask also those who have imported hybridner for their trust.
    """
    return {**config, "auto_map": {"AutoConfig": f"{REMOTE_CODE.stem}.Config"}}


def _json(data: Any) -> bytes:
    return (json.dumps(data, ensure_ascii=False, indent=2) + "\n").encode()
