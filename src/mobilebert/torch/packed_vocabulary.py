"""Masked-language-model training without the scores of a whole batch in memory.

The scores of 600 masked positions are 75 MB, as are their softmax and its gradient. Here a few rows
at a time are scored, and made gradients at once; nothing of that is kept. So it is with a teacher's
scores, of the same rows at the same time.

A row of the joint table is a word's row of the word table, E wide, and behind it the word's column
of the extension, H - E wide.

Dimensions: M rows, H hidden_size, E embedding_size, V vocabulary.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mobilebert.errors import ArgumentError, InputError
from mobilebert.torch.heads import VocabularyHead
from mobilebert.torch.inputs import is_readable
from mobilebert.torch.losses import IGNORED, check_classes
from mobilebert.torch.native_training import Words, runs_native, vocabulary_loss
from mobilebert.torch.packed_products import add_product, product_dtype
from mobilebert.torch.precision import in_float32, widened, without_autocast
from mobilebert.torch.pretrained import MobileBertPreTrainedModel

__all__ = ["SoftTargets", "masked_lm_loss", "masked_lm_scores"]

# Rows scored at a time: enough for the products, and 30 MB of scores.
_ROWS = 256
# How many times more where products are fast beside what is done once for all of these rows: adding
# to the table's gradient, and calling an accelerator.
_MORE_ROWS = 4
# Scores between two products, in float32: they are read and written some six times, which takes
# half the time where they stay in a core's second cache.
_CACHED_NUMBERS = 1 << 17
# Words scored in one product of lower precision: half the time of all at once, which the matrix
# library cuts into worse pieces.
_WORDS = 1 << 12
# Columns transposed at a time: a quarter of the time, as the pages they are written to stay known.
_COLUMNS = 1 << 10


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
    own = _read(head, rows)
    theirs = None if soft is None else _teacher(soft, rows, len(head.bias))
    if _runs_native(own) and (theirs is None or _runs_native(theirs)):
        if soft is None or theirs is None:
            return vocabulary_loss(_words(own), labels)
        return vocabulary_loss(
            _words(own), labels, _words(theirs), soft.hard_share, soft.temperature
        )
    # torch gives this method no types.
    loss: Tensor = _VocabularyLoss.apply(  # type: ignore[no-untyped-call]
        *own, labels, soft, theirs
    )
    return loss


def _runs_native(read: tuple[Tensor, ...]) -> bool:
    x, words, extension, bias = read
    widths = words[:0], extension[:, :0]  # how many words there are does not matter
    return runs_native(product_dtype(x), bias, *widths)


def _words(read: tuple[Tensor, Tensor, Tensor, Tensor]) -> Words:
    x, *others = read
    return Words(x.float(), *others)  # rows behind a head may be of autocast's dtype


def _read(head: VocabularyHead, rows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return what the scores are made of: [M, H], [V, E], [H - E, V] and [V]."""
    words, extension = widened(head.decoder.weight), widened(head.dense.weight)
    return in_float32(head.transform, rows), words, extension, widened(head.bias)


@torch.no_grad()
def _teacher(soft: SoftTargets, rows: Tensor, words: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
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
    """Mean cross-entropy of ``x @ joint.T + bias``; gradients are made in the forward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        words: Tensor,
        extension: Tensor,
        bias: Tensor,
        labels: Tensor,
        soft: SoftTargets | None,
        teacher: tuple[Tensor, ...] | None,
    ) -> Tensor:
        needed = ctx.needs_input_grad[:4]
        product = product_dtype(x)
        with without_autocast(x.device):
            ours = _Scorer.of(product, x, words, extension, bias)
            theirs = None if teacher is None else _Scorer.of(product, *teacher)
            found = _Sums.zero(ours, any(needed))
            for some in _slices(len(x), x.device.type != "cpu" or product != ours.wide):
                scores = _losses(found, ours, theirs, labels, soft, some)
                if found.to_bias is None:
                    continue
                found.to_x.append(scores @ ours.joint)
                if needed[1] or needed[2]:
                    found.add_to_joint(scores.t(), ours.x[some])
        ctx.width, ctx.dtypes = words.shape[1], (words.dtype, extension.dtype, bias.dtype)
        if found.to_bias is not None:
            ctx.save_for_backward(torch.cat(found.to_x).to(x.dtype), found.to_joint, found.to_bias)
        return found.loss / len(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        to_x, to_joint, to_bias = ctx.saved_tensors
        share = grad / len(to_x)
        to_words = to_extension = None
        if ctx.needs_input_grad[1]:
            to_words = _copied(to_joint[:, : ctx.width], ctx.dtypes[0]).mul_(share)
        if ctx.needs_input_grad[2]:
            to_extension = _transposed(to_joint[:, ctx.width :], ctx.dtypes[1]).mul_(share)
        to_bias = (to_bias * share).to(ctx.dtypes[2])
        return (to_x * share).to(to_x.dtype), to_words, to_extension, to_bias, *(None,) * 3


@dataclass(frozen=True)
class _Scorer:
    """What scores are made of: operands of the product, and the bias.

    Attributes:
        x: [M, H].
        joint: [V, H].
        bias: [V].
        wide: In which the softmax is.
    """

    x: Tensor
    joint: Tensor
    bias: Tensor
    wide: torch.dtype

    @classmethod
    def of(
        cls, product: torch.dtype, x: Tensor, words: Tensor, extension: Tensor, bias: Tensor
    ) -> Self:
        width = words.shape[1]
        joint = words.new_empty(len(words), width + len(extension), dtype=product)
        joint[:, :width] = words
        for some in _pieces(len(words), _COLUMNS):
            joint[some, width:] = extension[:, some].to(product).t()
        return cls(x.to(product), joint, bias, torch.promote_types(x.dtype, torch.float32))

    def products(self, some: slice) -> Tensor:
        """Score some rows, but for the bias."""
        x = self.x[some]
        if x.dtype == self.wide:
            return x @ self.joint.t()
        scores = x.new_empty(len(x), len(self.joint))
        for words in _pieces(len(self.joint), _WORDS):
            torch.mm(x, self.joint[words].t(), out=scores[:, words])
        return scores

    def scores(self, products: Tensor) -> Tensor:
        """Widen products and add the bias; overwrites them where they are wide."""
        return products.to(self.wide).add_(self.bias)


@dataclass
class _Sums:
    """What the rows so far add up to.

    Attributes:
        loss: Sum of their losses.
        to_x: Its gradients by `x`, for each slice of rows.
        to_joint: Its gradient by the joint table; None so far, or where it is not needed.
        to_bias: Its gradient by the bias; None where no gradient is needed.
    """

    loss: Tensor
    to_x: list[Tensor]
    to_joint: Tensor | None
    to_bias: Tensor | None

    @classmethod
    def zero(cls, ours: _Scorer, needed: bool) -> Self:
        loss = torch.zeros((), dtype=ours.wide, device=ours.x.device)
        to_bias = torch.zeros_like(ours.bias, dtype=ours.wide) if needed else None
        return cls(loss, [], None, to_bias)

    def add_to_joint(self, a: Tensor, b: Tensor) -> None:
        """Add ``a @ b``; sums of several are in that of the softmax."""
        if self.to_joint is None:
            self.to_joint = a @ b
        elif self.to_bias is not None:
            self.to_joint = self.to_joint.to(self.to_bias.dtype)
            add_product(self.to_joint, a, b)


def _losses(
    found: _Sums,
    ours: _Scorer,
    theirs: _Scorer | None,
    labels: Tensor,
    soft: SoftTargets | None,
    some: slice,
) -> Tensor:
    """Add the losses of some rows; return their gradients by the scores, as operands."""
    scores = ours.products(some)
    seen = None if theirs is None else theirs.products(some)
    for few in _pieces(len(scores), _cached_rows(scores)):
        wide, wanted = ours.scores(scores[few]), labels[some][few]
        if soft is None or theirs is None or seen is None:
            loss, gradient = _hard(wide, wanted, 1.0)
        else:
            loss, gradient = _mixed(wide, wanted, theirs.scores(seen[few]), soft)
        found.loss += loss
        if found.to_bias is not None:
            scores[few] = gradient
    if found.to_bias is not None:
        found.to_bias += scores.sum(dim=0)
    return scores


def _slices(rows: int, many: bool) -> Iterator[slice]:
    return _pieces(rows, _ROWS * _MORE_ROWS if many else _ROWS)


def _cached_rows(scores: Tensor) -> int:
    if scores.device.type != "cpu":
        return len(scores)
    return max(1, _CACHED_NUMBERS * torch.get_num_threads() // scores.shape[1])


def _pieces(count: int, step: int) -> Iterator[slice]:
    return (slice(first, first + step) for first in range(0, count, step))


def _copied(matrix: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.empty_like(matrix, dtype=dtype, memory_format=torch.contiguous_format).copy_(
        matrix
    )


def _transposed(matrix: Tensor, dtype: torch.dtype) -> Tensor:
    result = matrix.new_empty(matrix.shape[::-1], dtype=dtype)
    for some in _pieces(len(matrix), _COLUMNS):
        result[:, some] = matrix[some].t()
    return result


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
