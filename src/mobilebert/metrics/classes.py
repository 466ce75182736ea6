"""One label of several: accuracy, precision, recall, F1, Matthews correlation."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

__all__ = ["ClassScores", "Counts", "confusion_matrix", "score_classes"]

IntArray = npt.NDArray[np.integer[Any]]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Counts:
    """What precision and recall are made of, for each class.

    Attributes:
        right: Predicted and true, [classes].
        predicted: How often a class is predicted, [classes].
        support: How often it is true, [classes].
    """

    right: IntArray
    predicted: IntArray
    support: IntArray

    @property
    def precision(self) -> FloatArray:
        """Share of the predictions of a class that are right; 0 where there are none."""
        return _shares(self.right, self.predicted)

    @property
    def recall(self) -> FloatArray:
        """Share of the members of a class that are found; 0 where there are none."""
        return _shares(self.right, self.support)

    @property
    def f1(self) -> FloatArray:
        """Harmonic mean of precision and recall; 0 where a class neither is nor is predicted."""
        return _shares(2 * self.right, self.predicted + self.support)

    def summed(self) -> Self:
        """All classes as one: its scores are the micro averages."""
        return type(self)(*(np.sum(x, keepdims=True) for x in vars(self).values()))


@dataclass(frozen=True)
class ClassScores:
    """Scores of a classifier.

    Attributes:
        counts: For each class.
    """

    counts: Counts

    @property
    def _total(self) -> int:
        return int(self.counts.support.sum())

    @property
    def accuracy(self) -> float:
        """Share of right predictions."""
        return float(self.counts.right.sum() / self._total)

    @property
    def majority_accuracy(self) -> float:
        """The accuracy of always predicting the most frequent class."""
        return float(self.counts.support.max() / self._total)

    @property
    def majority_macro_f1(self) -> float:
        """The macro F1 of always predicting the most frequent class."""
        share = self.majority_accuracy
        return 2 * share / (1 + share) / int((self.counts.support > 0).sum())

    @property
    def macro_precision(self) -> float:
        """Mean precision of the classes that occur or are predicted."""
        return self._mean(self.counts.precision)

    @property
    def macro_recall(self) -> float:
        """Mean recall of the same classes."""
        return self._mean(self.counts.recall)

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the same classes."""
        return self._mean(self.counts.f1)

    @property
    def matthews(self) -> float:
        """Matthews correlation, -1 to 1; 0 where one class only is true or predicted.

        Gorodkin 2004 (doi:10.1016/j.compbiolchem.2004.09.006), the case of several classes.
        """
        counts, total = self.counts, float(self._total)
        predicted, support = counts.predicted.astype(np.float64), counts.support.astype(np.float64)
        covariance = counts.right.sum() * total - predicted @ support
        spread = (total**2 - predicted @ predicted) * (total**2 - support @ support)
        return float(covariance / np.sqrt(spread)) if spread > 0 else 0.0

    @property
    def predicts_one_class(self) -> bool:
        """Whether one class only is ever predicted, of several that are true."""
        counts = self.counts
        return bool((counts.predicted > 0).sum() == 1 < (counts.support > 0).sum())

    def _mean(self, scores: FloatArray) -> float:
        return float(scores[_occurs(self.counts)].mean())


def confusion_matrix(predicted: IntArray, wanted: IntArray, classes: int) -> IntArray:
    """Count pairs of a true and a predicted class.

    Args:
        predicted: Classes, [texts].
        wanted: Classes, [texts].
        classes: How many there are.

    Returns:
        Rows are true classes, columns predicted ones, [classes, classes].
    """
    pairs = np.bincount(wanted.astype(np.int64) * classes + predicted, minlength=classes**2)
    return pairs.reshape(classes, classes)


def score_classes(predicted: IntArray, wanted: IntArray, classes: int) -> ClassScores:
    """Score predictions of one label of several.

    Args:
        predicted: Classes, [texts]; at least one.
        wanted: Classes, [texts].
        classes: How many there are.
    """
    # Not from the matrix, which is large where there are thousands of classes.
    found = (wanted[predicted == wanted], predicted, wanted)
    return ClassScores(Counts(*(np.bincount(x, minlength=classes) for x in found)))


def _occurs(counts: Counts) -> npt.NDArray[np.bool_]:
    return np.asarray(counts.predicted + counts.support > 0)


def _shares(part: IntArray, whole: IntArray) -> FloatArray:
    return np.asarray(part / np.maximum(whole, 1), np.float64)
