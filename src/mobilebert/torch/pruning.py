"""Removing attention heads from a layer."""

from collections.abc import Iterable, Mapping

import torch
from torch import nn

from mobilebert.config import MobileBertConfig
from mobilebert.errors import InputError
from mobilebert.torch.attention import MobileBertAttention

__all__ = ["check_heads", "prune_attention"]


def check_heads(
    config: MobileBertConfig, heads_to_prune: Mapping[int, Iterable[int]]
) -> dict[int, set[int]]:
    """Check which heads are to go, and count layers from the start.

    Args:
        config: The configuration; what it says is pruned already counts too.
        heads_to_prune: Head numbers by layer; a negative layer counts from the end.

    Returns:
        All heads that are then gone, by layer.

    Raises:
        InputError: There is no such layer or head, or a layer would lose all heads.
    """
    layers, heads = config.num_hidden_layers, config.num_attention_heads
    gone: dict[int, set[int]] = {}
    for table in (config.pruned_heads, heads_to_prune):
        for layer, numbers in table.items():
            chosen = set(numbers)
            if not -layers <= layer < layers:
                raise InputError(f"There is no layer {layer}; layers are 0 to {layers - 1}.")
            if wrong := sorted(head for head in chosen if not 0 <= head < heads):
                raise InputError(f"There is no head {wrong[0]}; heads are 0 to {heads - 1}.")
            gone.setdefault(layer % layers, set()).update(chosen)
    for layer, chosen in gone.items():
        if len(chosen) == heads:
            raise InputError(f"Layer {layer} would lose all its {heads} heads; leave one.")
    return {layer: chosen for layer, chosen in sorted(gone.items()) if chosen}


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
    left = [head for head in range(heads) if head not in attention.pruned_heads]
    size = attention.self.attention_head_size
    kept = [at for at, head in enumerate(left) if head not in gone]
    index = torch.tensor(
        [at * size + offset for at in kept for offset in range(size)],
        device=attention.output.dense.weight.device,
    )
    for linear in (attention.self.query, attention.self.key, attention.self.value):
        _select(linear, index, dim=0)
    _select(attention.output.dense, index, dim=1)
    attention.self.num_attention_heads = len(kept)
    attention.pruned_heads = set(gone)
