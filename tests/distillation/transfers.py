"""Teachers and students of the tests, and what both make of a batch of several lengths."""

import numpy as np
import torch

from mobilebert.torch.packed import AttentionOutput, encode_packed, pack
from models import random_tensors
from torch_models import build, fill

__all__ = ["LENGTHS", "batch_of", "inside", "student_of", "teacher_of"]

# Groups with padding, without, and of one.
LENGTHS = (11, 3, 11, 10, 1, 30, 11)


def student_of(task="pretraining", dtype=torch.float64, **fields):
    return build(task, dtype=dtype, **{"num_hidden_layers": 3} | fields)


def teacher_of(task="pretraining", dtype=torch.float64, **fields):
    """Build a teacher that has no tensor in common with a student."""
    model = build(task, "teacher", dtype=dtype, **{"num_hidden_layers": 3} | fields)
    return fill(model, random_tensors(model.config, task, seed=1))


def batch_of(config, lengths=LENGTHS, seed=0):
    rng = np.random.default_rng(seed)
    return pack([rng.integers(1, config.vocab_size, length) for length in lengths])


def inside(model, batch, **options):
    """Return all states and attentions."""
    return encode_packed(
        model,
        batch,
        output_hidden_states=True,
        output_attentions=AttentionOutput.LOG_PROBABILITIES,
        **options,
    )
