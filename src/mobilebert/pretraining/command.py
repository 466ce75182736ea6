"""What `pretrain` and `distill` do alike: from what is asked for to a finished directory."""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch

from mobilebert.directory_lock import alone_in
from mobilebert.pretraining.material import Material
from mobilebert.pretraining.publishing import Trained, publish_trained
from mobilebert.pretraining.result import PretrainResult
from mobilebert.pretraining.running import StageContext
from mobilebert.pretraining.stages import StageLoop, run_stages
from mobilebert.torch.models import MobileBertForPreTraining
from mobilebert.training.output_directory import Existing, OutputDirectory
from mobilebert.training.processes import joined_processes
from mobilebert.training.saved_state import STATE_WEIGHTS

__all__ = ["PreparedRun", "RunRequest"]


@dataclass(frozen=True, kw_only=True)
class PreparedRun:
    """A run of which everything was read and checked, before anything is computed or written.

    Attributes:
        model: What is trained.
        material: What it is made of.
        digest: Of all that decides how it goes.
        start: What it begins with, as the user named it.
        stages: Names of the stages, in order.
        loops: Makes the loops of the stages, given what they have in common.
        teacher: Name of the teacher, if there is one.
        strategy: How knowledge is transferred, if it is.
    """

    model: MobileBertForPreTraining
    material: Material
    digest: str
    start: str
    stages: Sequence[str]
    loops: Callable[[StageContext], Sequence[StageLoop]]
    teacher: str | None = None
    strategy: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """Where a run goes, and what is shown of it.

    Attributes:
        output: The directory of the model.
        existing: What to do about what it holds.
        progress: Whether to show a bar on standard error.
        tensorboard: Whether to write curves for TensorBoard too.
    """

    output: OutputDirectory
    existing: Existing
    progress: bool
    tensorboard: bool

    @classmethod
    def of(
        cls,
        output: str | os.PathLike[str],
        *,
        overwrite: bool,
        resume: bool,
        progress: bool,
        tensorboard: bool,
    ) -> Self:
        """Read what a user gives.

        Raises:
            InputError: Both overwrite and resume.
        """
        return cls(
            output=OutputDirectory(Path(output)),
            existing=Existing.of(overwrite=overwrite, resume=resume),
            progress=progress,
            tensorboard=tensorboard,
        )

    def carry_out(self, prepare: Callable[[], PreparedRun]) -> PretrainResult:
        """Run all stages, alone or as one of several processes.

        Args:
            prepare: Reads and checks what the run needs; called once the output may be used.
        """
        with joined_processes() as processes, ExitStack() as held:
            if processes.is_first:
                held.enter_context(alone_in(self.output.path))
                self.output.check(self.existing)
            run = prepare()
            if processes.is_first:
                self.output.open(self.existing, _bytes_of_run(run.model))
            processes.wait()
            with ExitStack() as closing, self.output.refusals(is_first=processes.is_first):
                context = StageContext(
                    run.material,
                    run.digest,
                    self.output.path,
                    processes,
                    run.stages,
                    closing,
                    self.progress,
                    self.tensorboard,
                )
                run_stages(
                    run.loops(context),
                    self.output.states,
                    is_first=processes.is_first,
                    resume=self.existing is Existing.RESUME,
                )
            trained = Trained(
                model=run.model,
                material=run.material,
                start=run.start,
                stages=run.stages,
                teacher=run.teacher,
                strategy=run.strategy,
            )
            return publish_trained(trained, self.output, processes)


def _bytes_of_run(model: torch.nn.Module) -> int:
    """Return what states, old and new and of the stage before, best weights and the model take."""
    return 4 * sum(parameter.numel() for parameter in model.parameters()) * (3 * STATE_WEIGHTS + 2)
