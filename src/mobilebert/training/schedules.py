"""How the learning rate goes: warm-up, then down (or not). Pure functions of the step."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from mobilebert.errors import InputError

__all__ = ["Schedule", "ScheduleShape", "warmup_steps"]


class ScheduleShape(StrEnum):
    """What the rate does after the warm-up."""

    LINEAR = "linear"
    COSINE = "cosine"
    CONSTANT = "constant"


# From the share of the way that is done, 0 to 1, to the share of the rate that is left.
_SHAPES: dict[ScheduleShape, Callable[[float], float]] = {
    ScheduleShape.LINEAR: lambda done: 1 - done,
    ScheduleShape.COSINE: lambda done: (1 + math.cos(math.pi * done)) / 2,
    ScheduleShape.CONSTANT: lambda done: 1.0,
}


@dataclass(frozen=True)
class Schedule:
    """The factor on the learning rate: up from 0 to 1, then down to the end factor.

    Step 0 is the first one taken; it already has a share of the rate, not 0. After the last step
    the factor stays at the end factor.

    Attributes:
        steps: All steps of the run, at least 1.
        warmup: Steps of the linear warm-up, below `steps`; 0 for none.
        shape: What follows.
        end_factor: The factor after the last step; Google's fine-tuning ends at 1e-4
            (google-research mobilebert/optimization.py). Without meaning for a constant rate.

    Raises:
        InputError: A number outside its range.
    """

    steps: int
    warmup: int = 0
    shape: ScheduleShape | str = ScheduleShape.LINEAR
    end_factor: float = 1e-4

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.shape not in set(ScheduleShape):
            raise InputError(
                f"There is no schedule {self.shape!r}; choose one of {', '.join(ScheduleShape)}."
            )
        if self.steps < 1:
            raise InputError(f"steps is {self.steps}; a run has at least 1.")
        if not 0 <= self.warmup < self.steps:
            raise InputError(
                f"The warm-up of {self.warmup} steps does not fit into {self.steps}; allowed are "
                f"0 to {self.steps - 1}."
            )
        if not 0 <= self.end_factor <= 1:
            raise InputError(f"end_factor is {self.end_factor}; allowed are 0 to 1.")

    def __call__(self, step: int) -> float:
        """Return the factor of a step, counted from 0."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        done = min((step - self.warmup) / (self.steps - self.warmup), 1.0)
        left = _SHAPES[ScheduleShape(self.shape)](done)
        return self.end_factor + (1 - self.end_factor) * left


def warmup_steps(warmup: float, steps: int) -> int:
    """Turn a warm-up into steps.

    Args:
        warmup: A share of all steps, below 1, or a whole number of steps.
        steps: All steps.

    Raises:
        InputError: Neither a share nor a number of steps below `steps`.
    """
    if 0 <= warmup < 1:
        return math.floor(warmup * steps)
    if not 0 <= warmup < steps or warmup != int(warmup):
        raise InputError(
            f"The warm-up is {warmup}; allowed is a share of the steps (such as 0.1) or a whole "
            f"number of steps below {steps}, the length of the run."
        )
    return int(warmup)
