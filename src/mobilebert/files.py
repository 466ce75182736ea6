"""Reading and writing files so that nobody meets half a file."""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mobilebert.errors import CheckpointError

__all__ = ["atomic_path", "make_directory", "read_json", "read_text", "write_atomic"]

# A JSON side file (configuration, tokenizer) beyond this is not one of ours; the published
# tokenizer.json has 0.7 MB, one with a million entries about 30 MB.
MAX_JSON_BYTES = 256 * 2**20

_NEW_FILE = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place when the block succeeds.

    Args:
        path: The file to be written. Its directory must exist.

    Yields:
        A path in the same directory. When the block raises, it is removed and an existing file
        at `path` stays as it was.

    Raises:
        CheckpointError: The directory does not exist or cannot be written.
    """
    target = Path(path)
    temporary = target.parent / f".{target.name}.{secrets.token_hex(4)}.partial"
    try:
        # Not tempfile, whose files are private: the system applies the user's umask to this one.
        os.close(os.open(temporary, _NEW_FILE, 0o666))
    except OSError as error:
        raise CheckpointError(f"Cannot write {target}: {error.strerror or error}") from error
    try:
        yield temporary
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomic(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write a whole file, or leave what was there.

    Args:
        path: The file to be written.
        content: Text (written as UTF-8) or bytes.

    Raises:
        CheckpointError: The file cannot be written.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        with atomic_path(path) as temporary:
            temporary.write_bytes(data)
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"Cannot write {path}: {error.strerror or error}") from error


def make_directory(path: str | os.PathLike[str]) -> Path:
    """Make a directory and those above it, where they do not exist.

    Returns:
        The directory.

    Raises:
        CheckpointError: It is a file or cannot be made.
    """
    directory = Path(path)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"Cannot make directory {directory}: {error.strerror or error}."
        ) from None
    return directory


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a UTF-8 file; the error names the line that is not UTF-8.

    Raises:
        CheckpointError: The file cannot be read or is not UTF-8.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"Cannot read {path}: {error.strerror or error}") from error
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CheckpointError(
            f"{path} is not UTF-8: byte 0x{data[error.start]:02x} in line {line}."
        ) from None


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a JSON file that holds one object.

    Raises:
        CheckpointError: The file cannot be read, is too large, or is no JSON object.
    """
    try:
        size = Path(path).stat().st_size
    except OSError as error:
        raise CheckpointError(f"Cannot read {path}: {error.strerror or error}") from error
    if size > MAX_JSON_BYTES:
        raise CheckpointError(f"{path} has {size:,} bytes; a JSON file here has far less.")
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits is a ValueError
        raise CheckpointError(f"{path} is not a valid JSON file: {error}") from None
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path} should hold a JSON object, but holds a {type(content).__name__}."
        )
    return content
