"""Where a run computes."""

import os

import torch

from mobilebert.errors import InputError

__all__ = ["resolve_device"]


def resolve_device(name: str) -> torch.device:
    """Return a device by its name.

    Args:
        name: ``auto`` (an accelerator if there is one), ``cpu``, ``cuda``, ``cuda:1``, ... Of the
            processes that torchrun starts, each takes the accelerator of its number.

    Raises:
        InputError: There is no such device on this machine.
    """
    there = torch.cuda.is_available()
    if name == "auto":
        name = "cuda" if there else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"device is {name!r}; choose auto, cpu, cuda or cuda:NUMBER.") from None
    if device.type == "cpu":
        return device
    if device.type != "cuda" or not there:
        raise InputError(f"This machine has no {name!r}; choose auto or cpu.")
    if device.index is None:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    if (device.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"This machine has {torch.cuda.device_count()} accelerators, and {device} is none of "
            "them."
        )
    return device
