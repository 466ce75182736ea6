"""Weights that make up for classes of different size."""

import numpy as np
import pytest

from mobilebert.training.balance import (
    balanced_class_weights,
    balanced_example_weights,
    balanced_positive_weights,
)


def test_class_weights():
    assert balanced_class_weights(np.array([6, 2, 1])).tolist() == pytest.approx([0.5, 1.5, 3.0])
    assert balanced_class_weights(np.array([3, 0, 1])).tolist() == pytest.approx([2 / 3, 1.0, 2.0])
    assert balanced_class_weights(np.array([0, 0])).tolist() == [1.0, 1.0]


def test_positive_weights():
    found = balanced_positive_weights(np.array([1, 4, 0, 8, 500]), 1000)
    assert found.tolist() == pytest.approx([100.0, 100.0, 100.0, 100.0, 1.0])
    assert balanced_positive_weights(np.array([1, 4, 8]), 8).tolist() == pytest.approx([7, 1, 0.01])


def test_example_weights_draw_all_classes_alike():
    classes = np.array([0, 0, 0, 1, 2, 2, 0, 0])
    weights = balanced_example_weights(classes)
    assert weights.mean() == pytest.approx(1)
    assert np.bincount(classes, weights) == pytest.approx([8 / 3] * 3)
