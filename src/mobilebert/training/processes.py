"""Several processes that train one model together, started by ``torchrun``."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from mobilebert.errors import InputError

__all__ = ["Processes", "joined_processes"]


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
        distributed.broadcast(shared, src=0)
        return shared.tolist()

    def any(self, condition: bool) -> bool:
        """Tell whether a condition holds in any process."""
        if self.count == 1:
            return condition
        shared = torch.tensor([float(condition)])
        distributed.all_reduce(shared)
        return bool(shared.item() > 0)

    def wait(self) -> None:
        """Wait for all others."""
        if self.count > 1:
            distributed.barrier()


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
    distributed.init_process_group("gloo")
    try:
        yield Processes(rank, count)
    finally:
        distributed.destroy_process_group()
