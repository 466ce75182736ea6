"""One process at a time works in a directory."""

import errno
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mobilebert.errors import InputError

__all__ = ["alone_in"]

# What the system says where somebody else holds a lock: fcntl.flock, msvcrt.locking. macOS has no
# EDEADLOCK.
_HELD = {errno.EWOULDBLOCK, errno.EACCES, getattr(errno, "EDEADLOCK", errno.EDEADLK)}


class _HeldError(Exception):
    """Somebody else holds the lock."""


@contextmanager
def alone_in(directory: str | os.PathLike[str]) -> Iterator[None]:
    """Refuse to work in a directory in which this user already does, on this machine.

    The lock is a file among the system's temporary ones, so that nothing of it is in the
    directory, which need not exist. It is let go of when the process ends, however that ends.
    Where temporary files cannot be written or locked, nothing is refused.

    Args:
        directory: The directory.

    Raises:
        InputError: Another run works in it.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    name = hashlib.sha256(os.fsencode(Path(directory).resolve())).hexdigest()[:32]
    try:
        file = Path(tempfile.gettempdir()) / f"mobilebert-{user}-{name}.lock"
        descriptor = _opened(file)
    except _HeldError:
        raise InputError(
            f"Another run is at work in {directory}; wait until it has ended, or choose another "
            "directory."
        ) from None
    except OSError:
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink()
        os.close(descriptor)


def _opened(file: Path) -> int:
    """Open a file that is locked by this process alone.

    Raises:
        _HeldError: Somebody else has locked it.
        OSError: It cannot be opened or locked.
    """
    flags = os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
    while True:
        descriptor = os.open(file, flags, 0o600)
        try:
            _lock(descriptor)
            # Whoever held it before may have removed it since it was opened.
            if _is_at(descriptor, file):
                return descriptor
        except OSError as error:
            os.close(descriptor)
            if error.errno in _HELD:
                raise _HeldError from None
            raise
        os.close(descriptor)


def _is_at(descriptor: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
