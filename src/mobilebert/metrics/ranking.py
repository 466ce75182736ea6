"""How well scores put members before others, whatever the threshold."""

from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.metrics.correlation import ranks

__all__ = ["average_precision", "roc_auc"]

Array = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]


def roc_auc(scores: Array, members: BoolArray) -> float:
    """Return the chance that a member scores higher than another; equal scores count half.

    The area under the curve of true against false positives (Mann and Whitney 1947).

    Args:
        scores: [texts].
        members: Which are members, [texts].

    Returns:
        0 to 1; NaN where all or none are members.
    """
    inside = int(members.sum())
    outside = len(members) - inside
    if not inside or not outside:
        return float("nan")
    above = ranks(scores)[members].sum() - inside * (inside + 1) / 2
    return float(above / (inside * outside))


def average_precision(scores: Array, members: BoolArray) -> float:
    """Return the mean precision at the threshold of each member.

    Equal scores are one threshold, and nothing is interpolated.

    Args:
        scores: [texts].
        members: Which are members, [texts].

    Returns:
        0 to 1; NaN where none are members.
    """
    inside = int(members.sum())
    if not inside:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(members[order])
    # The last of equal scores stands for all of them.
    last = np.append(np.diff(scores[order]) != 0, True)
    found, taken = found[last], np.flatnonzero(last) + 1
    recalled = np.diff(found, prepend=0) / inside
    return float((recalled * found / taken).sum())
