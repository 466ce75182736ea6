"""The activation names of `mobilebert.activations` as PyTorch functions."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from mobilebert.activations import (
    LAPLACE_DEVIATION,
    LAPLACE_MEAN,
    LEAKY_SLOPE,
    QUICK_GELU_SCALE,
    canonical_activation,
)

__all__ = ["torch_activation"]


# Functions with names: models are pickled with them.


def _gelu_10(x: Tensor) -> Tensor:
    return F.gelu(x).clip(-10, 10)


def _laplace(x: Tensor) -> Tensor:
    scaled = (x - LAPLACE_MEAN) / (LAPLACE_DEVIATION * math.sqrt(2.0))
    return 0.5 * (1.0 + torch.erf(scaled))


def _linear(x: Tensor) -> Tensor:
    return x


def _quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(QUICK_GELU_SCALE * x)


def _relu2(x: Tensor) -> Tensor:
    return F.relu(x).square()


_TORCH: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_10": _gelu_10,
    "gelu_new": partial(F.gelu, approximate="tanh"),
    "laplace": _laplace,
    "leaky_relu": partial(F.leaky_relu, negative_slope=LEAKY_SLOPE),
    "linear": _linear,
    "mish": F.mish,
    "quick_gelu": _quick_gelu,
    "relu": F.relu,
    "relu2": _relu2,
    "relu6": F.relu6,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "tanh": torch.tanh,
}


def torch_activation(hidden_act: str | Callable[..., Any]) -> Callable[[Tensor], Tensor]:
    """Return the activation as a function on tensors.

    Args:
        hidden_act: A name, or a callable, which is returned as it is.

    Raises:
        ConfigError: The name is unknown.
    """
    if callable(hidden_act):
        return hidden_act
    return _TORCH[canonical_activation(hidden_act)]
