"""Matrix products of packed training in the precision of autocast, and sums of them in float32."""

import torch
from torch import Tensor

from mobilebert.torch.precision import autocast_dtype

__all__ = ["add_product", "affine", "product_dtype"]


def product_dtype(x: Tensor) -> torch.dtype:
    """Return the dtype of operands of products: that of autocast, else that of `x`.

    As everywhere under autocast, float64 stays what it is.
    """
    found = None if x.dtype == torch.float64 else autocast_dtype(x.device)
    return x.dtype if found is None else found


def affine(bias: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return ``a @ b + bias`` in the precision of the bias; operands may be of a lower one."""
    return torch.addmm(bias, a, b) if a.dtype == bias.dtype else torch.add(a @ b, bias)


def add_product(total: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Add ``a @ b``, whose operands may be of a lower precision than `total`, and return it."""
    return total.addmm_(a, b) if a.dtype == total.dtype else total.add_(a @ b)
