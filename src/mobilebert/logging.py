"""Verbosity of the library: standard `logging` under the logger named ``mobilebert``."""

import logging
from logging import CRITICAL, DEBUG, ERROR, FATAL, INFO, NOTSET, WARN, WARNING

from mobilebert.errors import InputError

__all__ = [
    "CRITICAL",
    "DEBUG",
    "ERROR",
    "FATAL",
    "INFO",
    "NOTSET",
    "WARN",
    "WARNING",
    "get_logger",
    "get_verbosity",
    "set_verbosity",
    "set_verbosity_debug",
    "set_verbosity_error",
    "set_verbosity_info",
    "set_verbosity_warning",
]

_LIBRARY = "mobilebert"

_NAMES = {
    "debug": DEBUG,
    "info": INFO,
    "warning": WARNING,
    "error": ERROR,
    "critical": CRITICAL,
}


def get_logger(name: str | None = None) -> logging.Logger:
    """Return the library's logger, or the child named `name`."""
    return logging.getLogger(name or _LIBRARY)


def get_verbosity() -> int:
    """Return the level from which messages of the library are shown."""
    return get_logger().getEffectiveLevel()


def set_verbosity(level: int | str) -> None:
    """Show messages of the library from `level` on.

    Args:
        level: A `logging` level, or one of debug, info, warning, error, critical.

    Raises:
        InputError: The level is unknown.
    """
    if isinstance(level, str):
        if level.lower() not in _NAMES:
            raise InputError(f"Unknown verbosity {level!r}; choose one of {', '.join(_NAMES)}.")
        level = _NAMES[level.lower()]
    get_logger().setLevel(level)


def set_verbosity_debug() -> None:
    """Show everything."""
    set_verbosity(DEBUG)


def set_verbosity_info() -> None:
    """Show progress and warnings."""
    set_verbosity(INFO)


def set_verbosity_warning() -> None:
    """Show warnings and errors."""
    set_verbosity(WARNING)


def set_verbosity_error() -> None:
    """Show errors only."""
    set_verbosity(ERROR)
