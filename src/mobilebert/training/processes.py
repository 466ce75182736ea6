"""Several processes that train one model together, started by ``torchrun``."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed

from mobilebert.errors import InputError, TrainingError

__all__ = ["Processes", "joined_processes"]

# The others wait while the first process judges the model, which may take long; one that has ended
# is noticed at once.
_PATIENCE = timedelta(days=7)


@dataclass(frozen=True)
class Processes:
    """The processes of a run, of which this is one.

    Attributes:
        rank: Number of this one.
        count: How many there are.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this one evaluates, writes and reports."""
        return self.rank == 0

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by their sums over all processes."""
        if self.count == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with _others_there():
            distributed.all_reduce(flat)
        start = 0
        for tensor in tensors:
            tensor.copy_(flat[start : start + tensor.numel()].view_as(tensor))
            start += tensor.numel()

    def from_first(self, values: Sequence[float]) -> list[float]:
        """Return what the first process gives."""
        if self.count == 1:
            return list(values)
        shared = torch.tensor(list(values), dtype=torch.float64)
        with _others_there():
            distributed.broadcast(shared, src=0)
        return shared.tolist()

    def any(self, condition: bool) -> bool:
        """Tell whether a condition holds in any process."""
        if self.count == 1:
            return condition
        shared = torch.tensor([float(condition)])
        with _others_there():
            distributed.all_reduce(shared)
        return bool(shared.item() > 0)

    def wait(self) -> None:
        """Wait for all others."""
        if self.count > 1:
            with _others_there():
                distributed.barrier()


@contextmanager
def _others_there() -> Iterator[None]:
    """Say in a sentence that another process has ended.

    Raises:
        TrainingError: It has.
    """
    try:
        yield
    except RuntimeError as error:
        raise TrainingError(
            "Another process of this run has ended; it says why "
            f"({str(error).strip().splitlines()[0]:.200})."
        ) from None


@contextmanager
def joined_processes() -> Iterator[Processes]:
    """Join the others that ``torchrun`` has started; alone without it.

    Yields:
        The processes.

    Raises:
        InputError: torchrun's variables are there but name no process of a group.
    """
    if "WORLD_SIZE" not in os.environ:
        yield Processes()
        return
    try:
        rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    except (KeyError, ValueError):
        raise InputError(
            "WORLD_SIZE is set, but RANK and WORLD_SIZE are no numbers: start several processes "
            "with torchrun, or unset WORLD_SIZE."
        ) from None
    if count == 1:
        yield Processes()
        return
    distributed.init_process_group("gloo", timeout=_PATIENCE)
    try:
        yield Processes(rank, count)
    finally:
        distributed.destroy_process_group()
