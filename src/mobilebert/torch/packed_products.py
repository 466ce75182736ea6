"""Matrix products of packed training in the precision of autocast, and sums of them in float32."""

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

__all__ = ["add_product", "affine", "product_dtype", "without_autocast"]


def product_dtype(x: Tensor) -> torch.dtype:
    """Return the dtype of operands of products: that of autocast, else that of `x`.

    As everywhere under autocast, float64 stays what it is.
    """
    kind = x.device.type
    if x.dtype == torch.float64 or not torch.is_autocast_enabled(kind):
        return x.dtype
    return torch.get_autocast_dtype(kind)


def without_autocast(x: Tensor) -> AbstractContextManager[Any]:
    """Return a context for functions that choose the dtype of each operand themselves."""
    return torch.autocast(x.device.type, enabled=False)


def affine(bias: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return ``a @ b + bias`` in the precision of the bias; operands may be of a lower one."""
    return torch.addmm(bias, a, b) if a.dtype == bias.dtype else torch.add(a @ b, bias)


def add_product(total: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Add ``a @ b``, whose operands may be of a lower precision than `total`, and return it."""
    return total.addmm_(a, b) if a.dtype == total.dtype else total.add_(a @ b)
