import math

import numpy as np
import pytest
import torch

from mobilebert.training.priors import class_prior, label_prior


def test_shares_of_classes_are_told():
    # 1 + 5, 1 + 2 and 1 + 0 of 10.
    scores = class_prior(np.array([5, 2, 0]))
    torch.testing.assert_close(scores.softmax(0), torch.tensor([0.6, 0.3, 0.1]))


def test_weights_count_too():
    # 6 and 3, the second thrice: 6 and 9 of 15.
    scores = class_prior(np.array([5, 2]), torch.tensor([1.0, 3.0]))
    torch.testing.assert_close(scores.softmax(0), torch.tensor([0.4, 0.6]))


def test_smoothed_shares_are_those_of_the_targets():
    # Half of (0.75, 0.25), and half of (0.5, 0.5).
    scores = class_prior(np.array([2, 0]), smoothing=0.5)
    torch.testing.assert_close(scores.softmax(0), torch.tensor([0.625, 0.375]))


def test_shares_of_labels_are_told():
    # (1.5 and 0.5) of 10.
    scores = label_prior(np.array([1, 0]), 9)
    torch.testing.assert_close(scores.sigmoid(), torch.tensor([0.15, 0.05]))
    # 1.5 thrice, beside 8.5: 4.5 of 13.
    weighted = label_prior(np.array([1]), 9, torch.tensor([3.0]))
    assert weighted.sigmoid().item() == pytest.approx(4.5 / 13)
    smoothed = label_prior(np.array([1]), 9, smoothing=0.2)
    assert smoothed.sigmoid().item() == pytest.approx(0.8 * 0.15 + 0.1)


def test_the_bias_is_where_the_loss_is_lowest():
    # The mean cross-entropy over examples has no gradient where scores are their shares.
    counts = np.array([29, 9])
    scores = class_prior(counts).requires_grad_()
    targets = torch.tensor([0] * 30 + [1] * 10)
    torch.nn.functional.cross_entropy(scores.expand(40, 2), targets).backward()
    torch.testing.assert_close(scores.grad, torch.zeros(2), rtol=0, atol=1e-6)
    assert math.isclose(float(scores.detach().exp().sum()), 1.0, rel_tol=1e-6)
