"""How two series of numbers go together."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["pearson", "ranks", "spearman"]

Array = npt.NDArray[np.floating[Any]]


def pearson(found: Array, wanted: Array) -> float:
    """Return Pearson's correlation, -1 to 1; NaN where one series is constant.

    Args:
        found: [texts].
        wanted: [texts].
    """
    # The mean of equal numbers is rounded, so what is left of them is not always 0.
    if any(len(x) == 0 or np.ptp(x) == 0 for x in (found, wanted)):
        return float("nan")
    one, other = (x.astype(np.float64) - np.mean(x, dtype=np.float64) for x in (found, wanted))
    lengths = np.sqrt((one @ one) * (other @ other))
    return float(np.clip(one @ other / lengths, -1, 1)) if lengths > 0 else float("nan")


def spearman(found: Array, wanted: Array) -> float:
    """Return Spearman's correlation: Pearson's of the ranks.

    Args:
        found: [texts].
        wanted: [texts].
    """
    return pearson(ranks(found), ranks(wanted))


def ranks(numbers: Array) -> npt.NDArray[np.float64]:
    """Return the place of each number in rising order, from 1; equal ones have their mean place.

    Args:
        numbers: [texts].
    """
    _, place, count = np.unique(numbers, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[place], np.float64)
