"""One layer over packed rows, with the norms folded into the dense layers before them.

For a NoNorm `y -> w * y + b` behind a dense layer with residual r:
`w * (W x + c + r) + b == (w * W) x + (w * c + b) + w * r`. The small matrices are folded anew at
every call, so gradients reach W, c, w and b, and one pass over the rows remains of the norm.
A true layer normalisation comes behind the same functions, with w = 1 and b = 0.
Weights are read as attributes of their modules: what a module computes them from gets gradients
too.

Dimensions: T tokens, H hidden_size, K width inside a layer, M wanted rows.
"""

from collections.abc import Callable, Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilebert.torch.layers import (
    Bottleneck,
    FeedForward,
    InputBottleneck,
    Intermediate,
    MobileBertLayer,
)
from mobilebert.torch.norms import NoNorm, ResidualProjection
from mobilebert.torch.packed_attention import AttentionOutput, attend
from mobilebert.torch.packed_batch import AttentionLayout
from mobilebert.torch.packed_projections import (
    FoldedDense,
    enter_attention,
    feed_forward,
    project,
)
from mobilebert.torch.precision import autocast_dtype, widened
from mobilebert.weights import AttentionInput

__all__ = ["add_normed", "dense", "run_layer"]

# The same functions, overwriting what they read: the result of a dense layer, which no derivative
# needs.
_IN_PLACE: dict[Callable[..., Tensor], Callable[[Tensor], Tensor]] = {
    F.relu: torch.relu_,
    F.relu6: lambda x: F.relu6(x, inplace=True),
}


def run_layer(
    layer: MobileBertLayer,
    stream: Tensor,
    layout: AttentionLayout,
    rows: Tensor | None = None,
    output: AttentionOutput = AttentionOutput.NONE,
) -> tuple[Tensor, ...]:
    """Run a layer.

    Args:
        layer: The layer.
        stream: The residual stream, [T, H].
        layout: Where rows stand while they attend.
        rows: The rows that are wanted of the result, [M]; all by default.
        output: What is wanted of the attention.

    Returns:
        The residual stream after the layer, [T or M, H], and for each group of the layout what
        `output` says.
    """
    wanted = stream if rows is None else stream.index_select(0, rows)
    joint, residual = _read(layer, stream, wanted, rows)
    own = layer.attention.self
    dropout = own.dropout.p if own.training else 0.0
    context, shown = attend(joint, layout, dropout, output)
    if rows is not None:
        context = context.index_select(0, rows)
    narrow = _project(layer.attention.output, context, residual)
    for network in cast(Iterable[FeedForward], layer.ffn):
        narrow = _feed_forward(network.intermediate, network.output, narrow)
    narrow = _feed_forward(layer.intermediate, layer.output, narrow)
    if layer.use_bottleneck:
        narrow = _project(layer.output.bottleneck, narrow, wanted)
    return narrow, *shown


def dense(x: Tensor, module: nn.Linear) -> Tensor:
    """Apply a dense layer, [rows, in] -> [rows, out]."""
    return F.linear(x, widened(module.weight), widened(module.bias))


def add_normed(
    x: Tensor, module: nn.Linear, norm: nn.Module, residual: Tensor | None, dropout: float = 0.0
) -> Tensor:
    """Apply a dense layer, add a residual, and normalise: ``norm(dropout(module(x)) + residual)``.

    Args:
        x: [rows, in].
        module: The dense layer.
        norm: The norm behind it.
        residual: [rows, out], or None.
        dropout: Share of the dense layer's results that are dropped.
    """
    if not isinstance(norm, NoNorm):
        projected = F.dropout(dense(x, module), dropout)
        summed = projected if residual is None else projected + residual
        # Under autocast the product alone is of the lower precision, as behind a NoNorm.
        normed: Tensor = norm(summed.to(cast(Tensor, norm.weight).dtype))
        return normed
    factor, shift = widened(norm.weight), widened(norm.bias)
    weight = widened(module.weight) * factor[:, None]
    bias = widened(module.bias) * factor
    if residual is None:
        return F.linear(x, weight, bias + shift)
    if dropout:
        return torch.addcmul(shift, residual, factor) + F.dropout(
            F.linear(x, weight, bias), dropout
        )
    carried = torch.addcmul(bias + shift, residual, factor)
    if autocast_dtype(x.device) is not None:
        # The product is of the lower precision, the sum stays in that of the residual.
        return carried + F.linear(x, weight)
    return carried.addmm_(x, weight.t())


def _read(
    layer: MobileBertLayer, stream: Tensor, wanted: Tensor, rows: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return queries, keys and values side by side, [T, 3 * A], and the residual [M, K]."""
    own = layer.attention.self
    projections = (own.query, own.key, own.value)
    if (
        layer.use_bottleneck
        and layer.bottleneck.attention_input is AttentionInput.SHARED_BOTTLENECK
    ):
        entries = layer.bottleneck.input, layer.bottleneck.attention
        folded = [_folded(entry.dense, entry.LayerNorm, stream) for entry in entries]
        whole = all(isinstance(entry.LayerNorm, NoNorm) for entry in entries)
        if whole and folded[0] is not None and folded[1] is not None:
            weights = [widened(x) for module in projections for x in (module.weight, module.bias)]
            residual, joint = enter_attention(
                stream, None if rows is None else wanted, folded[0], folded[1], tuple(weights)
            )
            return joint, residual
    query_key = value = stream
    residual = wanted
    if layer.use_bottleneck:
        query_key, value, residual = _bottlenecks(layer.bottleneck, stream, wanted, rows)
    read = (query_key, query_key, value)
    return torch.cat(
        [dense(x, module) for x, module in zip(read, projections, strict=True)], 1
    ), residual


def _folded(module: nn.Linear, norm: nn.Module, residual: Tensor) -> FoldedDense | None:
    """Return what functions with gradients of their own read; None where they do not apply.

    Of a layer normalisation nothing is folded: `_behind` applies it to what they return.
    """
    weight, bias = widened(module.weight), widened(module.bias)
    if weight.dtype != residual.dtype:
        return None
    if isinstance(norm, NoNorm):
        return FoldedDense(weight, bias, widened(norm.weight), widened(norm.bias))
    return FoldedDense(weight, bias, torch.ones_like(bias), torch.zeros_like(bias))


def _behind(norm: nn.Module, x: Tensor) -> Tensor:
    """Apply what was not folded of a norm."""
    normed: Tensor = x if isinstance(norm, NoNorm) else norm(x)
    return normed


def _bottlenecks(
    bottleneck: Bottleneck, stream: Tensor, wanted: Tensor, rows: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return what queries and keys read, what values read, [T, ...], and the residual [M, K]."""
    if bottleneck.attention_input is AttentionInput.BOTTLENECK:
        narrow = _enter(bottleneck.input, stream)
        return narrow, narrow, narrow if rows is None else narrow.index_select(0, rows)
    residual = _enter(bottleneck.input, wanted)
    if bottleneck.attention_input is AttentionInput.SHARED_BOTTLENECK:
        return _enter(bottleneck.attention, stream), stream, residual
    return stream, stream, residual


def _enter(bottleneck: InputBottleneck, stream: Tensor) -> Tensor:
    return add_normed(stream, bottleneck.dense, bottleneck.LayerNorm, None)


def _feed_forward(intermediate: Intermediate, output: ResidualProjection, x: Tensor) -> Tensor:
    module = intermediate.dense
    if intermediate.intermediate_act_fn is F.relu and not _dropout(output):
        folded = _folded(output.dense, output.LayerNorm, x)
        if folded is not None:
            narrow = feed_forward(x, widened(module.weight), widened(module.bias), folded)
            return _behind(output.LayerNorm, narrow)
    activation = intermediate.intermediate_act_fn
    wide = _IN_PLACE.get(activation, activation)(dense(x, module))
    return _project(output, wide, x)


def _project(output: ResidualProjection, x: Tensor, residual: Tensor) -> Tensor:
    dropout = _dropout(output)
    folded = None if dropout else _folded(output.dense, output.LayerNorm, residual)
    if folded is not None:
        return _behind(output.LayerNorm, project(x, folded, residual))
    return add_normed(x, output.dense, output.LayerNorm, residual, dropout)


def _dropout(output: ResidualProjection) -> float:
    return output.dropout.p if output.training else 0.0
