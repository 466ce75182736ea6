"""Gradients of a step: sums over parts and processes, and the mean that is not too long."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mobilebert.training.guard import Fault
from mobilebert.training.processes import Processes

__all__ = ["shorten_to_mean", "summed_gradients"]


def summed_gradients(
    weights: Sequence[Tensor], totals: Tensor, processes: Processes
) -> list[Tensor]:
    """Turn sums of this process into those of all processes.

    Args:
        weights: What is trained, with the gradients of this process.
        totals: Loss, units, and those of each part; changed.
        processes: Those that take part.

    Returns:
        The gradients, sums over all units, in memory that is theirs.
    """
    if processes.count > 1:
        present = torch.tensor([float(weight.grad is not None) for weight in weights])
        processes.sum_([present])
        for weight, there in zip(weights, present.tolist(), strict=True):
            if there and weight.grad is None:
                weight.grad = torch.zeros_like(weight)
    gradients = [_numbers(weight) for weight in weights if weight.grad is not None]
    processes.sum_(gradients)
    processes.sum_([totals])
    return gradients


def shorten_to_mean(gradients: list[Tensor], units: float, longest: float) -> None:
    """Turn sums into means, none of them too long, in one pass.

    Args:
        gradients: Sums over all units; changed.
        units: How many there are.
        longest: Largest norm of all of them together.

    Raises:
        Fault: Gradients are no numbers.
    """
    if not gradients:
        return
    norm = float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))) / units
    if not math.isfinite(norm):
        raise Fault(f"the norm of the gradients is {norm}")
    # As torch.nn.utils.clip_grad_norm_, so that a norm of 0 is no matter.
    share = min(1.0, longest / (norm + 1e-6))
    # A tensor of their type: a number would be made one for each of them.
    factor = torch.tensor(share / units, dtype=gradients[0].dtype, device=gradients[0].device)
    torch._foreach_mul_(gradients, factor)


def _numbers(weight: Tensor) -> Tensor:
    """Return the numbers of a gradient, which change it; each row of a sparse one once."""
    assert weight.grad is not None  # of those that have one
    if not weight.grad.is_sparse:
        return weight.grad
    weight.grad = weight.grad.coalesce()
    return weight.grad.values()
