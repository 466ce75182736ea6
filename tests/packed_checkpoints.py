"""Small checkpoints on disk, written without a framework."""

import dataclasses

import numpy as np

from mobilebert.checkpoint import save_checkpoint
from models import random_tensors, small_config

__all__ = ["arrays_of", "write"]


def write(directory, task="pretraining", seed=0, dtype=np.float32, **fields):
    """Write a random checkpoint and return its directory."""
    config = small_config(**fields)
    tensors = random_tensors(config, task, seed=seed, dtype=dtype)
    save_checkpoint(directory, config, tensors, task=task)
    return directory


def arrays_of(value):
    """Yield all arrays of a packed program."""
    if isinstance(value, np.ndarray):
        yield value
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from arrays_of(getattr(value, field.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from arrays_of(item)
