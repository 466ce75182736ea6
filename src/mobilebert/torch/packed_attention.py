"""Attention over packed sequences: padded among similar lengths, nowhere else.

Dimensions: T tokens, N heads, D head size, P rows of the padded buffer (`AttentionLayout`).
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mobilebert.torch.packed_batch import AttentionGroup, AttentionLayout

__all__ = ["attend", "attend_and_show"]


def attend(joint: Tensor, layout: AttentionLayout, dropout: float = 0.0) -> Tensor:
    """Attend within each sequence.

    Args:
        joint: Queries, keys and values side by side, [T, 3 * N * D].
        layout: Where the rows stand.
        dropout: Share of the probabilities that are dropped.

    Returns:
        The context, [T, N * D].
    """
    # torch gives this method no types.
    context: Tensor = _Attention.apply(joint, layout, dropout)  # type: ignore[no-untyped-call]
    return context


def attend_and_show(
    joint: Tensor, layout: AttentionLayout, dropout: float = 0.0
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Do what `attend` does, and show the probabilities; gradients flow through both.

    Returns:
        The context, [T, N * D], and for each sequence of the batch the probabilities after
        dropout, [N, S, S].
    """
    buffers = _padded(joint, layout)
    contexts: list[Tensor] = []
    shown: list[Tensor] = []
    for group in layout.groups:
        q, k, v = (_of_group(x, group, layout) for x in buffers)
        probabilities = torch.dropout(_probabilities(q, k, group), dropout, dropout > 0)
        contexts.append(torch.bmm(probabilities.to(v.dtype), v).flatten(0, 1))
        square = (group.count, layout.heads, group.length, group.length)
        shown.extend(probabilities.view(square).unbind(0))
    context = torch.cat(contexts).index_select(0, layout.places).view(len(joint), -1)
    sizes = [
        int(group.mask[row].isfinite().sum()) if group.mask is not None else group.length
        for group in layout.groups
        for row in range(group.count)
    ]
    cut = [square[:, :size, :size] for square, size in zip(shown, sizes, strict=True)]
    by_number = dict(zip(layout.order, cut, strict=True))
    return context, tuple(by_number[number] for number in range(len(cut)))


def _padded(joint: Tensor, layout: AttentionLayout) -> Tensor:
    """[T, 3 * N * D] -> [3, P, D]."""
    rows = joint.view(len(layout.places) * 3, -1).index_select(0, layout.joint_slots)
    return rows.view(3, len(layout.slots), -1)


def _of_group(buffer: Tensor, group: AttentionGroup, layout: AttentionLayout) -> Tensor:
    """[P, D] -> [count * N, length, D]."""
    matrices = group.count * layout.heads
    rows = buffer[group.first : group.first + matrices * group.length]
    return rows.view(matrices, group.length, -1)


def _probabilities(query: Tensor, key: Tensor, group: AttentionGroup) -> Tensor:
    """Softmax of the scores in float32, [count * N, length, length]."""
    scores = _scaled_product(query, key.transpose(1, 2), 1.0 / math.sqrt(query.shape[-1]))
    if group.mask is not None:
        scores.view(group.count, -1, group.length, group.length).add_(group.mask)
    return torch.softmax(scores, dim=-1, dtype=torch.promote_types(scores.dtype, torch.float32))


def _scaled_product(a: Tensor, b: Tensor, scale: float, out: Tensor | None = None) -> Tensor:
    """Return ``scale * a @ b``."""
    unread = a.new_empty(()) if out is None else out
    return torch.baddbmm(unread, a, b, beta=0, alpha=scale, out=out)


class _Attention(torch.autograd.Function):
    """Works on the buffers of one group after the other, and keeps the probabilities.

    What remains of them after dropout is kept too: with gradient g of the dropped probabilities D,
    that of the scores is ``D * g - P * sum(D * g)``, and no mask is needed.
    """

    @staticmethod
    def forward(ctx: Any, joint: Tensor, layout: AttentionLayout, dropout: float) -> Tensor:
        buffers = _padded(joint, layout)
        context = torch.empty_like(buffers[2])
        kept = []
        with torch.autocast(joint.device.type, enabled=False):
            for group in layout.groups:
                q, k, v = (_of_group(x, group, layout) for x in buffers)
                probabilities = _probabilities(q, k, group)
                left, factor = _dropped(probabilities, dropout)
                kept += [probabilities, left]
                to_context = _of_group(context, group, layout)
                _scaled_product(left.to(v.dtype), v, factor, to_context)
        ctx.layout, ctx.factor = layout, factor
        ctx.save_for_backward(buffers, *kept)
        return context.index_select(0, layout.places).view(len(joint), -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        layout: AttentionLayout = ctx.layout
        buffers, *kept = ctx.saved_tensors
        grad = grad.reshape(len(layout.places), -1).index_select(0, layout.slots)
        if layout.padding is not None:
            grad.masked_fill_(layout.padding, 0.0)
        grads = torch.empty_like(buffers)
        scale = 1.0 / math.sqrt(grad.shape[-1])
        for number, group in enumerate(layout.groups):
            probabilities, left = kept[2 * number : 2 * number + 2]
            q, k, v, g = (_of_group(x, group, layout) for x in (*buffers, grad))
            to_q, to_k, to_v = (_of_group(x, group, layout) for x in grads)
            _scaled_product(left.to(v.dtype).transpose(1, 2), g, ctx.factor, to_v)
            scores = _scaled_product(g, v.transpose(1, 2), ctx.factor).to(left.dtype).mul_(left)
            scores.addcmul_(probabilities, scores.sum(dim=-1, keepdim=True), value=-1)
            scores = scores.to(q.dtype)
            _scaled_product(scores, k, scale, to_q)
            _scaled_product(scores.transpose(1, 2), q, scale, to_k)
        rows = grads.view(-1, grads.shape[-1]).index_select(0, layout.joint_places)
        return rows.view(len(layout.places) // layout.heads, -1), None, None


# Numbers of 15 random bits decide what is dropped; four of them are drawn at once, which takes a
# fifth of the time of `bernoulli_`.
_DRAWS = 1 << 15


def _dropped(probabilities: Tensor, dropout: float) -> tuple[Tensor, float]:
    """Put zeros where a probability is dropped; return also what makes up for it."""
    if not dropout:
        return probabilities, 1.0
    count, dropped = probabilities.numel(), round(dropout * _DRAWS)
    drawn = torch.empty((count + 3) // 4, dtype=torch.int64, device=probabilities.device).random_()
    # The sign is never drawn of the 64 bits, so it is left out of all 16.
    bits = drawn.view(torch.int16)[:count].bitwise_and_(_DRAWS - 1).view(probabilities.shape)
    # Zeros and ones as numbers: a product with truth values takes four times as long.
    left = torch.ge(bits, dropped, out=torch.empty_like(probabilities)).mul_(probabilities)
    return left, _DRAWS / max(_DRAWS - dropped, 1)
