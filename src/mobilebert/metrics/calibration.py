"""Whether answers given with a probability are right as often as that."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Calibration", "calibration"]

Array = npt.NDArray[np.floating[Any]]

BINS = 10


@dataclass(frozen=True)
class Calibration:
    """Answers by their probability, in bins of equal width.

    Attributes:
        count: Answers in each bin, [bins].
        confidence: Their mean probability, [bins]; NaN in an empty bin.
        accuracy: The share that is right, [bins]; NaN in an empty bin.
        error: Mean distance of the two over all answers (expected calibration error: Guo et al.
            2017, "On Calibration of Modern Neural Networks", section 2).
    """

    count: npt.NDArray[np.integer[Any]]
    confidence: Array
    accuracy: Array
    error: float


def calibration(
    probabilities: Array, right: npt.NDArray[np.bool_], bins: int = BINS
) -> Calibration:
    """Compare probabilities with how often they are right.

    Args:
        probabilities: Of the answers given, [texts]; 0 to 1.
        right: Whether these answers are right, [texts].
        bins: How many.
    """
    place = np.clip(np.ceil(probabilities * bins).astype(np.int64) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    sums = (np.bincount(place, weights=x, minlength=bins) for x in (probabilities, right))
    confidence, accuracy = (np.where(count, x / np.maximum(count, 1), np.nan) for x in sums)
    distance = np.abs(confidence - accuracy)[count > 0]
    return Calibration(
        count, confidence, accuracy, float((distance * count[count > 0]).sum() / count.sum())
    )
