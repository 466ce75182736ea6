"""Removing attention heads from a layer."""

import torch
from torch import nn

from mobilebert.resizing import kept_rows
from mobilebert.torch.attention import MobileBertAttention

__all__ = ["prune_attention"]


def _select(linear: nn.Linear, index: torch.Tensor, dim: int) -> None:
    """Keep some rows (dim 0) or columns (dim 1) of a dense layer."""
    with torch.no_grad():
        weight = linear.weight.index_select(dim, index)
        linear.weight = nn.Parameter(weight, requires_grad=linear.weight.requires_grad)
        if dim == 0:
            bias = linear.bias.index_select(0, index)
            linear.bias = nn.Parameter(bias, requires_grad=linear.bias.requires_grad)
    linear.out_features, linear.in_features = linear.weight.shape


def prune_attention(attention: MobileBertAttention, gone: set[int], heads: int) -> None:
    """Remove heads from one layer's attention.

    Args:
        attention: The layer's attention.
        gone: The numbers of all heads that are then gone, counted as in the unpruned layer.
        heads: How many the unpruned layer has.
    """
    if gone == attention.pruned_heads:
        return
    size = attention.self.attention_head_size
    kept = kept_rows(heads, attention.pruned_heads, gone, size)
    index = torch.tensor(kept, device=attention.output.dense.weight.device)
    for linear in (attention.self.query, attention.self.key, attention.self.value):
        _select(linear, index, dim=0)
    _select(attention.output.dense, index, dim=1)
    attention.self.num_attention_heads = heads - len(gone)
    attention.pruned_heads = set(gone)
