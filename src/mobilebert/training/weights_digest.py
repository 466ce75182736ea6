"""A digest of a model's weights, for fingerprints of runs."""

import hashlib

import torch
from torch import nn

__all__ = ["weights_digest"]


def weights_digest(model: nn.Module) -> str:
    """Return a digest of all weights of a model, wherever they are."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
