"""The losses of the task table, equal to those of the PyTorch classes.

Labels may have any integer type. Labels of -100 count nowhere; where nothing is left to count the
loss is 0 with zero gradients.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from mobilebert.config import MobileBertConfig
from mobilebert.errors import InputError
from mobilebert.keras.inputs import checked_in_graph, is_readable, static_shape
from mobilebert.tasks import Loss

__all__ = ["IGNORED", "LOSSES", "cross_entropy", "ignoring_negative", "inferred_problem_type"]

IGNORED = -100

Logits = tuple[Any, ...]
Labels = tuple[Any | None, ...]
LossFunction = Callable[[Logits, Labels, MobileBertConfig], Any | None]


def _each(logits: Any, labels: Any, name: str) -> tuple[Any, Any]:
    """The loss of every label, [n], and 1.0 where it counts."""
    classes = static_shape(logits)[-1]
    rows = ops.reshape(logits, (-1, classes if classes is not None else ops.shape(logits)[-1]))
    flat = ops.cast(ops.reshape(labels, (-1,)), "int32")
    found, wanted = static_shape(flat)[0], static_shape(rows)[0]
    if found is not None and wanted is not None and found != wanted:
        raise InputError(
            f"{name} has shape {static_shape(labels)}, but the logits have shape "
            f"{static_shape(logits)}; one label is needed for each row of logits."
        )
    if None in (found, wanted):
        difference = ops.shape(flat)[0] - ops.shape(rows)[0]
        message = f"{name}: one is needed for each row of logits."
        flat = checked_in_graph(flat, difference, 1, message)
    flat = _checked_classes(flat, classes, name)
    rows = ops.cast(rows, keras.backend.result_type(rows.dtype, "float32"))
    counts = ops.not_equal(flat, IGNORED)
    one_of = ops.expand_dims(ops.where(counts, flat, ops.zeros_like(flat)), -1)
    picked = ops.take_along_axis(ops.log_softmax(rows, axis=-1), one_of, axis=-1)[:, 0]
    weight = ops.cast(counts, picked.dtype)
    return -picked * weight, weight


def cross_entropy(logits: Any, labels: Any, config: MobileBertConfig, name: str = "labels") -> Any:
    """Mean cross-entropy over the labels that count.

    Args:
        logits: Scores, [..., classes].
        labels: Classes, or -100 for "does not count", [...].
        config: With `tf_legacy_loss` the losses of the labels that count are returned, [n].
        name: What to call the labels in an error.

    Raises:
        InputError: Another number of labels than of scores, or a label that is no class; or
            `tf_legacy_loss` inside a program compiled by JAX.
    """
    each, weight = _each(logits, labels, name)
    if config.tf_legacy_loss:
        if keras.backend.backend() == "jax" and not is_readable(weight):
            raise InputError(
                "config.tf_legacy_loss returns as many losses as labels count, and programs "
                "compiled by JAX have fixed sizes; set it to False."
            )
        (where,) = ops.nonzero(weight)
        return ops.take(each, where, axis=0)
    return ops.sum(each) / ops.maximum(ops.sum(weight), 1.0)


def _checked_classes(labels: Any, classes: int | None, name: str) -> Any:
    if classes is None:
        return labels
    if not is_readable(labels):
        counted = ops.where(ops.equal(labels, IGNORED), ops.zeros_like(labels), labels)
        message = f"{name} holds a number that is no class of 0 to {classes - 1}."
        return checked_in_graph(labels, counted, classes, message)
    values = ops.convert_to_numpy(labels)
    wrong = values[(values != IGNORED) & ((values < 0) | (values >= classes))]
    if wrong.size:
        raise InputError(
            f"{name} holds {int(wrong[0])}; allowed are 0 to {classes - 1}, and "
            f"{IGNORED} for positions that do not count."
        )
    return labels


def ignoring_negative(labels: Any) -> Any:
    """Let every label below 0 be one that does not count.

    Args:
        labels: Classes, any shape.
    """
    whole = ops.cast(labels, "int32")
    return ops.where(whole < 0, ops.full_like(whole, IGNORED), whole)


def token_loss(logits: Logits, labels: Labels, config: MobileBertConfig) -> Any | None:
    """Cross-entropy over the last axis, [..., classes] against [...]."""
    return None if labels[0] is None else cross_entropy(logits[0], labels[0], config)


def pretraining_loss(logits: Logits, labels: Labels, config: MobileBertConfig) -> Any | None:
    """Sum of the masked-language-model and the next-sentence loss, of those that have labels."""
    names = ("labels", "next_sentence_label")
    losses = []
    for scores, given, name in zip(logits, labels, names, strict=True):
        if given is not None:
            each, weight = _each(scores, given, name)
            losses.append(ops.sum(each) / ops.maximum(ops.sum(weight), 1.0))
    return sum(losses[1:], losses[0]) if losses else None


def span_loss(logits: Logits, labels: Labels, config: MobileBertConfig) -> Any | None:
    """Mean of the cross-entropies of start and end, [B, S] against [B] or [B, 1].

    A position outside the sequence, on either side, does not count. Both have to be given.
    """
    start, end = labels
    if start is None or end is None:
        return None
    losses = []
    for scores, positions in zip(logits, (start, end), strict=True):
        flat = ops.cast(ops.reshape(positions, (-1,)), "int32")
        outside = ops.logical_or(flat < 0, flat >= ops.shape(scores)[-1])
        inside = ops.where(outside, ops.full_like(flat, IGNORED), flat)
        each, weight = _each(scores, inside, "positions")
        mean = ops.sum(each) / ops.maximum(ops.sum(weight), 1.0)
        losses.append(each if config.tf_legacy_loss else mean)
    return (losses[0] + losses[1]) / 2


def inferred_problem_type(labels: Any, num_labels: int) -> str:
    """Tell what kind of problem the labels of a sequence classifier pose.

    One label is a regression; integers are classes; several floating-point (or true/false)
    numbers for each sequence are independent labels.
    """
    if num_labels == 1:
        return "regression"
    dtype = keras.backend.standardize_dtype(labels.dtype)
    if dtype == "bool" or "float" in dtype:
        return "multi_label_classification"
    return "single_label_classification"


def problem_type_loss(logits: Logits, labels: Labels, config: MobileBertConfig) -> Any | None:
    """Loss of a sequence classifier, as `config.problem_type` or the labels say.

    Mean squared error, cross-entropy, or binary cross-entropy with logits.
    """
    scores, given = logits[0], labels[0]
    if given is None:
        return None
    width = static_shape(scores)[-1]
    kind = config.problem_type or inferred_problem_type(given, width or config.num_labels)
    if kind == "single_label_classification":
        return cross_entropy(scores, given, config)
    if width == 1:
        scores, given = ops.reshape(scores, (-1,)), ops.reshape(given, (-1,))
    pairs = zip(static_shape(scores), static_shape(given), strict=False)
    ranks_differ = len(static_shape(scores)) != len(static_shape(given))
    if ranks_differ or any(None not in pair and pair[0] != pair[1] for pair in pairs):
        raise InputError(
            f"labels of a {kind} problem must have the shape of the logits, "
            f"{static_shape(logits[0])}, not {static_shape(labels[0])}."
        )
    scores = ops.cast(scores, keras.backend.result_type(scores.dtype, "float32"))
    target = ops.cast(given, scores.dtype)
    if kind == "regression":
        each = ops.square(scores - target)
    else:
        each = ops.relu(scores) - scores * target + ops.softplus(-ops.abs(scores))
    if config.tf_legacy_loss:
        return ops.mean(ops.reshape(each, (ops.shape(each)[0], -1)), axis=-1)
    return ops.mean(each)


def no_loss(logits: Logits, labels: Labels, config: MobileBertConfig) -> Any | None:
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
