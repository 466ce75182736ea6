"""The state of a run, in memory to go back to and on disk to go on from.

A state is one file of tensors with its numbers as JSON in the header: it is written beside the old
one and then takes its place, so a full disk or a power cut leaves the state before. Nothing in it
is unpickled.
"""

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.optim import Optimizer

from mobilebert.errors import CheckpointError, InputError
from mobilebert.files import atomic_path

__all__ = [
    "STATE_WEIGHTS",
    "Progress",
    "Snapshot",
    "read_snapshots",
    "read_weights",
    "stored_fingerprint",
    "write_weights",
]

# How often a file has the weights: weights and two slots of the optimizer, each of the state and of
# the one to go back to.
STATE_WEIGHTS = 6

_FORMAT = "mobilebert training state 2"
_WEIGHTS, _OPTIMIZER = "weights/", "optimizer/"
# In front of the names of a state to go back to, and behind the key of its numbers.
_GOOD = "good"


@dataclass
class Progress:
    """The numbers of a run.

    Attributes:
        step: Steps taken.
        rate_scale: Factor on the learning rate; halved each time the run goes back.
        smoothed_loss: Running mean of the loss, None before the first step.
        lowest_loss: The lowest running mean so far.
        first_loss: Loss of the first step.
        last_loss: Loss of the last step.
        best_step: The step whose weights are kept as the best; None before an evaluation.
        best_score: Their score; higher is better.
        without_gain: Evaluations since then.
        gave_up: Whether the run ended because no smaller rate kept it from diverging.
        unreported: Sums since the last entry of the history: loss, units, tokens, seconds, and sum
            and count of each part of the loss; empty behind an entry.
        seconds: Time spent on steps, over all sessions.
        history: Entries of losses, evaluations and events, in order.
    """

    step: int = 0
    rate_scale: float = 1.0
    smoothed_loss: float | None = None
    lowest_loss: float | None = None
    first_loss: float | None = None
    last_loss: float | None = None
    best_step: int | None = None
    best_score: float | None = None
    without_gain: int = 0
    gave_up: bool = False
    unreported: list[float] = field(default_factory=list)
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)

    def copy(self) -> "Progress":
        """Return one that does not change with this one."""
        return Progress(**json.loads(json.dumps(dataclasses.asdict(self))))


@dataclass(frozen=True)
class Snapshot:
    """Everything a run needs to go on as if nothing had happened.

    Attributes:
        progress: The numbers.
        tensors: Weights and the optimizer's tensors, copies.
    """

    progress: Progress
    tensors: Mapping[str, Tensor]

    @classmethod
    def take(
        cls, progress: Progress, weights: Mapping[str, Tensor], optimizer: Optimizer
    ) -> "Snapshot":
        """Copy the state of a run.

        Args:
            progress: The numbers.
            weights: What is trained, by name.
            optimizer: What trains it.
        """
        tensors = {f"{_WEIGHTS}{name}": tensor for name, tensor in weights.items()}
        for name, tensor in weights.items():
            for key, value in optimizer.state.get(tensor, {}).items():
                tensors[f"{_OPTIMIZER}{name}/{key}"] = torch.as_tensor(value)
        return cls(progress.copy(), {name: x.detach().clone() for name, x in tensors.items()})

    @torch.no_grad()
    def restore(self, weights: Mapping[str, Tensor], optimizer: Optimizer) -> Progress:
        """Give weights and optimizer the values they had.

        Args:
            weights: What is trained, by name.
            optimizer: What trains it.

        Returns:
            The numbers, to go on with.
        """
        optimizer.state.clear()
        for name, tensor in weights.items():
            tensor.copy_(self.tensors[f"{_WEIGHTS}{name}"])
            prefix = f"{_OPTIMIZER}{name}/"
            slots = {
                # From a file they come to the processor's memory.
                key.removeprefix(prefix): value.to(tensor.device, copy=True)
                for key, value in self.tensors.items()
                if key.startswith(prefix)
            }
            if slots:
                optimizer.state[tensor] = slots
        return self.progress.copy()

    def write(self, path: Path, fingerprint: str, good: "Snapshot") -> None:
        """Write it to a file, whole or not at all.

        Args:
            path: The file.
            fingerprint: What the run is made of: settings, data and first weights.
            good: The state to go back to, which is written too where it is another one.

        Raises:
            CheckpointError: It cannot be written; the state before is untouched.
        """
        metadata = {
            "format": _FORMAT,
            "fingerprint": fingerprint,
            "progress": json.dumps(dataclasses.asdict(self.progress)),
        }
        tensors = dict(self.tensors)
        if good.progress != self.progress:
            metadata[_GOOD] = json.dumps(dataclasses.asdict(good.progress))
            tensors |= {f"{_GOOD}/{name}": tensor for name, tensor in good.tensors.items()}
        _write(path, tensors, metadata)


def stored_fingerprint(path: Path) -> str:
    """Return what the run of a state is made of; its tensors are not read.

    Args:
        path: The file.

    Raises:
        CheckpointError: It cannot be read or is damaged.
    """
    with _opened(path) as file:
        found: str = (file.metadata() or {}).get("fingerprint", "")
        return found


def read_snapshots(path: Path, fingerprint: str) -> tuple[Snapshot, Snapshot]:
    """Read the state of an interrupted run, and the one that it would go back to.

    Args:
        path: The file.
        fingerprint: What this run is made of.

    Raises:
        InputError: It belongs to another run.
        CheckpointError: It cannot be read or is damaged.
    """
    tensors, metadata = _read(path)
    if metadata.get("format") != _FORMAT:
        raise CheckpointError(f"{path} is no training state of this version.")
    if metadata.get("fingerprint") != fingerprint:
        raise InputError(
            f"{path} belongs to a run with other data, settings, another model or another number "
            "of processes. Repeat the command as it was, or begin anew with --overwrite."
        )
    try:
        progress = Progress(**json.loads(metadata["progress"]))
        before = Progress(**json.loads(metadata[_GOOD])) if _GOOD in metadata else None
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: {error}.") from None
    prefix = f"{_GOOD}/"
    good = {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}
    present = Snapshot(progress, {n: x for n, x in tensors.items() if not n.startswith(prefix)})
    return present, present if before is None else Snapshot(before, good)


def write_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Write the weights alone, as the best ones so far.

    Raises:
        CheckpointError: They cannot be written; those before are untouched.
    """
    _write(path, {name: tensor.detach() for name, tensor in weights.items()}, {"format": _FORMAT})


@torch.no_grad()
def read_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Give weights the values of a file that `write_weights` wrote.

    Raises:
        CheckpointError: It cannot be read or is damaged.
    """
    tensors, _ = _read(path)
    if tensors.keys() != weights.keys():
        raise CheckpointError(f"{path} holds other weights than the model has.")
    for name, tensor in weights.items():
        tensor.copy_(tensors[name])


def _write(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    try:
        with atomic_path(path) as temporary:
            save_file({name: x.contiguous() for name, x in tensors.items()}, temporary, metadata)
            # The new state is on the disk before it takes the place of the old one.
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
    except (OSError, SafetensorError) as error:
        if isinstance(error, CheckpointError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise CheckpointError(f"Cannot write {path}: {reason}.") from None


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with _opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"Cannot read {path}: {error}.") from None
