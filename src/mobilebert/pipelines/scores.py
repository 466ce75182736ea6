"""From logits to scores, finite for logits of any size.

MobileBERT's raw first token reaches 1e7, so a classifier over it easily gives logits whose plain
exponential overflows.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["ScoreFunction", "best", "normalized", "sigmoid", "softmax"]

Array = npt.NDArray[np.floating[Any]]

# Below this length a vector is taken for zero and stays as it is.
SMALLEST_LENGTH = 1e-12


class ScoreFunction(StrEnum):
    """What turns logits into scores."""

    SOFTMAX = "softmax"  # one label of several
    SIGMOID = "sigmoid"  # each label on its own
    NONE = "none"  # regression: the logit is the answer

    def __call__(self, logits: Array) -> Array:
        """Apply the function to the last axis of `logits`."""
        return _FUNCTIONS[self.value](logits)


def softmax(logits: Array) -> Array:
    """Softmax over the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def sigmoid(logits: Array) -> Array:
    """Logistic function of each element."""
    # exp(-|x|) is at most 1; each side of zero has its own exact form.
    small = np.exp(-np.abs(logits))
    return np.asarray(np.where(logits >= 0, 1 / (1 + small), small / (1 + small)))


def normalized(vectors: Array) -> Array:
    """Scale vectors on the last axis to Euclidean length 1."""
    wide = vectors.astype(np.float64)
    length = np.sqrt(np.square(wide).sum(axis=-1, keepdims=True))
    return np.asarray(wide / np.maximum(length, SMALLEST_LENGTH), dtype=vectors.dtype)


def best(scores: Array, count: int | None = None) -> list[int]:
    """Return the places of the highest scores, highest first; equal scores keep their order.

    Args:
        scores: One score for each label, [labels].
        count: How many places to return; all by default.
    """
    wanted = len(scores) if count is None else min(count, len(scores))
    if wanted < len(scores):
        # Sorting a vocabulary of 30,000 for five answers would take longer than the head.
        lowest = np.partition(scores, len(scores) - wanted)[len(scores) - wanted]
        candidates = np.flatnonzero(scores >= lowest)
    else:
        candidates = np.arange(len(scores))
    order = candidates[np.argsort(-scores[candidates], kind="stable")]
    return [int(place) for place in order[:wanted]]


_FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "softmax": softmax,
    "sigmoid": sigmoid,
    "none": lambda logits: logits,
}
