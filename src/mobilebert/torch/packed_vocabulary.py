"""Masked-language-model training without the scores of a whole batch in memory.

The scores of 600 masked positions are 75 MB, as are their softmax and its gradient. Here a few rows
at a time are scored, and made gradients at once; nothing of that is kept. So it is with a teacher's
scores, of the same rows at the same time.

Dimensions: M rows, H hidden_size, E embedding_size, V vocabulary.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mobilebert.errors import ArgumentError, InputError
from mobilebert.torch.heads import VocabularyHead
from mobilebert.torch.inputs import is_readable
from mobilebert.torch.losses import IGNORED, check_classes
from mobilebert.torch.precision import in_float32, widened
from mobilebert.torch.pretrained import MobileBertPreTrainedModel

__all__ = ["SoftTargets", "masked_lm_loss", "masked_lm_scores"]

# Rows scored at a time: enough for the products, and 30 MB of scores.
_ROWS = 256
# How many times more where products are fast beside what is done once for all of these rows: adding
# to the table's gradient, and calling an accelerator.
_MORE_ROWS = 4


@dataclass(frozen=True, eq=False)
class SoftTargets:
    """What a teacher says of masked words.

    Attributes:
        teacher: A model with a vocabulary head, which gets no gradients.
        rows: Rows of its last state, [M, H of the teacher].
        hard_share: Weight of the right ids, 0 to 1; the teacher's probabilities have the rest
            (alpha in section 3.2 of the paper).
        temperature: Both models' scores are divided by it where they are compared, and that part
            of the loss is multiplied by its square, so that its gradients keep their size (Hinton
            et al. 2015, arXiv:1503.02531, section 2).

    Raises:
        InputError: A number outside its range.
    """

    teacher: MobileBertPreTrainedModel
    rows: Tensor
    hard_share: float = 0.5
    temperature: float = 1.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 0 <= self.hard_share <= 1:
            raise InputError(f"hard_share is {self.hard_share}; allowed are 0 to 1.")
        if not 0 < self.temperature < float("inf"):
            raise InputError(f"temperature is {self.temperature}; allowed is a number above 0.")


def masked_lm_scores(model: MobileBertPreTrainedModel, rows: Tensor) -> Tensor:
    """Score the vocabulary for some rows of the last state, [M, H] -> [M, V].

    Raises:
        ArgumentError: The model has no vocabulary head.
    """
    scores: Tensor = _head(model)(rows)
    return scores


def masked_lm_loss(
    model: MobileBertPreTrainedModel,
    rows: Tensor,
    labels: Tensor,
    soft: SoftTargets | None = None,
) -> Tensor:
    """Return the mean cross-entropy of some rows of the last state.

    In bfloat16 autocast products are in bfloat16, the softmax and all sums in float32.

    Args:
        model: A model with a vocabulary head.
        rows: Rows of the last state, [M, H], at least one.
        labels: The id that is right in each, [M].
        soft: What a teacher says of the same rows; without, the right id is all of the target.

    Raises:
        ArgumentError: A model has no vocabulary head.
        InputError: A label is outside the vocabulary, there are more or fewer than rows, or the
            teacher has other rows or another vocabulary.
    """
    head = _head(model)
    check_classes(labels, len(head.bias))
    ignored = is_readable(labels) and bool((labels == IGNORED).any())
    if ignored or labels.shape != rows.shape[:1]:
        raise InputError(
            f"Each of the {len(rows)} rows needs an id that is right; leave out rows that do not "
            "count."
        )
    teacher = None if soft is None else _teacher(soft, rows, len(head.bias))
    # torch gives this method no types.
    loss: Tensor = _VocabularyLoss.apply(  # type: ignore[no-untyped-call]
        *_read(head, rows), labels, soft, teacher
    )
    return loss


def _read(head: VocabularyHead, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return what the scores are made of: [M, H], [H, V] and [V]."""
    table, extension = widened(head.decoder.weight), widened(head.dense.weight)
    joint = torch.cat([table.t(), extension])
    return in_float32(head.transform, rows), joint, widened(head.bias)


@torch.no_grad()
def _teacher(soft: SoftTargets, rows: Tensor, words: int) -> tuple[Tensor, Tensor, Tensor]:
    head = _head(soft.teacher)
    if len(soft.rows) != len(rows) or len(head.bias) != words:
        raise InputError(
            f"The teacher has {len(soft.rows)} rows and {len(head.bias)} words, the student "
            f"{len(rows)} and {words}; both have to be the same."
        )
    return _read(head, soft.rows)


def _head(model: MobileBertPreTrainedModel) -> VocabularyHead:
    head = model._vocabulary_head
    if head is None:
        raise ArgumentError(f"{type(model).__name__} has no masked-language-model head.")
    return head


class _VocabularyLoss(torch.autograd.Function):
    """Mean cross-entropy of ``x @ table + bias``; gradients are made in the forward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        table: Tensor,
        bias: Tensor,
        labels: Tensor,
        soft: SoftTargets | None,
        teacher: tuple[Tensor, Tensor, Tensor] | None,
    ) -> Tensor:
        needed = ctx.needs_input_grad[:3]
        wide = torch.promote_types(x.dtype, torch.float32)
        total = torch.zeros((), dtype=wide, device=x.device)
        to_x = torch.empty_like(x)
        to_table = torch.zeros_like(table if needed[1] else x[:0])
        to_bias = torch.zeros_like(bias)
        product = _product_dtype(x)
        with torch.autocast(x.device.type, enabled=False):
            narrow = x.to(product), table.to(product)
            seen = None if teacher is None else [part.to(product) for part in teacher[:2]]
            for some in _slices(len(x), x.device.type != "cpu" or product != wide):
                scores = _scores(narrow[0][some], narrow[1], bias, wide)
                if soft is None or teacher is None or seen is None:
                    loss, scores = _hard(scores, labels[some], 1.0)
                else:
                    theirs = _scores(seen[0][some], seen[1], teacher[2], wide)
                    loss, scores = _mixed(scores, labels[some], theirs, soft)
                total += loss
                if not any(needed):
                    continue
                gradient = scores.to(product)
                to_x[some] = gradient @ narrow[1].t()
                if needed[1]:
                    _add_product(to_table, narrow[0][some].t(), gradient)
                to_bias += scores.sum(dim=0)
        if any(needed):
            ctx.save_for_backward(to_x, to_table, to_bias)
        return total / len(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        to_x, to_table, to_bias = ctx.saved_tensors
        share = grad / len(to_x)
        needed = ctx.needs_input_grad
        return (
            (to_x * share).to(to_x.dtype),
            to_table * share if needed[1] else None,
            to_bias * share,
            None,
            None,
            None,
        )


def _product_dtype(x: Tensor) -> torch.dtype:
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


def _slices(rows: int, many: bool) -> Iterator[slice]:
    step = _ROWS * _MORE_ROWS if many else _ROWS
    return (slice(first, first + step) for first in range(0, rows, step))


def _scores(x: Tensor, table: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
    if x.dtype == dtype == bias.dtype:
        return torch.addmm(bias, x, table)
    return (x @ table).to(dtype).add_(bias)


def _add_product(total: Tensor, a: Tensor, b: Tensor) -> None:
    """Add ``a @ b``, which may be of a lower precision."""
    if a.dtype == total.dtype:
        total.addmm_(a, b)
    else:
        total.add_(a @ b)


def _hard(scores: Tensor, labels: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Return the summed loss of right ids, times a share, and its gradient by the scores.

    The gradient of a row's loss is the softmax less 1 at the label.
    """
    logs = scores.log_softmax(dim=-1)
    total = -share * logs.gather(1, labels[:, None]).sum()
    gradient = logs.exp_().mul_(share) if share != 1 else logs.exp_()
    ones = scores.new_full((len(labels), 1), -share)
    return total, gradient.scatter_add_(1, labels[:, None], ones)


def _mixed(
    scores: Tensor, labels: Tensor, theirs: Tensor, soft: SoftTargets
) -> tuple[Tensor, Tensor]:
    """Return the summed loss of right ids and a teacher's scores, and its gradient."""
    share, temperature = 1 - soft.hard_share, soft.temperature
    if temperature == 1:
        # Both parts read one softmax, so that their targets are one.
        wanted = theirs.softmax(dim=-1).mul_(share)
        hard = wanted.new_full((len(labels), 1), soft.hard_share)
        wanted.scatter_add_(1, labels[:, None], hard)
        logs = scores.log_softmax(dim=-1)
        total = -torch.linalg.vecdot(wanted, logs).sum()
        return total, logs.exp_().sub_(wanted)
    wanted = theirs.div_(temperature).softmax(dim=-1)
    logs = (scores / temperature).log_softmax(dim=-1)
    total = -share * temperature**2 * torch.linalg.vecdot(wanted, logs).sum()
    loss, gradient = _hard(scores, labels, soft.hard_share)
    return total + loss, gradient.add_(logs.exp_().sub_(wanted), alpha=share * temperature)
