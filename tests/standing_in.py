"""What takes the place of the network."""

from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

from huggingface_hub.utils import filter_repo_objects

__all__ = ["Uploads"]


class Uploads:
    """Takes the place of `huggingface_hub.HfApi` and keeps what it is told."""

    said: ClassVar[list] = []

    def __init__(self, token=None):
        Uploads.said.append(("token", token))

    def create_repo(self, repo_id, **options):
        Uploads.said.append(("create_repo", repo_id, options))
        return SimpleNamespace(repo_id=f"someone/{repo_id}")

    def upload_folder(self, *, repo_id, folder_path, **options):
        found = (path for path in Path(folder_path).rglob("*") if path.is_file())
        names = sorted(path.relative_to(folder_path).as_posix() for path in found)
        files = list(filter_repo_objects(names, allow_patterns=options.pop("allow_patterns", None)))
        Uploads.said.append(("upload_folder", repo_id, files, options))
        return "done"
