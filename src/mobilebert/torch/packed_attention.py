"""Attention over packed sequences: padded among similar lengths, nowhere else.

Dimensions: T tokens, N heads, D head size, P rows of the padded buffer (`AttentionLayout`).
"""

import math
from enum import StrEnum
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mobilebert.torch import native_training
from mobilebert.torch.packed_batch import AttentionGroup, AttentionLayout
from mobilebert.torch.precision import without_autocast

__all__ = ["AttentionOutput", "attend"]


class AttentionOutput(StrEnum):
    """What attention shows besides its context.

    For each group of similar lengths a tensor [count, N, length, length], in float32 or wider, in
    the order of `AttentionLayout.order`. Where the query or the key is padding, probabilities are 0
    and their logarithms the lowest finite number: its exponential is 0, and so is its product with
    that, so that sums over whole tensors are sums over what is there.
    """

    NONE = "none"
    PROBABILITIES = "probabilities"  # after dropout
    LOG_PROBABILITIES = "log_probabilities"  # of the masked scores, before dropout


def attend(
    joint: Tensor,
    layout: AttentionLayout,
    dropout: float = 0.0,
    output: AttentionOutput = AttentionOutput.NONE,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Attend within each sequence; gradients flow through all that is returned.

    Args:
        joint: Queries, keys and values side by side, [T, 3 * N * D].
        layout: Where the rows stand.
        dropout: Share of the probabilities that are dropped.
        output: What is wanted besides.

    Returns:
        The context, [T, N * D], and what `output` says, for each group.
    """
    native = output is AttentionOutput.NONE and dropout < 1
    if native and native_training.attends_native(joint, layout.heads):
        return native_training.attend(joint, layout.starts, layout.heads, dropout), ()
    # torch gives this method no types.
    context, *shown = _Attention.apply(  # type: ignore[no-untyped-call]
        joint, layout, dropout, output
    )
    return context, tuple(shown)


def _padded(joint: Tensor, layout: AttentionLayout) -> Tensor:
    """[T, 3 * N * D] -> [3, P, D]."""
    rows = joint.view(len(layout.places) * 3, -1).index_select(0, layout.joint_slots)
    return rows.view(3, len(layout.slots), -1)


def _of_group(buffer: Tensor, group: AttentionGroup, layout: AttentionLayout) -> Tensor:
    """[P, D] -> [count * N, length, D]."""
    matrices = group.count * layout.heads
    rows = buffer[group.first : group.first + matrices * group.length]
    return rows.view(matrices, group.length, -1)


def _scores(query: Tensor, key: Tensor, group: AttentionGroup) -> Tensor:
    """Scaled products, -inf where the key is padding, [count * N, length, length]."""
    scores = _scaled_product(query, key.transpose(1, 2), 1.0 / math.sqrt(query.shape[-1]))
    if group.mask is not None:
        scores.view(group.count, -1, group.length, group.length).add_(group.mask)
    return scores


def _by_sequence(matrices: Tensor, group: AttentionGroup) -> Tensor:
    """[count * N, length, length] -> [count, N, length, length]."""
    return matrices.view(group.count, -1, group.length, group.length)


def _filled(matrices: Tensor, group: AttentionGroup, value: float) -> Tensor:
    """Put a value where query or key is padding."""
    if group.mask is None:
        return matrices
    real = group.mask.isfinite()  # [count, 1, 1, length]
    return matrices.masked_fill(~(real & real.transpose(-1, -2)), value)


def _scaled_product(a: Tensor, b: Tensor, scale: float, out: Tensor | None = None) -> Tensor:
    """Return ``scale * a @ b``."""
    unread = a.new_empty(()) if out is None else out
    return torch.baddbmm(unread, a, b, beta=0, alpha=scale, out=out)


class _Attention(torch.autograd.Function):
    """Works on the buffers of one group after the other, and keeps the probabilities.

    What remains of them after dropout is kept too: with gradient g of the dropped probabilities D,
    that of the scores is ``D * g - P * sum(D * g)``, and no mask is needed. A gradient h of the
    logarithms of P adds ``h - P * sum(h)``. In 16 bits a mask is kept as well, which spares
    widening.
    """

    @staticmethod
    def forward(
        ctx: Any, joint: Tensor, layout: AttentionLayout, dropout: float, output: AttentionOutput
    ) -> tuple[Tensor, ...]:
        buffers = _padded(joint, layout)
        context = torch.empty_like(buffers[2])
        kept, shown = [], []
        with without_autocast(joint.device):
            for group in layout.groups:
                q, k, v = (_of_group(x, group, layout) for x in buffers)
                scores = _scores(q, k, group)
                wide = torch.promote_types(scores.dtype, torch.float32)
                # The softmax itself is in float32 whatever the dtypes of scores and result.
                if output is AttentionOutput.LOG_PROBABILITIES:
                    logs = torch.log_softmax(scores, dim=-1, dtype=wide)
                    probabilities = logs.exp()
                    lowest = torch.finfo(wide).min
                    shown.append(_filled(_by_sequence(logs, group), group, lowest))
                else:
                    seen = scores.dtype if output is AttentionOutput.NONE else wide
                    probabilities = torch.softmax(scores, dim=-1, dtype=seen)
                left, passed, factor = _dropped(probabilities, dropout)
                if output is AttentionOutput.PROBABILITIES:
                    shown.append(_filled(_by_sequence(left * factor, group), group, 0.0))
                narrow = _narrowed(probabilities, left, v.dtype)
                kept += [*narrow, passed]
                _scaled_product(narrow[1], v, factor, _of_group(context, group, layout))
        ctx.layout, ctx.factor, ctx.output = layout, factor, output
        ctx.save_for_backward(buffers, *kept)
        ctx.set_materialize_grads(False)
        return context.index_select(0, layout.places).view(len(joint), -1), *shown

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad: Tensor | None, *to_shown: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        layout: AttentionLayout = ctx.layout
        buffers, *kept = ctx.saved_tensors
        grads = torch.empty_like(buffers)
        grad = _padded_gradient(grad, buffers[2], layout)
        scale = 1.0 / math.sqrt(grad.shape[-1])
        for number, group in enumerate(layout.groups):
            probabilities, left, passed = kept[3 * number : 3 * number + 3]
            q, k, v, g = (_of_group(x, group, layout) for x in (*buffers, grad))
            to_q, to_k, to_v = (_of_group(x, group, layout) for x in grads)
            _scaled_product(left.transpose(1, 2), g, ctx.factor, to_v)
            scores = _scaled_product(g, v.transpose(1, 2), ctx.factor)
            own = to_shown[number] if to_shown else None
            if own is None and scores.dtype != torch.promote_types(scores.dtype, torch.float32):
                scores = _softmax_gradient(scores, probabilities, passed)
            else:
                own = None if own is None else _filled(own, group, 0.0).reshape(scores.shape)
                wide = _wide_gradient(scores, probabilities, left, own, ctx)
                scores = wide.to(q.dtype)
            _scaled_product(scores, k, scale, to_q)
            _scaled_product(scores.transpose(1, 2), q, scale, to_k)
        rows = grads.view(-1, grads.shape[-1]).index_select(0, layout.joint_places)
        return rows.view(len(layout.places) // layout.heads, -1), None, None, None


def _softmax_gradient(scores: Tensor, probabilities: Tensor, passed: Tensor | None) -> Tensor:
    """Return the gradient of scores in 16 bits, from that of what is left; overwrites this.

    torch's own function has sums in float32, and no passes that widen.
    """
    if passed is not None:
        scores.mul_(passed)
    gradient: Tensor = torch.ops.aten._softmax_backward_data(
        scores, probabilities, -1, scores.dtype
    )
    return gradient


def _wide_gradient(
    scores: Tensor, probabilities: Tensor, left: Tensor, own: Tensor | None, ctx: Any
) -> Tensor:
    """Return the same in float32 or wider, with the gradient of what is shown; overwrites too."""
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    if own is not None and ctx.output is AttentionOutput.PROBABILITIES:
        scores.add_(own, alpha=ctx.factor)
        own = None
    scores.mul_(left)
    if own is not None:
        scores.add_(own)
    return scores.addcmul_(probabilities, scores.sum(dim=-1, keepdim=True), value=-1)


def _narrowed(probabilities: Tensor, left: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return both in the dtype of products; without dropout they are one tensor, and stay one."""
    narrow = probabilities.to(dtype)
    return narrow, narrow if left is probabilities else left.to(dtype)


def _padded_gradient(grad: Tensor | None, like: Tensor, layout: AttentionLayout) -> Tensor:
    """Return the context's gradient in the buffer, [T, N * D] -> [P, D], 0 at padding."""
    if grad is None:
        return torch.zeros_like(like)
    padded = grad.reshape(len(layout.places), -1).index_select(0, layout.slots)
    return padded if layout.padding is None else padded.masked_fill_(layout.padding, 0.0)


# Numbers of 15 random bits decide what is dropped; four of them are drawn at once, which takes a
# fifth of the time of `bernoulli_`.
_DRAWS = 1 << 15


def _dropped(probabilities: Tensor, dropout: float) -> tuple[Tensor, Tensor | None, float]:
    """Put zeros where a probability is dropped.

    Returns:
        What is left; in 16 bits also 1 where something is left and 0 elsewhere; and what makes up
        for what is dropped.
    """
    if not dropout:
        return probabilities, None, 1.0
    count, dropped = probabilities.numel(), round(dropout * _DRAWS)
    drawn = torch.empty((count + 3) // 4, dtype=torch.int64, device=probabilities.device).random_()
    # The sign is never drawn of the 64 bits, so it is left out of all 16.
    bits = drawn.view(torch.int16)[:count].bitwise_and_(_DRAWS - 1).view(probabilities.shape)
    # Zeros and ones as numbers: a product with truth values takes four times as long.
    passed = torch.ge(bits, dropped, out=torch.empty_like(probabilities))
    factor = _DRAWS / max(_DRAWS - dropped, 1)
    if probabilities.dtype.itemsize > 2:
        return passed.mul_(probabilities), None, factor
    return probabilities * passed, passed, factor
