"""The element type of the arithmetic, and where its numbers are lost."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from mobilebert.training.settings import Precision

__all__ = ["arithmetic", "first_lost"]


@contextmanager
def arithmetic(precision: Precision, device: torch.device) -> Iterator[None]:
    """Compute in an element type; weights stay float32.

    Args:
        precision: The element type.
        device: Where it is computed.
    """
    enabled = precision is Precision.BFLOAT16
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled):
        yield


@torch.no_grad()
def first_lost(
    weights: Mapping[str, Tensor],
    states: Callable[[], Sequence[Tensor]],
    scores: Callable[[], Tensor] | None = None,
) -> str:
    """Name the first place where numbers are lost.

    Args:
        weights: What is trained, by name.
        states: Computes the embeddings and what each layer makes of them.
        scores: Computes what the head makes of that; None without a head of its own.

    Returns:
        A weight, a layer, the head, or the gradient of a weight; empty if nothing is found.
    """
    for name, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            return f"the weight {name}"
    for number, state in enumerate(states()):
        if not torch.isfinite(state).all():
            return "the embeddings" if number == 0 else f"layer {number - 1}"
    if scores is not None and not torch.isfinite(scores()).all():
        return "the head"
    named = reversed(list(weights.items()))
    given = ((name, x.grad.to_dense()) for name, x in named if x.grad is not None)
    lost = (name for name, gradient in given if not torch.isfinite(gradient).all())
    gradient = next(lost, None)
    return f"the gradient of {gradient}" if gradient else ""
