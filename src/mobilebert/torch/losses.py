"""The losses of the task table.

Labels may have any integer type. Labels of -100 count nowhere; where nothing is left to count the
loss is 0 with zero gradients, so that one batch without labels does not end a training run.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from mobilebert.config import MobileBertConfig
from mobilebert.errors import InputError
from mobilebert.tasks import Loss
from mobilebert.torch.inputs import is_readable

__all__ = ["IGNORED", "LOSSES", "check_classes", "cross_entropy", "inferred_problem_type"]

IGNORED = -100

Logits = tuple[Tensor, ...]
Labels = tuple[Tensor | None, ...]
LossFunction = Callable[[Logits, Labels, MobileBertConfig], Tensor | None]


def cross_entropy(logits: Tensor, labels: Tensor, name: str = "labels") -> Tensor:
    """Mean cross-entropy over the labels that count.

    Args:
        logits: Scores, [..., classes].
        labels: Classes, or -100 for "does not count", [...].
        name: What to call the labels in an error.

    Raises:
        InputError: Another number of labels than of scores, or a label that is no class.
    """
    total, counted = summed_cross_entropy(logits, labels, name)
    return total / counted.clamp(min=1)


def summed_cross_entropy(
    logits: Tensor, labels: Tensor, name: str = "labels", class_weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Sum of the cross-entropies of the labels that count.

    Args:
        logits: Scores, [..., classes].
        labels: Classes, or -100 for "does not count", [...].
        name: What to call the labels in an error.
        class_weights: How much a label of each class counts, [classes]; 1 by default.

    Returns:
        The sum, and how many labels count (with `class_weights` the sum of their weights).

    Raises:
        InputError: Another number of labels than of scores, or a label that is no class.
    """
    rows = logits.reshape(-1, logits.shape[-1])
    flat = _whole(labels, name).reshape(-1)
    if flat.shape[0] != rows.shape[0]:
        raise InputError(
            f"{name} has shape {tuple(labels.shape)}, but the logits have shape "
            f"{tuple(logits.shape)}; one label is needed for each row of logits."
        )
    check_classes(flat, rows.shape[-1], name)
    total = F.cross_entropy(rows, flat, class_weights, ignore_index=IGNORED, reduction="sum")
    counts = flat != IGNORED
    if class_weights is None:
        return total, counts.sum()
    return total, class_weights[flat.clamp(min=0)].masked_fill(~counts, 0).sum()


def _whole(labels: Tensor, name: str) -> Tensor:
    """Return classes or positions as int64; fractions would be cut off silently."""
    if labels.is_floating_point():
        raise InputError(f"{name} must hold integers, not {labels.dtype}.")
    return labels.long()


def check_classes(labels: Tensor, classes: int, name: str = "labels") -> None:
    """Refuse labels that are no class.

    Args:
        labels: Classes, or -100 for "does not count".
        classes: How many classes there are.
        name: What to call the labels in the error.

    Raises:
        InputError: A label is neither.
    """
    if not is_readable(labels):
        return
    wrong = (labels != IGNORED) & ((labels < 0) | (labels >= classes))
    if bool(wrong.any()):
        raise InputError(
            f"{name} holds {int(labels[wrong][0])}; allowed are 0 to {classes - 1}, and "
            f"{IGNORED} for positions that do not count."
        )


def token_loss(logits: Logits, labels: Labels, config: MobileBertConfig) -> Tensor | None:
    """Cross-entropy over the last axis, [..., classes] against [...]."""
    return None if labels[0] is None else cross_entropy(logits[0], labels[0])


def pretraining_loss(logits: Logits, labels: Labels, config: MobileBertConfig) -> Tensor | None:
    """Sum of the masked-language-model and the next-sentence loss, of those that have labels."""
    names = ("labels", "next_sentence_label")
    losses = [
        cross_entropy(scores, given, name)
        for scores, given, name in zip(logits, labels, names, strict=True)
        if given is not None
    ]
    return torch.stack(losses).sum() if losses else None


def span_loss(logits: Logits, labels: Labels, config: MobileBertConfig) -> Tensor | None:
    """Mean of the cross-entropies of start and end, [B, S] against [B] or [B, 1].

    A position outside the sequence, on either side, does not count. Both have to be given.
    """
    start, end = labels
    if start is None or end is None:
        return None
    losses = []
    for scores, positions in zip(logits, (start, end), strict=True):
        flat = _whole(positions, "positions").reshape(-1)
        outside = (flat < 0) | (flat >= scores.shape[-1])
        losses.append(cross_entropy(scores, flat.masked_fill(outside, IGNORED), "positions"))
    return (losses[0] + losses[1]) / 2


def inferred_problem_type(labels: Tensor, num_labels: int) -> str:
    """Tell what kind of problem the labels of a sequence classifier pose.

    One label is a regression; integers are classes; several floating-point (or true/false)
    numbers for each sequence are independent labels.
    """
    if num_labels == 1:
        return "regression"
    if labels.is_floating_point() or labels.dtype == torch.bool:
        return "multi_label_classification"
    return "single_label_classification"


def problem_type_loss(logits: Logits, labels: Labels, config: MobileBertConfig) -> Tensor | None:
    """Loss of a sequence classifier, as `config.problem_type` or the labels say.

    Mean squared error, cross-entropy, or binary cross-entropy with logits.
    """
    scores, given = logits[0], labels[0]
    if given is None:
        return None
    shapes = tuple(scores.shape), tuple(given.shape)
    kind = config.problem_type or inferred_problem_type(given, scores.shape[-1])
    if kind == "single_label_classification":
        return cross_entropy(scores, given)
    if scores.shape[-1] == 1:
        scores, given = scores.reshape(-1), given.reshape(-1)
    if given.shape != scores.shape:
        raise InputError(
            f"labels of a {kind} problem must have the shape of the logits, "
            f"{shapes[0]}, not {shapes[1]}."
        )
    target = given.to(scores.dtype)
    if kind == "regression":
        return F.mse_loss(scores, target)
    return F.binary_cross_entropy_with_logits(scores, target)


def no_loss(logits: Logits, labels: Labels, config: MobileBertConfig) -> Tensor | None:
    """The bare encoder has none."""
    return None


LOSSES: dict[Loss, LossFunction] = {
    Loss.NONE: no_loss,
    Loss.MASKED_LM: token_loss,
    Loss.MASKED_LM_PLUS_NEXT_SENTENCE: pretraining_loss,
    Loss.CROSS_ENTROPY: token_loss,
    Loss.BY_PROBLEM_TYPE: problem_type_loss,
    Loss.SPAN: span_loss,
}
