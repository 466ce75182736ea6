"""Weights that make up for classes of different size."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["balanced_class_weights", "balanced_example_weights", "balanced_positive_weights"]

Numbers = npt.NDArray[np.integer]
FloatArray = npt.NDArray[np.float64]


def balanced_class_weights(counts: Numbers) -> Tensor:
    """Return class weights with which all classes count alike.

    A class's weight is the mean size of a class over its own (King and Zeng 2001,
    Political Analysis 9(2)), so that the mean weight of the examples is 1.

    Args:
        counts: Examples of each class, [C]. A class without any has weight 1.

    Returns:
        Float32, [C].
    """
    there = counts > 0
    mean = counts.sum() / max(int(there.sum()), 1)
    return torch.from_numpy(np.where(there, mean / np.maximum(counts, 1), 1.0)).float()


def balanced_positive_weights(counts: Numbers, examples: int, largest: float = 100.0) -> Tensor:
    """Return weights with which "is there" and "is not" count alike for each label.

    Args:
        counts: Examples that have each label, [C].
        examples: Examples in all.
        largest: What a weight is limited to: that of a label seen once would follow one example.

    Returns:
        Float32, [C].
    """
    weights = (examples - counts) / np.maximum(counts, 1)
    return torch.from_numpy(np.clip(weights, 1 / largest, largest)).float()


def balanced_example_weights(classes: Numbers) -> FloatArray:
    """Return how often to draw each example so that all classes are drawn alike.

    Args:
        classes: The class of each example, [N].

    Returns:
        Weights with mean 1, [N].
    """
    counts = np.bincount(classes)
    return balanced_class_weights(counts).double().numpy()[classes]
