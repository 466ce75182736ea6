"""A `NoNorm` in the dense layer before it, and the gradients of both.

With residual r ``w * (W x + c + r) + s == (w * W) x + (w * c + s) + w * r``.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["FoldedDense", "fold", "unfold"]


@dataclass(frozen=True)
class FoldedDense:
    """A dense layer and the `NoNorm` behind it.

    Attributes:
        weight: Of the dense layer, [out, in].
        bias: Of the dense layer, [out].
        factor: Of the norm, [out].
        shift: Of the norm, [out].
    """

    weight: Tensor
    bias: Tensor
    factor: Tensor
    shift: Tensor

    def all(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the four, in order."""
        return self.weight, self.bias, self.factor, self.shift


def fold(weight: Tensor, bias: Tensor, factor: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Return weight and bias of both together."""
    return weight * factor[:, None], torch.addcmul(shift, bias, factor)


def unfold(
    to_folded: Tensor, to_bias: Tensor, weight: Tensor, bias: Tensor, factor: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of what was folded from those of what came of it; overwrites these."""
    to_factor = torch.linalg.vecdot(to_folded, weight).addcmul_(bias, to_bias)
    return to_folded.mul_(factor[:, None]), to_bias * factor, to_factor, to_bias
