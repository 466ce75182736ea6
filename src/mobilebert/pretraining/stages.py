"""Several loops one behind the other, each from the weights that the one before has left.

A stage's state stays on disk until the next stage has been gone through, so that a run that was
ended anywhere, at the border of two stages too, goes on from the last state written.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch.optim import Optimizer

from mobilebert.training.loop import STATE_FILE, TrainingLoop

__all__ = ["StageLoop", "run_stages"]


@dataclass(frozen=True)
class StageLoop:
    """A stage, made ready when it is its turn.

    Attributes:
        name: Unlike those of all other stages.
        build: Makes the loop, given where it keeps its states and the optimizer of the stage
            before, if there was one.
    """

    name: str
    build: Callable[[Path, Optimizer | None], TrainingLoop]


def run_stages(
    stages: Sequence[StageLoop], directory: Path, *, is_first: bool, resume: bool
) -> None:
    """Run stages; the last entry of each is how many seconds its steps took.

    Args:
        stages: The stages, in order.
        directory: Where states are kept, a directory for each stage.
        is_first: Whether this process writes.
        resume: Whether to go on from the last state there.

    Raises:
        As `TrainingLoop.run`.
    """
    places = [directory / f"{number:02}-{stage.name}" for number, stage in enumerate(stages)]
    begun = [number for number, place in enumerate(places) if (place / STATE_FILE).exists()]
    first = begun[-1] if resume and begun else 0
    optimizer: Optimizer | None = None
    for number in range(first, len(stages)):
        places[number].mkdir(parents=True, exist_ok=True)
        loop = stages[number].build(places[number], optimizer)
        progress = loop.run(resume=resume and number == first)
        loop.note({"seconds": round(progress.seconds, 3)})
        loop.processes.wait()  # until nobody reads the states before
        optimizer = loop.optimizer
        if number and is_first:
            shutil.rmtree(places[number - 1], ignore_errors=True)
