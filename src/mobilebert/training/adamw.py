"""AdamW, which passes over the memory once, and over a word table only where it was read.

Loshchilov and Hutter 2019 (arXiv:1711.05101), algorithm 2. Most rows of a word table are never read
while a model is tuned on some thousand texts: their means are zero, and all that a step changes in
them is the weight decay. The bundled model has two thirds of its weights there.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mobilebert.training.group_optimizer import GroupOptimizer

__all__ = ["AdamW", "gradients_by_rows"]

# Above this share of rows that were read, all rows are as quick as some of them.
_MOST_ROWS = 0.5


class AdamW(GroupOptimizer):
    """AdamW whose gradients may be those of some rows alone.

    For each tensor w with gradient g, and the step t::

        w = w - lr weight_decay w
        m = b1 m + (1 - b1) g
        v = b2 v + (1 - b2) g^2
        w = w - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

    Rows that a sparse gradient does not name have the gradient 0, and their means go on. The state
    has the names of torch's own AdamW.

    Args:
        params: Parameters or groups of them; those with sparse gradients are matrices.
        lr: The rate.
        betas: b1 and b2.
        eps: Added to the divisor.
        weight_decay: Of the groups that do not say.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        *,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, defaults)
        # Of a table: its running mean of squares, as long as it is the state's, and whether each
        # row was ever read.
        self._read: dict[Tensor, tuple[Tensor, Tensor]] = {}

    def step_group(self, group: dict[str, Any]) -> None:
        """Take the step of a group."""
        gradients = {w: w.grad for w in group["params"] if w.grad is not None}
        whole = [self._counted(w, g) for w, g in gradients.items() if not g.is_sparse]
        _move(whole, group, group["weight_decay"])
        for weight, gradient in gradients.items():
            if gradient.is_sparse:
                self._move_rows(weight, gradient.coalesce(), group)

    def _counted(self, weight: Tensor, gradient: Tensor) -> "_Moved":
        """Return a tensor with its state; the step is counted."""
        state = self.state[weight]
        if not state:
            state |= {"exp_avg": torch.zeros_like(weight), "exp_avg_sq": torch.zeros_like(weight)}
        # A plain number: a tensor of its own for each weight costs as much as a small weight.
        state["step"] = int(state.get("step", 0)) + 1
        return _Moved(weight, gradient, state["exp_avg"], state["exp_avg_sq"], state["step"])

    def _move_rows(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """Take the step of a table.

        Args:
            weight: The table.
            gradient: Of some of its rows, none of them twice.
            group: The constants.
        """
        given, values = gradient.indices()[0], gradient.values()
        # A state that is put back cannot tell rows whose gradients were 0 from those never read.
        moves = (values != 0).any(dim=1)
        given, values = given[moves], values[moves]
        table = self._counted(weight, values)
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        rows = self._rows(table, given)
        if len(rows) > _MOST_ROWS * len(weight):
            whole = torch.zeros_like(weight).index_copy_(0, given, values)
            _move([table.with_gradient(whole)], group, 0.0)
            return
        own, mean, square = (
            part.index_select(0, rows) for part in (weight, table.mean, table.square)
        )
        grown = torch.zeros_like(own).index_copy_(0, torch.searchsorted(rows, given), values)
        _move([_Moved(own, grown, mean, square, table.step)], group, 0.0)
        for part, moved in ((weight, own), (table.mean, mean), (table.square, square)):
            part.index_copy_(0, rows, moved)

    def _rows(self, table: "_Moved", given: Tensor) -> Tensor:
        """Return which rows have ever been read, in ascending order.

        Args:
            table: The table, with the state from before the step.
            given: Rows that are read in this step.
        """
        square, read = self._read.get(table.weight, (None, None))
        if read is None or square is not table.square:
            # The state is new, or was put back.
            read = ((table.square != 0) | (table.mean != 0)).any(dim=1)
            self._read[table.weight] = table.square, read
        read[given] = True
        return read.nonzero()[:, 0]


@dataclass(frozen=True)
class _Moved:
    """A tensor in a step.

    Attributes:
        weight: Its numbers.
        gradient: Theirs.
        mean: The running mean of gradients.
        square: That of their squares.
        step: Steps with this one.
    """

    weight: Tensor
    gradient: Tensor
    mean: Tensor
    square: Tensor
    step: int

    def with_gradient(self, gradient: Tensor) -> "_Moved":
        return _Moved(self.weight, gradient, self.mean, self.square, self.step)


def _move(moved: Sequence[_Moved], group: dict[str, Any], weight_decay: float) -> None:
    """Take the step of some tensors; their numbers and means change."""
    beta1, beta2 = group["betas"]
    for step in {one.step for one in moved}:
        # Weights that rest now and then are some steps behind.
        chosen = [one for one in moved if one.step == step]
        # One pass over the memory: for the 1,100 tensors of a published model about three to four
        # times as fast as torch's default on a CPU.
        torch._fused_adamw_(
            [one.weight for one in chosen],
            [one.gradient for one in chosen],
            [one.mean for one in chosen],
            [one.square for one in chosen],
            [],
            [torch.tensor(float(step), device=chosen[0].weight.device)] * len(chosen),
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=weight_decay,
            eps=group["eps"],
            maximize=False,
        )


@contextmanager
def gradients_by_rows(table: nn.Embedding | None) -> Iterator[None]:
    """Let a table have sparse gradients, of the rows that were read.

    Args:
        table: The table; None for nothing.
    """
    if table is None:
        yield
        return
    before = table.sparse
    table.sparse = True
    try:
        yield
    finally:
        table.sparse = before
