"""The engine's kernels in training: rows through products in bfloat16, and back.

They stand in for the functions of packed_projections.py where a processor has AMX or AVX512-BF16,
under autocast in bfloat16. What is between two products stays in a core's second cache, results are
added to residuals before they are rounded, and gradients of weights are summed in float32.

Dimensions: T tokens, H hidden_size, K width inside a layer, A width of all heads, F width of a
feed-forward network.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mobilebert.engine.native import MOST_THREADS, choose_isa, find_native, native, trains
from mobilebert.torch.folding import FoldedDense, fold, unfold
from mobilebert.torch.precision import without_autocast

__all__ = [
    "Words",
    "attend",
    "attends_native",
    "enter_attention",
    "feed_forward",
    "project",
    "runs_native",
    "vocabulary_loss",
]

# Rows of what is kept for the backward pass come in such units (csrc/training.h).
_KEPT_UNIT = 32


def runs_native(product: torch.dtype, rows: Tensor, *weights: Tensor) -> bool:
    """Tell whether the kernels take these.

    Args:
        product: In which products are.
        rows: [T, width].
        weights: Matrices that rows are multiplied with.
    """
    if product != torch.bfloat16 or rows.dtype != torch.float32:
        return False
    sizes = [size for weight in weights for size in weight.shape]
    return _has_kernels(rows, sizes) and all(weight.dtype == torch.float32 for weight in weights)


def attends_native(joint: Tensor, heads: int) -> bool:
    """Tell whether the kernels take queries, keys and values.

    Args:
        joint: All of them side by side, [T, 3 * A].
        heads: How many.
    """
    return joint.dtype == torch.bfloat16 and _has_kernels(joint, [joint.shape[1] // 3 // heads])


def _has_kernels(rows: Tensor, sizes: Iterable[int]) -> bool:
    if rows.device.type != "cpu" or not len(rows):
        return False
    module = find_native()
    if module is None or not trains(choose_isa()):
        return False
    return not any(size % module.PANEL for size in sizes)


def project(x: Tensor, dense: FoldedDense, residual: Tensor) -> Tensor:
    """As `packed_projections.project`; x may be in bfloat16."""
    # torch gives this method no types; so with those below.
    result: Tensor = _Projection.apply(  # type: ignore[no-untyped-call]
        *_contiguous(x, residual, *dense.all())
    )
    return result


def feed_forward(x: Tensor, weight: Tensor, bias: Tensor, dense: FoldedDense) -> Tensor:
    """As `packed_projections.feed_forward`."""
    result: Tensor = _FeedForward.apply(  # type: ignore[no-untyped-call]
        *_contiguous(x, weight, bias, *dense.all())
    )
    return result


def enter_attention(
    stream: Tensor, residual: FoldedDense, shared: FoldedDense, dense: tuple[Tensor, ...]
) -> tuple[Tensor, Tensor]:
    """As `packed_projections.enter_attention`, for all rows."""
    both: tuple[Tensor, Tensor] = _Entry.apply(  # type: ignore[no-untyped-call]
        *_contiguous(stream, *residual.all(), *shared.all(), *dense)
    )
    return both


def attend(joint: Tensor, starts: npt.NDArray[np.int32], heads: int, dropout: float) -> Tensor:
    """As `packed_attention.attend`, which shows nothing but the context.

    Args:
        joint: Queries, keys and values side by side, [T, 3 * A], in bfloat16.
        starts: The first row of each sequence, and the number of rows, [B + 1].
        heads: How many.
        dropout: Share of the probabilities that are dropped, to a 65,536th.

    Returns:
        The context, [T, A], in bfloat16.
    """
    context: Tensor = _Attention.apply(  # type: ignore[no-untyped-call]
        joint, starts, heads, dropout
    )
    return context


@dataclass(frozen=True, eq=False)
class Words:
    """What scores of words are made of: ``x @ [table | extension.T].T + bias``.

    Attributes:
        x: Rows, [M, H].
        table: The first columns of the joint table, [V, E].
        extension: Those behind them, transposed, [H - E, V].
        bias: [V].
    """

    x: Tensor
    table: Tensor
    extension: Tensor
    bias: Tensor

    def all(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the four, in order."""
        return self.x, self.table, self.extension, self.bias


def vocabulary_loss(
    words: Words,
    labels: Tensor,
    teacher: Words | None = None,
    hard_share: float = 1.0,
    temperature: float = 1.0,
) -> Tensor:
    """Return the mean cross-entropy of masked words, as `packed_vocabulary.masked_lm_loss` says.

    Args:
        words: What scores the words.
        labels: The id that is right in each row, [M].
        teacher: The same of a teacher; without, the right id is all of the target.
        hard_share: Weight of the right ids beside the teacher's probabilities.
        temperature: Both models' scores are divided by it.
    """
    loss: Tensor = _VocabularyLoss.apply(  # type: ignore[no-untyped-call]
        *words.all(), labels, teacher, hard_share, temperature
    )
    return loss


def _trainer() -> Any:
    """Return the kernels, on as many threads as torch has."""
    return native().Trainer(choose_isa(), min(MOST_THREADS, torch.get_num_threads()))


def _array(x: Tensor) -> Any:
    """Return a tensor as an array of numpy, bfloat16 as whole numbers of 16 bits."""
    x = x.detach()
    return x.view(torch.uint16).numpy() if x.dtype == torch.bfloat16 else x.numpy()


def _arrays(*tensors: Tensor) -> list[Any]:
    return [_array(x) for x in tensors]


def _contiguous(*tensors: Tensor) -> list[Tensor]:
    """Return tensors as the kernels read them; weights may be views, or stored transposed."""
    return [x.contiguous() for x in tensors]


def _kept(rows: Tensor, width: int) -> Tensor:
    """Return room for rows as products read them."""
    whole = -(-len(rows) // _KEPT_UNIT) * _KEPT_UNIT
    return rows.new_empty(whole * width * 2, dtype=torch.uint8)


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
        folded, both = fold(weight, bias, factor, shift)
        result, kept = torch.empty_like(residual), _kept(x, x.shape[1])
        _trainer().project(*_arrays(x, folded, both, factor, residual, result, kept))
        ctx.save_for_backward(kept, residual, weight, bias, factor, folded)
        ctx.dtype = x.dtype
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        kept, residual, weight, bias, factor, folded = ctx.saved_tensors
        grad, needed = grad.contiguous(), ctx.needs_input_grad
        to_x = grad.new_empty(len(grad), weight.shape[1], dtype=ctx.dtype) if needed[0] else None
        to_residual = torch.empty_like(residual) if needed[1] else None
        to_folded = torch.empty_like(folded)
        sums, residual_sums = torch.empty_like(bias), torch.empty_like(bias)
        _trainer().project_gradient(
            *_arrays(grad, kept, folded, factor, residual),
            None if to_x is None else _array(to_x),
            None if to_residual is None else _array(to_residual),
            *_arrays(to_folded, sums, residual_sums),
        )
        with without_autocast(grad.device):
            to_weights = unfold(to_folded, sums, weight, bias, factor)
        to_weights[2].add_(residual_sums)
        return to_x, to_residual, *to_weights


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
        folded, both = fold(narrow, narrow_bias, factor, shift)
        result, kept, wide = torch.empty_like(x), _kept(x, x.shape[1]), _kept(x, len(weight))
        _trainer().feed_forward(*_arrays(x, weight, bias, folded, both, factor, result, kept, wide))
        ctx.save_for_backward(kept, wide, weight, narrow, narrow_bias, factor, folded)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        kept, wide, weight, narrow, narrow_bias, factor, folded = ctx.saved_tensors
        grad = grad.contiguous()
        to_x, to_weight, to_folded = (torch.empty_like(y) for y in (grad, weight, folded))
        to_bias = weight.new_empty(len(weight))
        sums, x_sums = torch.empty_like(narrow_bias), torch.empty_like(narrow_bias)
        _trainer().feed_forward_gradient(
            *_arrays(grad, kept, wide, weight, folded, factor),
            *_arrays(to_x, to_weight, to_bias, to_folded, sums, x_sums),
        )
        with without_autocast(grad.device):
            to_narrow = unfold(to_folded, sums, narrow, narrow_bias, factor)
        to_narrow[2].add_(x_sums)
        return to_x, to_weight, to_bias, *to_narrow


class _Entry(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, stream: Tensor, *weights: Tensor) -> Any:
        residual, shared = FoldedDense(*weights[:4]), FoldedDense(*weights[4:8])
        query, query_bias, key, key_bias, value, value_bias = weights[8:]
        (own, own_both), (narrow, narrow_both) = fold(*residual.all()), fold(*shared.all())
        query_key, both = torch.cat([query, key]), torch.cat([query_bias, key_bias])
        result = stream.new_empty(len(stream), len(own))
        width = len(query_key) + len(value)
        joint = stream.new_empty(len(stream), width, dtype=torch.bfloat16)
        kept, kept_narrow = _kept(stream, stream.shape[1]), _kept(stream, len(own))
        _trainer().enter(
            *_arrays(stream, own, own_both, narrow, narrow_both, query_key, both),
            *_arrays(value, value_bias, result, joint, kept, kept_narrow),
        )
        ctx.save_for_backward(kept, kept_narrow, own, narrow, query_key, value, *weights[:8])
        return result, joint

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_residual: Tensor, to_joint: Tensor) -> tuple[Tensor | None, ...]:
        kept, kept_narrow, own, narrow, query_key, value, *folded = ctx.saved_tensors
        to_residual, to_joint = to_residual.contiguous(), to_joint.contiguous()
        to_stream = to_residual.new_empty(len(to_residual), own.shape[1])
        to_readers = own.new_empty(len(value) + 2 * len(own), own.shape[1])
        to_query_key = torch.empty_like(query_key)
        sums, own_sums = own.new_empty(len(to_readers)), own.new_empty(len(query_key))
        _trainer().enter_gradient(
            *_arrays(to_residual, to_joint, kept, kept_narrow, own, narrow, query_key, value),
            *_arrays(to_stream, to_readers, to_query_key, sums, own_sums),
        )
        widths = [len(value), len(narrow), len(own)]
        to_value, to_shared, to_own = to_readers.split(widths)
        value_sums, shared_sums, residual_sums = sums.split(widths)
        (to_query, to_key), (query_sums, key_sums) = to_query_key.chunk(2), own_sums.chunk(2)
        with without_autocast(to_residual.device):
            of_norms = (
                *unfold(to_own, residual_sums, *folded[:3]),
                *unfold(to_shared, shared_sums, *folded[4:7]),
            )
        return (
            to_stream,
            *of_norms,
            *(to_query, query_sums, to_key, key_sums, to_value, value_sums),
        )


# Seeds of what is dropped, drawn from torch's generator.
_SEEDS = 1 << 62


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, joint: Tensor, starts: npt.NDArray[np.int32], heads: int, dropout: float
    ) -> Tensor:
        joint = joint.contiguous()
        seed = int(torch.randint(_SEEDS, (), device=joint.device)) if dropout else 0
        context = joint.new_empty(len(joint), joint.shape[1] // 3)
        log_sums = joint.new_empty(len(joint), heads, dtype=torch.float32)
        ctx.options = starts, heads, dropout, seed
        _trainer().attend(*ctx.options, *_arrays(joint, context, log_sums))
        ctx.save_for_backward(joint, log_sums)
        return context

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        joint, log_sums = ctx.saved_tensors
        to_joint = torch.empty_like(joint)
        arrays = _arrays(joint, grad.contiguous(), log_sums, to_joint)
        _trainer().attend_gradient(*ctx.options, *arrays)
        return to_joint, None, None, None


class _VocabularyLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        table: Tensor,
        extension: Tensor,
        bias: Tensor,
        labels: Tensor,
        teacher: Words | None,
        hard_share: float,
        temperature: float,
    ) -> Tensor:
        own = [y.contiguous() for y in (x, table, extension, bias)]
        losses, wanted = x.new_empty(len(x)), any(ctx.needs_input_grad)
        grads = [torch.empty_like(y) for y in own] if wanted else []
        soft = None
        if teacher is not None:
            theirs = [y.contiguous() for y in teacher.all()]
            soft = [*_arrays(*theirs), hard_share, temperature]
        _trainer().vocabulary(
            *_arrays(*own, labels.to(torch.int32).contiguous()),
            soft,
            _array(losses),
            *(_arrays(*grads) if wanted else [None] * 4),
        )
        ctx.save_for_backward(*grads)
        return losses.mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        grads = ctx.saved_tensors
        share = grad / len(grads[0])
        return *(x * share for x in grads), None, None, None, None
