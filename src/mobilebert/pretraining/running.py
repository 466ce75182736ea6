"""What every stage of a run is given: where its curves go, and how it is judged."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch.optim import Optimizer

from mobilebert.pretraining.curves import CURVES_FILE, CurveFile, TensorBoard
from mobilebert.pretraining.evaluation import judge_pretraining
from mobilebert.pretraining.material import Material
from mobilebert.torch.models import MobileBertForPreTraining
from mobilebert.training.loop import STATE_FILE, Listener, Score, TrainingLoop, Workload
from mobilebert.training.processes import Processes
from mobilebert.training.progress_bar import ProgressBar
from mobilebert.training.saved_state import Progress, stored_fingerprint

__all__ = ["Judge", "Listeners", "StageContext"]


class Listeners:
    """Tells several listeners what one is told.

    Args:
        listeners: The listeners.
    """

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = listeners

    def moved(self, progress: Progress, rate: float) -> None:
        """A step was taken, or the run went back."""
        for listener in self._listeners:
            listener.moved(progress, rate)

    def happened(self, entry: Mapping[str, Any]) -> None:
        """Something was added to the history."""
        for listener in self._listeners:
            listener.happened(entry)


@dataclass(frozen=True)
class Judge:
    """Judges a model on held-out text, within a run.

    Attributes:
        model: The model.
        material: What the run is made of.
    """

    model: MobileBertForPreTraining
    material: Material

    def __call__(self) -> Score:
        """Return the loss of masked words, lower is better."""
        assert self.material.held_out is not None  # asked only then
        metrics = judge_pretraining(
            self.model,
            self.material.held_out,
            words=self.material.settings.evaluation_words,
            precision=self.material.precision,
        ).metrics()
        return Score(-metrics["masked_lm_loss"], metrics)


@dataclass(frozen=True)
class StageContext:
    """What the stages of a run have in common.

    Attributes:
        material: What the run is made of.
        digest: Of all that decides how it goes.
        output: The directory of the model.
        processes: Those that take part.
        stages: Names of all stages, in order.
        closing: What is closed behind the run.
        progress: Whether to show bars on standard error.
        tensorboard: Whether to write curves for TensorBoard too.
    """

    material: Material
    digest: str
    output: Path
    processes: Processes
    stages: Sequence[str]
    closing: ExitStack
    progress: bool = False
    tensorboard: bool = False

    def loop(
        self,
        name: str,
        workload: Workload,
        optimizer: Optimizer,
        schedule: Callable[[int], float],
        steps: int,
        directory: Path,
        judge: Judge | None,
        offset: int = 0,
    ) -> TrainingLoop:
        """Make the loop of a stage.

        Args:
            name: Of the stage.
            workload: What is trained.
            optimizer: What trains it.
            schedule: Step -> factor on the rates.
            steps: How many.
            directory: Where its states are kept.
            judge: What judges the model; None for a stage that is judged by nothing.
            offset: Steps of all stages before it: what they have read is not read again.
        """
        # The number of processes decides dropout, and in which order is summed.
        count = f" {self.processes.count}" if self.processes.count > 1 else ""
        fingerprint = f"{self.digest} {name}{count}"
        if _reads_from_the_beginning(directory / STATE_FILE, fingerprint):
            offset = 0
        if offset:
            fingerprint += f" behind {offset}"
        loop = TrainingLoop(
            workload,
            optimizer,
            schedule,
            self.material.plan(),
            self.material.loop_settings(steps, offset),
            evaluate=judge if self.material.held_out is not None else None,
            directory=directory,
            fingerprint=fingerprint,
            processes=self.processes,
        )
        loop.listener = Listeners(self._listeners(name, loop, steps))
        return loop

    def _listeners(self, name: str, loop: TrainingLoop, steps: int) -> list[Listener]:
        if not self.processes.is_first:
            return []
        before = self.stages[: self.stages.index(name)]
        listeners: list[Listener] = [
            CurveFile(self.output / CURVES_FILE, name, before, lambda: loop.progress.history)
        ]
        if self.tensorboard:
            listeners.append(TensorBoard(self.output / "tensorboard", name))
        if self.progress:
            bar = ProgressBar(steps, name if len(self.stages) > 1 else "")
            self.closing.callback(bar.close)
            listeners.append(bar)
        return listeners


def _reads_from_the_beginning(state: Path, fingerprint: str) -> bool:
    """Tell whether a stage was begun when each read the data anew: so it then goes on."""
    return state.exists() and stored_fingerprint(state) == fingerprint
