"""What a layer computes row by row, as a few differentiable functions with gradients of their own.

torch's own derivative of a layer is some hundred small operations: a third of the time of a step.
Here each function keeps what it needs, adds gradients into one another as products are made, and
works on a few rows at a time where what is between two products is wide.

A `NoNorm` behind a dense layer, `y -> w * y + s`, is folded into it: with residual r
`w * (W x + c + r) + s == (w * W) x + (w * c + s) + w * r`.

Dimensions: T tokens, H hidden_size, K width inside a layer, A width of all heads, F width of a
feed-forward network, M wanted rows.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["FoldedDense", "enter_attention", "feed_forward", "project"]

# Numbers of the wide rows of a feed-forward network that are worked on at a time: 1 MiB of float32,
# half of a core's second cache.
_WIDE_NUMBERS = 1 << 18


@dataclass(frozen=True)
class FoldedDense:
    """A dense layer and the `NoNorm` behind it.

    Attributes:
        weight: Of the dense layer, [out, in].
        bias: Of the dense layer, [out].
        factor: Of the norm, [out].
        shift: Of the norm, [out].
    """

    weight: Tensor
    bias: Tensor
    factor: Tensor
    shift: Tensor

    def all(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the four, in order."""
        return self.weight, self.bias, self.factor, self.shift


def project(x: Tensor, dense: FoldedDense, residual: Tensor) -> Tensor:
    """Return ``norm(dense(x) + residual)``, [T, in] -> [T, out].

    Args:
        x: [T, in].
        dense: The dense layer and its norm.
        residual: [T, out].
    """
    # torch gives this method no types; so with those below.
    result: Tensor = _Projection.apply(x, residual, *dense.all())  # type: ignore[no-untyped-call]
    return result


def feed_forward(x: Tensor, weight: Tensor, bias: Tensor, dense: FoldedDense) -> Tensor:
    """Return ``norm(dense(relu(weight x + bias)) + x)``, [T, K] -> [T, K].

    Args:
        x: [T, K].
        weight: Of the widening dense layer, [F, K].
        bias: Of the same, [F].
        dense: The narrowing dense layer and its norm.
    """
    result: Tensor = _FeedForward.apply(  # type: ignore[no-untyped-call]
        x, weight, bias, *dense.all()
    )
    return result


def enter_attention(
    stream: Tensor,
    wanted: Tensor | None,
    residual: FoldedDense,
    shared: FoldedDense,
    dense: tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor],
) -> tuple[Tensor, Tensor]:
    """Make of the residual stream what attention reads and what it is added to.

    Args:
        stream: The residual stream, [T, H].
        wanted: The rows of it that the result is wanted of, [M, H]; None for all.
        residual: The input bottleneck, [K, H].
        shared: The bottleneck of queries and keys, [K, H].
        dense: Weight and bias of queries and of keys, [A, K], and of values, [A, H].

    Returns:
        The residual inside the layer, [M or T, K], and queries, keys and values side by side,
        [T, 3 * A].
    """
    both: tuple[Tensor, Tensor] = _Entry.apply(  # type: ignore[no-untyped-call]
        stream, wanted, *residual.all(), *shared.all(), *dense
    )
    return both


def _fold(weight: Tensor, bias: Tensor, factor: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    return weight * factor[:, None], torch.addcmul(shift, bias, factor)


def _unfold(
    to_folded: Tensor, to_bias: Tensor, weight: Tensor, bias: Tensor, factor: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of what was folded from those of what came of it; overwrites these."""
    to_factor = torch.linalg.vecdot(to_folded, weight).addcmul_(bias, to_bias)
    return to_folded.mul_(factor[:, None]), to_bias * factor, to_factor, to_bias


class _Projection(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        residual: Tensor,
        weight: Tensor,
        bias: Tensor,
        factor: Tensor,
        shift: Tensor,
    ) -> Tensor:
        folded, both = _fold(weight, bias, factor, shift)
        ctx.save_for_backward(x, residual, weight, bias, factor, folded)
        return torch.addcmul(both, residual, factor).addmm_(x, folded.t())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, residual, weight, bias, factor, folded = ctx.saved_tensors
        to_weights: tuple[Tensor | None, ...] = (None,) * 4
        if any(ctx.needs_input_grad[2:]):
            to_weights = _unfold(grad.t() @ x, grad.sum(0), weight, bias, factor)
            to_weights[2].add_(torch.linalg.vecdot(grad, residual, dim=0))
        needed = ctx.needs_input_grad
        return (
            grad @ folded if needed[0] else None,
            grad * factor if needed[1] else None,
            *to_weights,
        )


class _FeedForward(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        narrow: Tensor,
        narrow_bias: Tensor,
        factor: Tensor,
        shift: Tensor,
    ) -> Tensor:
        folded, both = _fold(narrow, narrow_bias, factor, shift)
        result = torch.addcmul(both, x, factor)
        wide = x.new_empty(len(x), len(weight))
        for some in _slices(wide):
            torch.addmm(bias, x[some], weight.t(), out=wide[some]).relu_()
            result[some].addmm_(wide[some], folded.t())
        ctx.save_for_backward(x, wide, weight, narrow, narrow_bias, factor, folded)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, wide, weight, narrow, narrow_bias, factor, folded = ctx.saved_tensors
        needed = ctx.needs_input_grad
        weights_needed = any(needed[1:])
        to_x = grad * factor
        to_weight, to_folded = torch.zeros_like(weight), torch.zeros_like(folded)
        to_bias = weight.new_zeros(len(weight))
        for some in _slices(wide):
            to_wide = grad[some] @ folded
            torch.ops.aten.threshold_backward.grad_input(to_wide, wide[some], 0, grad_input=to_wide)
            to_x[some].addmm_(to_wide, weight)
            if weights_needed:
                to_folded.addmm_(grad[some].t(), wide[some])
                to_weight.addmm_(to_wide.t(), x[some])
                to_bias += to_wide.sum(0)
        if not weights_needed:
            return to_x, None, None, None, None, None, None
        to_narrow = _unfold(to_folded, grad.sum(0), narrow, narrow_bias, factor)
        to_narrow[2].add_(torch.linalg.vecdot(grad, x, dim=0))
        return to_x if needed[0] else None, to_weight, to_bias, *to_narrow


class _Entry(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, stream: Tensor, wanted: Tensor | None, *weights: Tensor) -> Any:
        own, shared = weights[:4], weights[4:8]
        query, query_bias, key, key_bias, value, value_bias = weights[8:]
        (own_folded, own_both), (shared_folded, shared_both) = _fold(*own), _fold(*shared)
        read = stream if wanted is None else wanted
        residual = torch.addmm(own_both, read, own_folded.t())
        narrow = torch.addmm(shared_both, stream, shared_folded.t())
        query_key = torch.cat([query, key])
        width = len(query_key)
        joint = stream.new_empty(len(stream), width + len(value))
        both = torch.cat([query_bias, key_bias])
        torch.addmm(both, narrow, query_key.t(), out=joint[:, :width])
        torch.addmm(value_bias, stream, value.t(), out=joint[:, width:])
        ctx.save_for_backward(
            stream, wanted, narrow, own_folded, shared_folded, query_key, value, *weights[:8]
        )
        return residual, joint

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_residual: Tensor, to_joint: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        stream, wanted, narrow, own_folded, shared_folded, query_key, value = saved[:7]
        own, shared = saved[7:11], saved[11:15]
        width = len(query_key)
        to_query_key, to_values = to_joint[:, :width], to_joint[:, width:]
        to_narrow = to_query_key @ query_key
        to_stream = to_wanted = None
        if any(ctx.needs_input_grad[:2]):
            to_stream = (to_values @ value).addmm_(to_narrow, shared_folded)
            if wanted is None:
                to_stream.addmm_(to_residual, own_folded)
            else:
                to_wanted = to_residual @ own_folded
        if not any(ctx.needs_input_grad[2:]):
            return to_stream, to_wanted, *(None,) * 14
        read = stream if wanted is None else wanted
        to_both = to_query_key.t() @ narrow
        half = width // 2
        sums = to_joint.sum(0)
        return (
            to_stream,
            to_wanted,
            *_unfold(to_residual.t() @ read, to_residual.sum(0), *own[:3]),
            *_unfold(to_narrow.t() @ stream, to_narrow.sum(0), *shared[:3]),
            to_both[:half],
            sums[:half],
            to_both[half:],
            sums[half:width],
            to_values.t() @ stream,
            sums[width:],
        )


def _slices(wide: Tensor) -> list[slice]:
    """Cut rows so that a few megabytes of them are worked on at a time."""
    step = max(1, _WIDE_NUMBERS * torch.get_num_threads() // max(1, wide.shape[1]))
    return [slice(first, first + step) for first in range(0, len(wide), step)]
