"""Uploading a model to the Hugging Face Hub."""

import glob
import importlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["PublishedModel", "upload"]


class PublishedModel:
    """A model that can be uploaded, whatever framework it runs on."""

    def save_pretrained(self, save_directory: str | os.PathLike[str], **kwargs: Any) -> None:
        """Write configuration and weights into a directory."""
        raise NotImplementedError

    def push_to_hub(
        self,
        repo_id: str,
        *,
        commit_message: str | None = None,
        commit_description: str | None = None,
        private: bool | None = None,
        token: str | bool | None = None,
        revision: str | None = None,
        create_pr: bool = False,
        max_shard_size: int | str = "5GB",
        safe_serialization: bool = True,
    ) -> Any:
        """Upload the model to the Hugging Face Hub.

        Args:
            repo_id: Repository, ``owner/name`` or a name of your own; made if it does not exist.
            commit_message: Title of the commit.
            commit_description: Text of the commit.
            private: Whether a repository that is made is private.
            token: Access token; the stored one by default.
            revision: Branch to write to.
            create_pr: Open a pull request in place of a commit.
            max_shard_size: Largest weight file, in bytes or like "200MB".
            safe_serialization: Write safetensors; otherwise PyTorch's pickle format.

        Returns:
            What huggingface_hub says about the commit.
        """
        with tempfile.TemporaryDirectory() as directory:
            self.save_pretrained(
                directory, max_shard_size=max_shard_size, safe_serialization=safe_serialization
            )
            return upload(
                directory,
                repo_id,
                commit_message=commit_message,
                commit_description=commit_description,
                private=private,
                token=token,
                revision=revision,
                create_pr=create_pr,
            )


def upload(
    directory: str | os.PathLike[str],
    repo_id: str | None = None,
    *,
    private: bool | None = None,
    token: str | bool | None = None,
    commit_message: str | None = None,
    only: Iterable[Path] | None = None,
    **options: Any,
) -> Any:
    """Upload a directory.

    Args:
        directory: The directory.
        repo_id: Repository; by default a name of your own, that of the directory.
        private: Whether a repository that is made is private.
        token: Access token; the stored one by default.
        commit_message: Title of the commit.
        only: Files and folders of the directory to upload; by default all that it holds.
        **options: Further keywords of huggingface_hub's `upload_folder`.

    Returns:
        What huggingface_hub says about the commit.
    """
    # Not a static import: it takes 0.6 s, and few programs upload.
    hub: Any = importlib.import_module("huggingface_hub")
    api = hub.HfApi(token=token)
    name = repo_id or Path(directory).resolve().name
    repository = api.create_repo(name, private=private, exist_ok=True).repo_id
    if only is not None:
        options = {"allow_patterns": [_pattern(path, directory) for path in only], **options}
    return api.upload_folder(
        repo_id=repository,
        folder_path=directory,
        commit_message=commit_message or "Upload model",
        **options,
    )


def _pattern(path: Path, directory: str | os.PathLike[str]) -> str:
    name = glob.escape(path.relative_to(directory).as_posix())
    return f"{name}/*" if path.is_dir() else name
