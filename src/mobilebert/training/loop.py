"""The training loop: steps, evaluations, states to go on from, and the way back from divergence.

It knows no task: what is trained, and its loss, is a `Workload`.
"""

import math
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from mobilebert.errors import TrainingError
from mobilebert.training.batching import BatchPlan, IntArray, micro_batches
from mobilebert.training.gradients import shorten_to_mean, summed_gradients
from mobilebert.training.guard import MOST_RETURNS, Fault, follow_loss, is_well
from mobilebert.training.loop_settings import LoopSettings
from mobilebert.training.processes import Processes
from mobilebert.training.saved_state import (
    Progress,
    Snapshot,
    read_snapshots,
    read_weights,
    write_weights,
)
from mobilebert.training.stopping import StopRequest, stop_requests

__all__ = [
    "BatchLoss",
    "Listener",
    "Score",
    "TrainingLoop",
    "Workload",
]

STATE_FILE, BEST_FILE = "state.safetensors", "best.safetensors"


@dataclass(frozen=True)
class BatchLoss:
    """The loss of some examples.

    Attributes:
        total: The sum over all units, with gradients.
        units: How many there are: examples, words, whatever the loss is the mean of.
        parts: What the loss is made of, for the curves: name -> sum, and what to divide it by. The
            names are those the workload tells.
    """

    total: Tensor
    units: float
    parts: Mapping[str, tuple[float, float]] = field(default_factory=dict)


class Workload(Protocol):
    """What is trained.

    Attributes:
        weights: What the optimizer changes, by name.
        guessing: Loss of a model that knows nothing, for each unit.
        part_names: Names of the parts of its losses; none where there is nothing to tell apart.
    """

    weights: Mapping[str, Tensor]
    guessing: float
    part_names: tuple[str, ...]

    def loss(self, examples: IntArray, step: int) -> BatchLoss:
        """Return the loss of some examples.

        What is drawn at random but dropout is a function of step and example alone, so that
        parts and processes change nothing.
        """
        ...

    def fault(self, examples: IntArray, step: int) -> str:
        """Name the layer that gives no numbers; called after a step that failed."""
        ...


class Listener(Protocol):
    """Who is told how the run goes on."""

    def moved(self, progress: Progress, rate: float) -> None:
        """A step was taken, or the run went back."""
        ...

    def happened(self, entry: Mapping[str, Any]) -> None:
        """Something was added to the history."""
        ...


@dataclass(frozen=True)
class Score:
    """What an evaluation found.

    Attributes:
        value: To compare by; higher is better.
        metrics: By name.
    """

    value: float
    metrics: Mapping[str, float]


class TrainingLoop:
    """Trains a workload.

    Args:
        workload: What is trained.
        optimizer: What trains it; the ``lr`` of its groups is multiplied by the schedule.
        schedule: Step -> factor on the rates.
        plan: The batches.
        settings: How to run.
        evaluate: Judges the weights as they are; None if there is nothing to judge by.
        directory: Where states are kept; None keeps them in memory alone.
        fingerprint: What the run is made of; a state of another run is refused.
        processes: Those that take part.
        listener: Who is told.
    """

    def __init__(
        self,
        workload: Workload,
        optimizer: Optimizer,
        schedule: Callable[[int], float],
        plan: BatchPlan,
        settings: LoopSettings,
        *,
        evaluate: Callable[[], Score] | None = None,
        directory: Path | None = None,
        fingerprint: str = "",
        processes: Processes | None = None,
        listener: Listener | None = None,
    ) -> None:
        self.workload, self.optimizer, self.schedule = workload, optimizer, schedule
        self.plan, self.settings, self.evaluate = plan, settings, evaluate
        self.directory, self.fingerprint = directory, fingerprint
        self.processes = processes or Processes()
        self.listener = listener
        self.progress = Progress()
        self._rates = [float(group["lr"]) for group in optimizer.param_groups]
        self._last_good: Snapshot | None = None
        self._best: dict[str, Tensor] | None = None

    def run(self, *, resume: bool = False) -> Progress:
        """Train to the end, and give the weights their best values.

        Args:
            resume: Whether to go on from the state on disk, if there is one.

        Returns:
            The numbers of the run.

        Raises:
            TrainingError: It diverged again and again, with ever smaller rates, and does not end
                with its best weights.
            KeyboardInterrupt: Ctrl-C; the state is on disk.
            SystemExit: SIGTERM; the state is on disk.
        """
        devices = {x.device for x in self.workload.weights.values() if x.device.type != "cpu"}
        with torch.random.fork_rng(devices=list(devices)), stop_requests() as stop:
            state = self.directory / STATE_FILE if self.directory else None
            if resume and state and state.exists():
                present, self._last_good = read_snapshots(state, self.fingerprint)
                self._go_back(present)
                self.note({"event": "resumed"})
            else:
                self._last_good = self._snapshot()
                self._keep()
            while not self._is_done():
                self._advance(stop)
            # While the last step was judged and kept; another stage may follow.
            if self.processes.any(stop.was_made):
                self._stop(stop)
            if self.progress.step < self.settings.steps and not self.progress.gave_up:
                reason = f"{self.progress.without_gain} evaluations without gain"
                self.note({"event": "stopped early", "reason": reason})
            self._take_best()
        return self.progress

    def note(self, entry: dict[str, Any]) -> None:
        """Put an entry into the history, and tell the listener.

        Args:
            entry: What is told beside step and epoch.
        """
        epoch = self._place / self.plan.steps_per_epoch
        whole = {"step": self.progress.step, "epoch": round(epoch, 4), **entry}
        self.progress.history.append(whole)
        if self.listener and self.processes.is_first:
            self.listener.happened(whole)

    @property
    def _place(self) -> int:
        """The step, counted over the loops before this one too."""
        return self.settings.offset + self.progress.step

    def _is_done(self) -> bool:
        patience = self.settings.patience
        out_of_patience = patience is not None and self.progress.without_gain >= patience
        at_end = self.progress.step >= self.settings.steps
        return at_end or out_of_patience or self.progress.gave_up

    def _advance(self, stop: StopRequest) -> None:
        try:
            self._step()
        except Fault as fault:
            self._recover(fault)
            return
        step, settings = self.progress.step, self.settings
        last = step == settings.steps
        evaluating = self.evaluate and (step % settings.evaluate_every == 0 or last)
        stopping = self.processes.any(stop.was_made)
        keeping = step % settings.checkpoint_every == 0 or evaluating or last or stopping
        remembering = step % settings.remember_every == 0 and is_well(
            self.progress, self.workload.guessing, settings.spike
        )
        if (keeping or remembering) and not self._weights_are_finite():
            # The next step would notice, but then this state would be the last good one.
            self._recover(Fault("the step left weights that are no numbers"))
            return
        if step % settings.report_every == 0 or last:
            self._report()
        if self.evaluate and evaluating:
            self._evaluate(self.evaluate)
        if stopping:
            self.note({"event": "interrupted", "reason": "--resume goes on from here"})
        # After an evaluation too: the state has to know of the best weights on disk.
        if remembering:
            self._last_good = self._snapshot()
        if keeping:
            self._keep()
        if stopping:
            self._stop(stop)

    def _step(self) -> None:
        started, progress, place = time.perf_counter(), self.progress, self._place
        examples = self.plan.batch(place)
        mine = examples[self.processes.rank :: self.processes.count]
        for weight in self.workload.weights.values():
            weight.grad = None  # those of weights that rest now, too
        torch.manual_seed(self._seed())
        totals = torch.zeros(2 + 2 * len(self.workload.part_names), dtype=torch.float64)
        for part in micro_batches(mine, self.plan.lengths, self.settings.micro_tokens):
            loss = self.workload.loss(part, place)
            loss.total.backward()  # type: ignore[no-untyped-call]  # torch gives it no types
            totals += self._sums(loss)
        weights = list(self.workload.weights.values())
        gradients = summed_gradients(weights, totals, self.processes)
        loss_sum, units, *parts = totals.tolist()
        follow_loss(
            progress, loss_sum / (units or 1.0), self.workload.guessing, self.settings.spike
        )
        shorten_to_mean(gradients, units or 1.0, self.settings.clip)
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * progress.rate_scale * self.schedule(progress.step)
        self.optimizer.step()
        progress.step += 1
        seconds = time.perf_counter() - started
        progress.seconds += seconds
        added = (loss_sum, units, float(self.plan.lengths[examples].sum()), seconds, *parts)
        before = progress.unreported or [0.0] * len(added)
        progress.unreported = [a + b for a, b in zip(before, added, strict=True)]
        self._moved()

    def _sums(self, loss: BatchLoss) -> Tensor:
        """Return loss, units, and both of each part."""
        parts = [number for name in self.workload.part_names for number in loss.parts[name]]
        return torch.tensor([float(loss.total.detach()), loss.units, *parts], dtype=torch.float64)

    def _seed(self) -> int:
        """Seed dropout by step and process, so that nothing has to be stored."""
        key = [self.settings.seed, self._place, self.processes.rank]
        return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1)

    def _recover(self, fault: Fault) -> None:
        """Go back to the last good state, with half the rate."""
        layer = self._first_lost() if fault.is_lost else ""
        failed, scale = self.progress, self.progress.rate_scale / 2
        step = failed.step
        reason = f"step {step + 1}: {fault}" + (f"; first seen in {layer}" if layer else "")
        assert self._last_good is not None  # kept before the first step
        self._go_back(self._last_good)
        # Where the very next step was too much, no smaller rate makes it less.
        is_stuck = step == self.progress.step and not fault.is_lost
        # The best weights are kept beside the states, and stay. Evaluations since then that come
        # again are not counted twice.
        if failed.best_score != self.progress.best_score:
            self.progress.without_gain = 0
        self.progress.best_step, self.progress.best_score = failed.best_step, failed.best_score
        if scale < 0.5**MOST_RETURNS:
            self._give_up(reason, failed.history)
            return
        self.progress.rate_scale = scale
        self.progress.smoothed_loss = None
        if is_stuck:
            self.progress.lowest_loss = None
        self.note({"event": "went back", "to": self.progress.step, "reason": reason})
        # From here on the halved rate is part of the state.
        self._last_good = self._snapshot()
        self._moved()

    def _give_up(self, reason: str, history: list[dict[str, Any]]) -> None:
        """End, with the best weights if they are wanted and some are worth something."""
        rate = f"1/{2**MOST_RETURNS} of the learning rate"
        best = self.progress.best_score
        if not self.settings.ends_with_best or best is None or not math.isfinite(best):
            raise TrainingError(
                f"Training diverges even with {rate} ({reason}). "
                f"The weights are those of step {self.progress.step}. Look at the data, or begin "
                "anew with a smaller --learning-rate and --overwrite."
            )
        self.progress.gave_up, self.progress.history = True, history  # with what was judged since
        self.note({"event": "gave up", "reason": f"it diverges even with {rate}; {reason}"})
        # So that a run that goes on with other seeds does not try this one again.
        self._last_good = self._snapshot()
        self._keep()
        self._moved()

    def _go_back(self, snapshot: Snapshot) -> None:
        self.progress = snapshot.restore(self.workload.weights, self.optimizer)

    def _snapshot(self) -> Snapshot:
        return Snapshot.take(self.progress, self.workload.weights, self.optimizer)

    def _first_lost(self) -> str:
        """Name the layer that gives no numbers, if one does in the batch of this step."""
        place = self._place
        parts = micro_batches(self.plan.batch(place), self.plan.lengths, self.settings.micro_tokens)
        return next(filter(None, (self.workload.fault(part, place) for part in parts)), "")

    def _keep(self) -> None:
        if self.directory and self.processes.is_first:
            assert self._last_good is not None  # kept before the first step
            present = self._snapshot()
            present.write(self.directory / STATE_FILE, self.fingerprint, self._last_good)

    def _weights_are_finite(self) -> bool:
        return all(bool(x.isfinite().all()) for x in self.workload.weights.values())

    def _stop(self, stop: StopRequest) -> None:
        self.processes.wait()
        if stop.signal_number == signal.SIGTERM:
            raise SystemExit(128 + signal.SIGTERM)
        raise KeyboardInterrupt

    def _report(self) -> None:
        loss, units, tokens, seconds, *sums = self.progress.unreported
        self.progress.unreported = []
        rate = self.schedule(self.progress.step - 1) * self.progress.rate_scale
        entry: dict[str, Any] = {
            "loss": loss / (units or 1.0),
            "rate": rate * max(self._rates),
            "tokens_per_second": tokens / max(seconds, 1e-9),
        }
        if sums:
            pairs = zip(self.workload.part_names, sums[::2], sums[1::2], strict=True)
            entry["parts"] = {name: total / (count or 1.0) for name, total, count in pairs}
        self.note(entry)

    def _evaluate(self, evaluate: Callable[[], Score]) -> None:
        score = evaluate() if self.processes.is_first else Score(0.0, {})
        (value,) = self.processes.from_first([score.value])
        if math.isnan(value):
            value = -math.inf  # any number is better
        self.note({"metrics": dict(score.metrics)})
        progress = self.progress
        if progress.best_score is not None and not value > progress.best_score:
            progress.without_gain += 1
            return
        progress.best_score, progress.best_step, progress.without_gain = value, progress.step, 0
        if self.directory is None:
            self._best = {n: w.detach().clone() for n, w in self.workload.weights.items()}
        elif self.processes.is_first:
            write_weights(self.directory / BEST_FILE, self.workload.weights)

    @torch.no_grad()
    def _take_best(self) -> None:
        self.processes.wait()
        # Those of the last step too: it may have been judged twice, before and after a return.
        if self.progress.best_step is None:
            return
        if self.directory is not None:
            read_weights(self.directory / BEST_FILE, self.workload.weights)
            return
        assert self._best is not None  # kept with best_step
        for name, weight in self.workload.weights.items():
            weight.copy_(self._best[name])

    def _moved(self) -> None:
        if self.listener and self.processes.is_first:
            rates = [float(group["lr"]) for group in self.optimizer.param_groups]
            self.listener.moved(self.progress, max(rates))
