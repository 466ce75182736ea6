"""Float16 without overflow: weights are stored in 16 bits, the arithmetic has 32.

The residual stream of published MobileBERT checkpoints reaches 2.5e7 at the first token, and the
largest float16 number is 65504: a model that computes in float16 answers inf and NaN. The stream
and everything that reads it is therefore float32. Modules stay ordinary ones; they see widened
copies of their weights while they run. bfloat16 has the range of float32 and needs none of this.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from mobilebert.errors import InputError

__all__ = [
    "arithmetic_dtype",
    "autocast_dtype",
    "dtype_of",
    "in_float32",
    "outside_float16_autocast",
    "widened",
    "without_autocast",
]


def arithmetic_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype a model with weights of `dtype` computes in."""
    return torch.float32 if dtype == torch.float16 else dtype


def dtype_of(dtype: torch.dtype | str | None) -> torch.dtype | None:
    """Return a floating-point dtype by name ("float16", "torch.bfloat16") or as it is.

    Raises:
        InputError: There is no such floating-point dtype.
    """
    found = getattr(torch, dtype.removeprefix("torch."), None) if isinstance(dtype, str) else dtype
    if found is None and dtype is None:
        return None
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise InputError(
            f"dtype must be float32, float64, bfloat16 or float16, by name or as torch.dtype, "
            f"not {dtype!r}."
        )
    return found


def in_float32(module: nn.Module, *args: Any) -> Any:
    """Call a module; if its weights are float16, with float32 copies of them.

    Args:
        module: What to call.
        *args: Its arguments; float16 tensors are widened too where the weights are.
    """
    first = next(module.parameters(), None)
    if first is None or first.dtype != torch.float16:
        return module(*args)
    weights = {name: widened(weight) for name, weight in module.named_parameters()}
    return functional_call(module, weights, tuple(widened(arg) for arg in args))


def widened(value: Any) -> Any:
    """Return a float16 tensor as float32 and anything else as it is."""
    if isinstance(value, Tensor) and value.dtype == torch.float16:
        return value.float()
    return value


def outside_float16_autocast(device: torch.device) -> AbstractContextManager[Any]:
    """Return a context without float16 autocast, for arithmetic that exceeds its range.

    Autocast to bfloat16 is left alone.
    """
    return without_autocast(device) if autocast_dtype(device) == torch.float16 else nullcontext()


def autocast_dtype(device: torch.device) -> torch.dtype | None:
    """Return the dtype of autocast on a device, or None where it is off.

    Devices without autocast, such as "meta", refuse to be asked whether it is on.
    """
    kind = device.type
    if not torch.amp.is_autocast_available(kind) or not torch.is_autocast_enabled(kind):
        return None
    return torch.get_autocast_dtype(kind)


def without_autocast(device: torch.device) -> AbstractContextManager[Any]:
    """Return a context for functions that choose the dtype of each operand themselves."""
    kind = device.type
    known = torch.amp.is_autocast_available(kind)
    return torch.autocast(kind, enabled=False) if known else nullcontext()
