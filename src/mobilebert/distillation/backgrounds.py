"""How the rate of all layers together goes during a stage, as in the code of the paper.

A background is a function of the step within the stage, counted from 0, to a factor on the rate.
`mobilebert.training.schedules.Schedule` is one too.
"""

import math
from dataclasses import dataclass

from mobilebert.errors import InputError
from mobilebert.training.schedules import Schedule

__all__ = ["Background", "DecayFromStart", "PhaseBackground"]


@dataclass(frozen=True)
class PhaseBackground:
    """A phase of progressive transfer: up in a tenth of it, then down to nine tenths.

    ``min(0.9 + 0.1 sqrt(1 - t / T), 10 t / T)`` with t in [0, T], and 1 for a phase of one step
    (google-research mobilebert/distill_util.py). The first step has the rate 0.

    Attributes:
        steps: T, at least 1.

    Raises:
        InputError: Fewer than 1 step.
    """

    steps: int

    def __post_init__(self) -> None:
        """Check the number."""
        _check_steps(self.steps)

    def __call__(self, step: int) -> float:
        """Return the factor of a step."""
        if self.steps == 1:
            return 1.0
        done = min(step / self.steps, 1.0)
        return min(0.9 + 0.1 * math.sqrt(1 - done), 10 * done)


@dataclass(frozen=True)
class DecayFromStart:
    """Up to the rate in the first steps; after them, down a line that begins at step 0.

    ``t / warmup`` while t is below it, then ``1 - (1 - end_factor) t / T`` (google-research
    mobilebert/optimization.py). `Schedule` differs: its decay begins where its warm-up ends, and
    its first step has a share of the rate.

    Attributes:
        steps: T, at least 1.
        warmup: Steps of the warm-up, below T; 0 for none.
        end_factor: The factor at step T.

    Raises:
        InputError: A number outside its range.
    """

    steps: int
    warmup: int = 0
    end_factor: float = 1e-4

    def __post_init__(self) -> None:
        """Check the numbers."""
        _check_steps(self.steps)
        if not 0 <= self.warmup < self.steps:
            raise InputError(
                f"The warm-up of {self.warmup} steps does not fit into {self.steps}; allowed are "
                f"0 to {self.steps - 1}."
            )
        if not 0 <= self.end_factor <= 1:
            raise InputError(f"end_factor is {self.end_factor}; allowed are 0 to 1.")

    def __call__(self, step: int) -> float:
        """Return the factor of a step."""
        if step < self.warmup:
            return step / self.warmup
        return 1 - (1 - self.end_factor) * min(step / self.steps, 1.0)


Background = PhaseBackground | DecayFromStart | Schedule


def _check_steps(steps: int) -> None:
    if steps < 1:
        raise InputError(f"steps is {steps}; a stage has at least 1.")
