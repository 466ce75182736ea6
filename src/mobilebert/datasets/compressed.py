"""Files as bytes, whether they are compressed or not."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from mobilebert.errors import InputError

__all__ = ["COMPRESSED", "open_bytes"]

COMPRESSED: dict[str, Callable[[Path], BinaryIO]] = {
    ".gz": lambda path: cast(BinaryIO, gzip.open(path)),
    ".bz2": lambda path: cast(BinaryIO, bz2.open(path)),
    ".xz": lambda path: cast(BinaryIO, lzma.open(path)),
}
"""Suffix -> how such a file is opened."""


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a file and decompress it if its suffix says so.

    Raises:
        InputError: It cannot be read, or is damaged.
    """
    try:
        with COMPRESSED.get(path.suffix.lower(), _plain)(path) as file:
            yield file
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"Cannot read {path}: {reason}.") from None


def _plain(path: Path) -> BinaryIO:
    return path.open("rb")
