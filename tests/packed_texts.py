"""Short texts of several lengths, and the gradients of what a model makes of them."""

import numpy as np
import torch

__all__ = ["LENGTHS", "gradients", "texts"]

LENGTHS = (11, 3, 11, 24, 1, 40, 11)


def texts(config, lengths=LENGTHS, seed=0):
    rng = np.random.default_rng(seed)
    ids = [rng.integers(1, config.vocab_size, length) for length in lengths]
    types = [rng.integers(0, config.type_vocab_size, length) for length in lengths]
    return ids, types


def gradients(model, states, seed=0):
    """Gradients of an arbitrary weighted sum, by name; zeros where there is none."""
    model.zero_grad()
    drawn = torch.Generator().manual_seed(seed)
    weights = torch.randn(states.shape, generator=drawn, dtype=torch.float64).to(states.dtype)
    (states * weights).sum().backward()
    return {
        name: torch.zeros_like(x) if x.grad is None else x.grad.clone()
        for name, x in model.named_parameters()
    }
