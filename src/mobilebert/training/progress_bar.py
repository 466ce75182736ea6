"""What a person sees of a run: a bar with loss, rate and time left, and a line for what happens."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from mobilebert.corpora.progress import tell
from mobilebert.training.saved_state import Progress

__all__ = ["ProgressBar", "counting", "tell"]

# Seconds; what takes less needs no bar.
_SOON = 1.0


@contextmanager
def counting(total: int | None, label: str, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how many of many things are done.

    Args:
        total: How many there are; None where that is not known.
        label: What stands before the bar.
        shown: False shows nothing.

    Yields:
        What is told how many are done.
    """
    with tqdm(
        total=total,
        desc=label,
        unit="row",
        delay=_SOON,
        disable=None if shown else True,  # None: only on a terminal
        file=sys.stderr,
    ) as bar:

        def done(count: int) -> None:
            bar.update(count - bar.n)

        yield done


class ProgressBar:
    """Shows a run on standard error; without a terminal, evaluations and events alone.

    Args:
        steps: Steps in all.
        label: What stands before the bar.
    """

    def __init__(self, steps: int, label: str = "") -> None:
        # None: only on a terminal.
        self._bar = tqdm(total=steps, desc=label, unit="step", disable=None, file=sys.stderr)
        self._prefix = f"{label}: " if label else ""

    def moved(self, progress: Progress, rate: float) -> None:
        """Show a step, or that the run went back."""
        loss = progress.smoothed_loss
        self._bar.set_postfix_str(
            f"loss {'-' if loss is None else format(loss, '.4g')}, rate {rate:.2g}", refresh=False
        )
        steps = progress.step - int(self._bar.n)
        if steps == 1:
            self._bar.update(1)
        elif not self._bar.disable:
            self._jump(steps)

    def _jump(self, steps: int) -> None:
        """Show what was not computed just now: steps of an earlier session, or the way back."""
        # All three, or time left would be reckoned from steps that took no time, and nothing be
        # shown of a run that went back until it is where it was.
        self._bar.initial += steps
        self._bar.n += steps
        self._bar.last_print_n = self._bar.n
        self._bar.refresh()

    def happened(self, entry: Mapping[str, Any]) -> None:
        """Write a line for an evaluation or an event."""
        line = _line(entry)
        if line:
            tell([f"{self._prefix}{line}"])

    def close(self) -> None:
        """End the bar."""
        self._bar.close()


def _line(entry: Mapping[str, Any]) -> str | None:
    where = f"step {entry['step']:,}, epoch {entry['epoch']:.2f}"
    if "metrics" in entry:
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in entry["metrics"].items())
        return f"{where}: {metrics}"
    if "event" in entry:
        reason = entry.get("reason")
        return f"{where}: {entry['event']}" + (f" ({reason})" if reason else "")
    return None
