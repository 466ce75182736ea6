"""Noticing that a run goes wrong, before it is lost."""

import math

from mobilebert.training.saved_state import Progress

__all__ = ["MOST_RETURNS", "Fault", "follow_loss", "is_well"]

# Share of the running mean that a step replaces.
_NEW = 0.1
# Above this multiple of where it began, or of what guessing costs, a loss has left for good: noise
# of single batches is less, and what only learns nothing stays at 1.
_DIVERGED = 2.0
# A single step counts as this multiple of that limit at most, where no spike is too much: a target
# far out costs a batch as much as it likes and comes again however often the run goes back, while
# what is lost for good stays where it is and is seen within four steps.
_FAR_OUT = 3.0
# After so many returns with half the rate each, the rate is not the reason.
MOST_RETURNS = 6


class Fault(Exception):
    """A step that must not be taken.

    Args:
        reason: What was seen.
        is_lost: Whether there are numbers that are none, so that it can be seen where they are.
    """

    def __init__(self, reason: str, *, is_lost: bool = True) -> None:
        super().__init__(reason)
        self.is_lost = is_lost


def follow_loss(
    progress: Progress, loss: float, guessing: float, spike: float | None = None
) -> None:
    """Update the running mean of the loss.

    Args:
        progress: The numbers of the run; changed.
        loss: Of this step, for each unit.
        guessing: Loss of a model that knows nothing.
        spike: Multiple of the lowest running mean that is too much; None for no such limit.

    Raises:
        Fault: The loss is no number, or has grown far beyond where it began or had come to.
    """
    if not math.isfinite(loss):
        raise Fault(f"the loss is {loss}")
    if progress.first_loss is None:
        progress.first_loss = loss
    progress.last_loss = loss
    usual = max(progress.first_loss, guessing)
    limit = _DIVERGED * usual
    before, counted = loss, loss
    if spike is None:
        before, counted = min(loss, usual), min(loss, _FAR_OUT * limit)
    if progress.smoothed_loss is not None:
        before = progress.smoothed_loss
    progress.smoothed_loss = (1 - _NEW) * before + _NEW * counted
    if progress.smoothed_loss > limit:
        raise Fault(
            f"the loss has grown to {progress.smoothed_loss:.4g} (it began at "
            f"{progress.first_loss:.4g})",
            is_lost=False,
        )
    lowest = progress.smoothed_loss if progress.lowest_loss is None else progress.lowest_loss
    if spike is not None and progress.smoothed_loss > spike * lowest:
        raise Fault(
            f"the loss has grown to {progress.smoothed_loss:.4g} (it had come to {lowest:.4g})",
            is_lost=False,
        )
    progress.lowest_loss = min(lowest, progress.smoothed_loss)


def is_well(progress: Progress, guessing: float, spike: float | None = None) -> bool:
    """Tell whether a state is good to go back to.

    It is if the loss is no higher than at the beginning, and not on its way up either: the running
    mean rises slowly, so that weights may be lost some steps before it is too much. Nor does a step
    whose own loss is too much tell that its weights are good.

    Args:
        progress: The numbers of the run, at least one step of it.
        guessing: Loss of a model that knows nothing.
        spike: As of `follow_loss`.
    """
    smoothed, first, lowest = progress.smoothed_loss, progress.first_loss, progress.lowest_loss
    last = progress.last_loss
    assert smoothed is not None  # a step was taken
    assert first is not None
    assert lowest is not None
    assert last is not None
    usual = max(first, guessing)
    rising = spike is not None and smoothed > (1 + spike) / 2 * lowest
    return smoothed <= usual and last <= _DIVERGED * usual and not rising
