"""Metrics of one label of several, against scikit-learn."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn import metrics as oracle

from mobilebert.metrics import confusion_matrix, score_classes
from tolerances import FLOAT64

CLASSES = 5


@st.composite
def predictions(draw):
    count = draw(st.integers(1, 40))
    labels = st.lists(st.integers(0, draw(st.integers(0, CLASSES - 1))), min_size=count)
    return tuple(np.array(draw(labels)[:count]) for _ in range(2))


def same(found, wanted):
    return found == pytest.approx(wanted, abs=FLOAT64)


@given(predictions())
def test_scores_are_those_of_the_oracle(pair):
    predicted, wanted = pair
    scores = score_classes(predicted, wanted, CLASSES)
    there = sorted({*predicted.tolist(), *wanted.tolist()})
    precision, recall, f1, support = oracle.precision_recall_fscore_support(
        wanted, predicted, labels=range(CLASSES), zero_division=0
    )
    assert same(scores.counts.precision, precision)
    assert same(scores.counts.recall, recall)
    assert same(scores.counts.f1, f1)
    assert (scores.counts.support == support).all()
    confusion = oracle.confusion_matrix(wanted, predicted, labels=range(CLASSES))
    assert (confusion_matrix(predicted, wanted, CLASSES) == confusion).all()
    assert same(scores.accuracy, oracle.accuracy_score(wanted, predicted))
    keywords = {"labels": there, "average": "macro", "zero_division": 0}
    assert same(scores.macro_f1, oracle.f1_score(wanted, predicted, **keywords))
    assert same(scores.macro_precision, oracle.precision_score(wanted, predicted, **keywords))
    assert same(scores.macro_recall, oracle.recall_score(wanted, predicted, **keywords))
    alone = len(there) == 1  # of which the oracle warns
    assert same(scores.matthews, 0 if alone else oracle.matthews_corrcoef(wanted, predicted))


@given(predictions())
def test_the_baseline_is_the_score_of_one_answer(pair):
    _, wanted = pair
    scores = score_classes(pair[0], wanted, CLASSES)
    most = np.full(len(wanted), np.bincount(wanted).argmax())
    baseline = score_classes(most, wanted, CLASSES)
    assert same(scores.majority_accuracy, baseline.accuracy)
    assert same(scores.majority_macro_f1, baseline.macro_f1)


def test_one_predicted_class_is_noticed():
    wanted = np.array([0, 1, 1])
    assert score_classes(np.array([1, 1, 1]), wanted, 2).predicts_one_class
    assert not score_classes(np.array([0, 1, 1]), wanted, 2).predicts_one_class
    assert not score_classes(np.array([1, 1, 1]), np.array([1, 1, 1]), 2).predicts_one_class


def test_one_wrong_prediction_changes_every_score():
    """The twin: a metric that looks at nothing would pass the others."""
    wanted = np.array([0, 1, 2, 0, 1, 2])
    right, wrong = (score_classes(x, wanted, 3) for x in (wanted, np.array([1, 1, 2, 0, 1, 2])))
    for name in ("accuracy", "macro_f1", "macro_precision", "macro_recall", "matthews"):
        assert getattr(right, name) == 1 > getattr(wrong, name)


def test_many_classes_need_no_matrix():
    wanted = np.arange(10_000)
    tracemalloc.start()
    try:
        scores = score_classes(wanted[::-1].copy(), wanted, len(wanted))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert scores.accuracy == 0
    assert most < 100 * len(wanted)
