"""Where what was measured is put: looked at before anything is measured."""

import os
from collections.abc import Sequence
from pathlib import Path

from mobilebert.errors import InputError

__all__ = ["check_place"]


def check_place(files: Sequence[Path], *, overwrite: bool) -> None:
    """Refuse files that are there already, or cannot be written; nothing is made.

    Args:
        files: The files, all in one directory, which need not be there.
        overwrite: Whether they may be replaced.

    Raises:
        InputError: One is there and may not be replaced, or cannot be written.
    """
    folder = files[0].parent.absolute()
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    if not nearest.is_dir():
        raise InputError(f"Cannot write in {folder}: {nearest} is no directory.")
    if not os.access(nearest, os.W_OK):
        raise InputError(f"Cannot write in {folder}: no permission to write in {nearest}.")
    for file in files:
        if file.is_dir():
            raise InputError(f"Cannot write {file}: it is a directory; choose another --output.")
        if file.exists() and not overwrite:
            raise InputError(f"{file} exists; --overwrite replaces it, or choose another --output.")
