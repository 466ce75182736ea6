"""Several labels at once, each on its own."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.metrics.classes import Counts
from mobilebert.metrics.ranking import average_precision

__all__ = ["best_thresholds", "label_counts", "score_labels"]

Array = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]


def label_counts(predicted: BoolArray, wanted: BoolArray) -> Counts:
    """Count for each label, [texts, labels] against [texts, labels]."""
    right = (predicted & wanted).sum(axis=0)
    return Counts(right, predicted.sum(axis=0), wanted.sum(axis=0))


def score_labels(
    probabilities: Array, wanted: BoolArray, thresholds: Array | float = 0.5
) -> Mapping[str, float]:
    """Score predictions of several labels at once.

    Args:
        probabilities: [texts, labels].
        wanted: [texts, labels].
        thresholds: What a probability has to reach; one, or one for each label.

    Returns:
        ``micro_f1``, ``macro_f1`` (over labels that occur or are predicted), ``subset_accuracy``
        (all labels of a text right) and ``mean_average_precision`` (over labels that occur).
    """
    predicted = np.asarray(probabilities >= thresholds)
    counts = label_counts(predicted, wanted)
    seen = counts.predicted + counts.support > 0
    occurs = np.flatnonzero(counts.support)
    precisions = [average_precision(probabilities[:, i], wanted[:, i]) for i in occurs]
    return {
        "micro_f1": float(counts.summed().f1[0]),
        "macro_f1": float(counts.f1[seen].mean()) if seen.any() else 0.0,
        "subset_accuracy": float((predicted == wanted).all(axis=1).mean()),
        "mean_average_precision": float(np.mean(precisions)) if precisions else float("nan"),
    }


def best_thresholds(probabilities: Array, wanted: BoolArray, default: float = 0.5) -> Array:
    """Return the threshold of each label that gives the highest F1 on these texts.

    It lies midway between two neighbouring probabilities. Of equally good ones the nearest to the
    default is taken.

    Args:
        probabilities: [texts, labels].
        wanted: [texts, labels].
        default: For labels that do not occur.

    Returns:
        [labels].
    """
    found = np.full(probabilities.shape[1], default)
    for label in np.flatnonzero(wanted.any(axis=0)):
        found[label] = _best_threshold(probabilities[:, label], wanted[:, label], default)
    return found


def _best_threshold(scores: Array, members: BoolArray, default: float) -> float:
    order = np.argsort(-scores, kind="stable")
    falling = scores[order].astype(np.float64)
    right, taken = np.cumsum(members[order]), np.arange(1, len(scores) + 1)
    f1 = 2 * right / (taken + members.sum())
    below = np.append(falling[1:], 0.0)
    possible = falling > below
    if not possible.any():
        return default
    thresholds, f1 = ((falling + below) / 2)[possible], f1[possible]
    good = thresholds[f1 >= f1.max() - 1e-12]
    return float(good[np.argmin(np.abs(good - default))])
