"""What a layer computes row by row, as a few differentiable functions with gradients of their own.

torch's own derivative of a layer is some hundred small operations: a third of the time of a step.
Here each function keeps what it needs, adds gradients into one another as products are made, and
works on a few rows at a time where what is between two products is wide.

Under autocast the operands of products are of its dtype, and so is what is kept of them for the
backward pass; residuals, sums and the gradients of weights stay in float32. A product's result is
rounded once, before it is widened and added.

A `NoNorm` behind a dense layer, `y -> w * y + s`, is folded into it: with residual r
`w * (W x + c + r) + s == (w * W) x + (w * c + s) + w * r`.

Dimensions: T tokens, H hidden_size, K width inside a layer, A width of all heads, F width of a
feed-forward network, M wanted rows.
"""

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mobilebert.torch import native_training
from mobilebert.torch.folding import FoldedDense, fold, unfold
from mobilebert.torch.packed_products import add_product, affine, product_dtype
from mobilebert.torch.precision import without_autocast

__all__ = ["FoldedDense", "enter_attention", "feed_forward", "project"]

# Numbers of the wide rows of a feed-forward network that are worked on at a time: 1 MiB of float32,
# half of a core's second cache.
_WIDE_NUMBERS = 1 << 18


def project(x: Tensor, dense: FoldedDense, residual: Tensor) -> Tensor:
    """Return ``norm(dense(x) + residual)``, [T, in] -> [T, out].

    Args:
        x: [T, in].
        dense: The dense layer and its norm.
        residual: [T, out].
    """
    product = product_dtype(residual)
    if native_training.runs_native(product, residual, dense.weight):
        return native_training.project(x, dense, residual)
    # torch gives this method no types; so with those below.
    result: Tensor = _Projection.apply(  # type: ignore[no-untyped-call]
        product, x, residual, *dense.all()
    )
    return result


def feed_forward(x: Tensor, weight: Tensor, bias: Tensor, dense: FoldedDense) -> Tensor:
    """Return ``norm(dense(relu(weight x + bias)) + x)``, [T, K] -> [T, K].

    Args:
        x: [T, K].
        weight: Of the widening dense layer, [F, K].
        bias: Of the same, [F].
        dense: The narrowing dense layer and its norm.
    """
    product = product_dtype(x)
    if native_training.runs_native(product, x, weight, dense.weight):
        return native_training.feed_forward(x, weight, bias, dense)
    result: Tensor = _FeedForward.apply(  # type: ignore[no-untyped-call]
        product, x, weight, bias, *dense.all()
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
    product, matrices = product_dtype(stream), (residual.weight, shared.weight, *dense[::2])
    if wanted is None and native_training.runs_native(product, stream, *matrices):
        return native_training.enter_attention(stream, residual, shared, dense)
    both: tuple[Tensor, Tensor] = _Entry.apply(  # type: ignore[no-untyped-call]
        product, stream, wanted, *residual.all(), *shared.all(), *dense
    )
    return both


def _channel_sums(grad: Tensor, x: Tensor) -> Tensor:
    """Return ``sum(grad * x)`` for each channel; `x` may be of a lower precision."""
    sums: Tensor = torch.linalg.vecdot(grad, x.to(grad.dtype), dim=0)
    return sums


class _Projection(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        product: torch.dtype,
        x: Tensor,
        residual: Tensor,
        weight: Tensor,
        bias: Tensor,
        factor: Tensor,
        shift: Tensor,
    ) -> Tensor:
        with without_autocast(x.device):
            folded, both = fold(weight, bias, factor, shift)
            folded, operand = folded.to(product), x.to(product)
            ctx.save_for_backward(operand, residual, weight, bias, factor, folded)
            ctx.dtype = x.dtype
            return add_product(torch.addcmul(both, residual, factor), operand, folded.t())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, residual, weight, bias, factor, folded = ctx.saved_tensors
        needed = ctx.needs_input_grad[1:]
        to_x = to_residual = None
        to_weights: tuple[Tensor | None, ...] = (None,) * 4
        with without_autocast(x.device):
            operand = grad.to(x.dtype)
            if any(needed[2:]):
                to_folded = (operand.t() @ x).to(weight.dtype)
                to_weights = unfold(to_folded, grad.sum(0), weight, bias, factor)
                to_weights[2].add_(_channel_sums(grad, residual))
            if needed[0]:
                to_x = (operand @ folded).to(ctx.dtype)
            if needed[1]:
                to_residual = grad * factor
        return None, to_x, to_residual, *to_weights


class _FeedForward(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        product: torch.dtype,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        narrow: Tensor,
        narrow_bias: Tensor,
        factor: Tensor,
        shift: Tensor,
    ) -> Tensor:
        with without_autocast(x.device):
            folded, both = fold(narrow, narrow_bias, factor, shift)
            result = torch.addcmul(both, x, factor)
            read, widening, folded = (y.to(product) for y in (x, weight, folded))
            wide = read.new_empty(len(x), len(weight))
            bias = bias.to(product)
            for some in _slices(wide, x.dtype):
                torch.addmm(bias, read[some], widening.t(), out=wide[some]).relu_()
                add_product(result[some], wide[some], folded.t())
            ctx.save_for_backward(read, wide, widening, narrow, narrow_bias, factor, folded)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, wide, weight, narrow, narrow_bias, factor, folded = ctx.saved_tensors
        needed = ctx.needs_input_grad[1:]
        with without_autocast(x.device):
            to_x, operand = grad * factor, grad.to(x.dtype)
            sums = _WideSums.zero(grad, weight) if any(needed[1:]) else None
            for some in _slices(wide, grad.dtype):
                to_wide = operand[some] @ folded
                torch.ops.aten.threshold_backward.grad_input(
                    to_wide, wide[some], 0, grad_input=to_wide
                )
                add_product(to_x[some], to_wide, weight)
                if sums is not None:
                    sums.add(operand[some], wide[some], to_wide, x[some])
            if sums is None:
                return None, to_x, *(None,) * 6
            to_narrow = unfold(sums.to_folded, grad.sum(0), narrow, narrow_bias, factor)
            to_narrow[2].add_(_channel_sums(grad, x))
        return None, to_x if needed[0] else None, sums.to_weight, sums.to_bias, *to_narrow


@dataclass(frozen=True)
class _WideSums:
    """The gradients of a feed-forward network's weights, added up over slices of rows.

    Attributes:
        to_weight: Of the widening layer, [F, K].
        to_bias: Of the same, [F].
        to_folded: Of the narrowing layer with its norm, [K, F].
    """

    to_weight: Tensor
    to_bias: Tensor
    to_folded: Tensor

    @classmethod
    def zero(cls, grad: Tensor, weight: Tensor) -> Self:
        zeros = torch.zeros_like(weight, dtype=grad.dtype)
        return cls(zeros, grad.new_zeros(len(weight)), torch.zeros_like(zeros.t()))

    def add(self, grad: Tensor, wide: Tensor, to_wide: Tensor, x: Tensor) -> None:
        add_product(self.to_folded, grad.t(), wide)
        add_product(self.to_weight, to_wide.t(), x)
        self.to_bias.add_(to_wide.sum(0))


class _Entry(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, product: torch.dtype, stream: Tensor, wanted: Tensor | None, *weights: Tensor
    ) -> Any:
        with without_autocast(stream.device):
            (own, own_both), (shared, shared_both) = fold(*weights[:4]), fold(*weights[4:8])
            own, shared, shared_both = (y.to(product) for y in (own, shared, shared_both))
            query, query_bias, key, key_bias, value, value_bias = (
                y.to(product) for y in weights[8:]
            )
            read = stream.to(product)
            some = None if wanted is None else wanted.to(product)
            residual = affine(own_both, read if some is None else some, own.t())
            narrow = torch.addmm(shared_both, read, shared.t())
            query_key = torch.cat([query, key])
            width = len(query_key)
            joint = read.new_empty(len(read), width + len(value))
            both = torch.cat([query_bias, key_bias])
            torch.addmm(both, narrow, query_key.t(), out=joint[:, :width])
            torch.addmm(value_bias, read, value.t(), out=joint[:, width:])
        # What reads the stream, one below the other.
        readers = torch.cat([value, shared, own])
        ctx.save_for_backward(read, some, narrow, readers, query_key, *weights[:8])
        ctx.widths = [len(value), len(shared), len(own)]
        return residual, joint

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_residual: Tensor, to_joint: Tensor) -> tuple[Tensor | None, ...]:
        stream, wanted, narrow, readers, query_key, *folded = ctx.saved_tensors
        needed, width = ctx.needs_input_grad[1:], len(query_key)
        with without_autocast(stream.device):
            to_query_key, to_values = to_joint[:, :width], to_joint[:, width:]
            to_narrow, to_own = to_query_key @ query_key, to_residual.to(stream.dtype)
            parts = [to_values, to_narrow] if wanted is not None else [to_values, to_narrow, to_own]
            to_read = torch.cat(parts, dim=1)
            to_stream = to_wanted = None
            if any(needed[:2]):
                to_stream = (to_read @ readers[: to_read.shape[1]]).to(to_residual.dtype)
                if wanted is not None:
                    to_wanted = (to_own @ readers[to_read.shape[1] :]).to(to_residual.dtype)
            if not any(needed[2:]):
                return None, to_stream, to_wanted, *(None,) * 14
            products = [to_read.t() @ stream]
            if wanted is not None:
                products.append(to_own.t() @ wanted)
            dtype = folded[0].dtype
            to_value, to_shared, to_own = torch.split(torch.cat(products).to(dtype), ctx.widths)
            to_both = (to_query_key.t() @ narrow).to(dtype)
            half = width // 2
            sums = to_joint.sum(0).to(dtype)
            of_norms = (
                *unfold(to_own, to_residual.sum(0), *folded[:3]),
                *unfold(to_shared, to_narrow.sum(0).to(dtype), *folded[4:7]),
            )
        of_queries_and_keys = to_both[:half], sums[:half], to_both[half:], sums[half:width]
        of_values = to_value, sums[width:]
        return None, to_stream, to_wanted, *of_norms, *of_queries_and_keys, *of_values


def _slices(wide: Tensor, dtype: torch.dtype) -> list[slice]:
    """Cut rows so that a few megabytes of them are worked on at a time.

    Where products are in a lower precision than the rest, `dtype`, all rows are one slice: what is
    between the products is small, and every product costs a pass over the sums.
    """
    if wide.dtype != dtype:
        return [slice(None)]
    step = max(1, _WIDE_NUMBERS * torch.get_num_threads() // max(1, wide.shape[1]))
    return [slice(first, first + step) for first in range(0, len(wide), step)]
