"""Sending a prepared data set to the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path

from hybridner.data.prepare import prepared_label_set


def push(folder: str | Path, repo_id: str, *, public: bool = False) -> str:
    """Upload a folder that `prepare` wrote, so that ``load_dataset(repo_id)`` opens it without a script; returns its address.

    Args:
        repo_id: "ORGANISATION/NAME".
        public: let everybody see it. Most of the known data sets may not be redistributed, so a new repository is private
            unless this is asked for; an existing one keeps its setting.

    Raises:
        DataError: the folder was not made by `prepare`.
    """
    from huggingface_hub import HfApi

    prepared_label_set(folder)  # raises for any other folder
    api = HfApi()
    address = api.create_repo(repo_id, repo_type="dataset", private=not public, exist_ok=True)
    # Files of an earlier version must not stay beside the new ones.
    api.upload_folder(
        repo_id=repo_id,
        repo_type="dataset",
        folder_path=str(folder),
        delete_patterns="data/*.parquet",
        commit_message="Data prepared with hybridner",
    )
    return str(address)
