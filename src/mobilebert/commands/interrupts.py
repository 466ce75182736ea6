"""Ctrl-C that is not lost."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["remembered_interrupts"]


@contextmanager
def remembered_interrupts() -> Iterator[Callable[[], None]]:
    """Let Ctrl-C interrupt as always, and remember it in case Python drops the exception.

    An exception raised inside a finalizer or a weak-reference callback is printed and dropped;
    importlib runs such callbacks, and a KeyboardInterrupt can fall into one.

    Yields:
        A function to call at points where stopping is safe: it raises KeyboardInterrupt if Ctrl-C
        was pressed since.
    """
    pressed = False

    def remember(signal_number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        raise KeyboardInterrupt

    def check() -> None:
        if pressed:
            raise KeyboardInterrupt

    # Another handler is somebody's choice (nohup ignores the signal), and threads have none.
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield check
        return
    try:
        signal.signal(signal.SIGINT, remember)
    except ValueError:
        yield check
        return
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
