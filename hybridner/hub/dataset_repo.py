"""Publishing a data set: what `hybridner data prepare` wrote, in one commit."""

from __future__ import annotations

import re
from pathlib import Path

from hybridner.data.corpora.card import CARD_FILE, fill_repo_id
from hybridner.data.corpora.prepare import LABEL_SET_FILE, load_prepared_label_set
from hybridner.errors import DataError
from hybridner.hub.model_card import checked
from hybridner.hub.upload import Contents, UploadTarget, upload_files

_DATA_FILE = re.compile(r"data/[^/]+\.parquet")


def is_dataset_folder(folder: str | Path) -> bool:
    """Whether a folder holds a prepared data set and no model."""
    return (Path(folder) / LABEL_SET_FILE).is_file() and not (Path(folder) / "config.json").exists()


def push_dataset(
    folder: str | Path,
    repo_id: str,
    *,
    public: bool = False,
    revision: str | None = None,
    token: str | None = None,
    endpoint: str | None = None,
) -> str:
    """Publish a folder that `prepare` wrote, so that ``load_dataset(repo_id)`` opens it without a script.

    Args:
        folder: the prepared folder; its card is published as it is, with the repository's name in its example.
        repo_id: "OWNER/NAME", or "NAME" under the token's own name.
        public: let everybody see it. Most of the known data sets may not be redistributed, so a new repository is private unless
            this is asked for, and one that is public already is not written to.
        revision: a branch; it is made from main when it is not there.
        token: a token with the right to write; by default the one of `hf auth login` or HF_TOKEN.
        endpoint: address of another Hub; by default HF_ENDPOINT.

    Returns:
        the address of the commit.

    Raises:
        DataError: the folder was not made by `prepare`, or is not complete.
        ModelError: the card's metadata are not what the Hub accepts.
        HubError: no token, no right, no connection, or the repository is not for this data set.

    Examples:
        >>> from hybridner.data.corpora.prepare import prepare
        >>> _ = prepare("sncm", None, "sncm-open")
        >>> push_dataset("sncm-open", "my-data", endpoint=hub)
        'http://.../me/my-data/commit/...'
    """
    folder = Path(folder)
    load_prepared_label_set(folder)  # raises for any other folder
    data = sorted(folder.glob("data/*.parquet"))
    if not data or not (folder / CARD_FILE).is_file():
        raise DataError(
            f"has no {'data' if not data else CARD_FILE}; prepare it again with `hybridner data prepare`", str(folder)
        )
    card = (folder / CARD_FILE).read_text(encoding="utf-8")

    def contents(full_id: str) -> Contents:
        return {
            CARD_FILE: str(checked(fill_repo_id(card, full_id), str(folder / CARD_FILE))).encode(),
            **{file.relative_to(folder).as_posix(): file for file in (*data, folder / LABEL_SET_FILE)},
        }

    return upload_files(
        UploadTarget(repo_id, "dataset", not public, revision, token, endpoint),
        contents,
        mark=LABEL_SET_FILE,
        is_ours=lambda name: bool(_DATA_FILE.fullmatch(name)),
        what="a data set of hybridner",
    )
