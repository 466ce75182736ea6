"""Metrics of scores and probabilities, against scikit-learn and scipy."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats
from sklearn import metrics as oracle

from mobilebert.metrics import (
    average_precision,
    best_thresholds,
    calibration,
    pearson,
    ranks,
    roc_auc,
    score_labels,
    spearman,
)
from tolerances import FLOAT64

# Few different ones, so that many are equal.
SCORES = st.integers(0, 20).map(lambda n: n / 20)


@st.composite
def scored(draw, least=2):
    count = draw(st.integers(least, 40))
    scores = draw(st.lists(SCORES, min_size=count, max_size=count))
    members = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    return np.array(scores), np.array(members)


def same(found, wanted):
    return found == pytest.approx(wanted, abs=FLOAT64, nan_ok=True)


@given(scored())
def test_ranking(pair):
    scores, members = pair
    both = members.any() and not members.all()
    assert same(roc_auc(scores, members), oracle.roc_auc_score(members, scores) if both else np.nan)
    precision = oracle.average_precision_score(members, scores) if members.any() else np.nan
    assert same(average_precision(scores, members), precision)


@given(scored(), st.randoms(use_true_random=False))
def test_correlation(pair, random):
    one = pair[0]
    other = np.array([random.randrange(9) for _ in one], np.float64)
    assert same(ranks(one), stats.rankdata(one))
    constant = np.ptp(one) == 0 or np.ptp(other) == 0
    assert same(pearson(one, other), np.nan if constant else stats.pearsonr(one, other)[0])
    assert same(spearman(one, other), np.nan if constant else stats.spearmanr(one, other)[0])


def test_calibration_by_hand():
    found = calibration(
        np.array([0.95, 0.95, 0.55, 0.05, 1.0, 0.0]), np.array([1, 0, 1, 0, 1, 0], bool)
    )
    assert found.count.tolist() == [2, 0, 0, 0, 0, 1, 0, 0, 0, 3]
    assert found.confidence[9] == pytest.approx(2.9 / 3)
    assert found.accuracy[9] == pytest.approx(2 / 3)
    assert found.error == pytest.approx((2 * 0.025 + 0.45 + 3 * 0.9 / 3) / 6)


@st.composite
def labelled(draw):
    texts, labels = draw(st.integers(1, 30)), draw(st.integers(2, 4))
    numbers = st.lists(SCORES, min_size=texts * labels, max_size=texts * labels)
    members = st.lists(st.booleans(), min_size=texts * labels, max_size=texts * labels)
    return tuple(np.array(draw(x)).reshape(texts, labels) for x in (numbers, members))


@given(labelled())
def test_several_labels(pair):
    probabilities, wanted = pair
    found = score_labels(probabilities, wanted)
    predicted = probabilities >= 0.5
    seen = np.flatnonzero((predicted | wanted).any(axis=0))
    micro = oracle.f1_score(wanted, predicted, average="micro", zero_division=0)
    assert same(found["micro_f1"], micro)
    each = oracle.f1_score(wanted, predicted, average=None, zero_division=0)
    assert same(found["macro_f1"], np.ravel(each)[seen].mean() if len(seen) else 0.0)
    assert same(found["subset_accuracy"], oracle.accuracy_score(wanted, predicted))


@given(labelled())
def test_no_threshold_is_better(pair):
    probabilities, wanted = pair
    thresholds = best_thresholds(probabilities, wanted)
    for label in np.flatnonzero(wanted.any(axis=0)):
        f1 = [
            oracle.f1_score(wanted[:, label], probabilities[:, label] >= t, zero_division=0)
            for t in (thresholds[label], *np.linspace(0.005, 1.005, 41))
        ]
        assert f1[0] >= max(f1) - FLOAT64
    assert (thresholds[~wanted.any(axis=0)] == 0.5).all()


def test_a_constant_series_has_no_correlation():
    # The mean of three times 0.05 is not 0.05.
    constant, other = np.full(3, 0.05), np.array([0.0, 0.0, 1.0])
    assert np.isnan(pearson(constant, other))
    assert np.isnan(pearson(other, constant))
