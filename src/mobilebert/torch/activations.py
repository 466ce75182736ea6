"""The activation names of `mobilebert.activations` as PyTorch functions."""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from mobilebert.activations import canonical_activation

__all__ = ["torch_activation"]

_TORCH: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_new": partial(F.gelu, approximate="tanh"),
    "relu": F.relu,
    "relu6": F.relu6,
    "silu": F.silu,
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
