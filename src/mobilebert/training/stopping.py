"""Ctrl-C and SIGTERM during training: the step is finished and kept first."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["StopRequest", "stop_requests"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether somebody asked to stop, and how.

    Attributes:
        signal_number: The signal that came, or None.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None

    @property
    def was_made(self) -> bool:
        """Whether to stop after this step."""
        return self.signal_number is not None

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Remember the first signal; do not wait any longer after the second."""
        if self.signal_number is not None:
            raise KeyboardInterrupt
        self.signal_number = number


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Take Ctrl-C and SIGTERM as a request to stop after the step.

    Signals that somebody else ignores or handles stay theirs, and threads have none.

    Yields:
        The request.
    """
    request = StopRequest()
    standard = {signal.SIG_DFL, signal.default_int_handler}
    previous = {}
    try:
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if handler in standard:
                previous[number] = handler
                signal.signal(number, request.receive)
    except ValueError:  # not the main thread
        pass
    try:
        yield request
    finally:
        for number, handler in previous.items():
            if signal.getsignal(number) == request.receive:
                signal.signal(number, handler)
