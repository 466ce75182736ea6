"""Answers to questions, by hand after the published metric."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from mobilebert.metrics import best_null_threshold, exact_match, overlap_f1, score_answers


@pytest.mark.parametrize(
    ("answer", "wanted", "exact", "f1"),
    [
        ("the Cat.", ["cat"], 1, 1),
        ("cat", ["a dog", "The  cat"], 1, 1),
        ("black cat", ["cat"], 0, 2 / 3),
        ("cat cat", ["cat"], 0, 2 / 3),
        ("dog", ["cat"], 0, 0),
        ("", [], 1, 1),
        ("cat", [], 0, 0),
        ("", ["cat"], 0, 0),
        ("the", ["cat"], 0, 0),
        ("cat", ["the", "cat"], 1, 1),
        ("U.S.", ["us"], 1, 1),
        ("theatre", ["atre"], 0, 0),
    ],
)
def test_one_answer(answer, wanted, exact, f1):
    assert exact_match(answer, wanted) == exact
    assert overlap_f1(answer, wanted) == pytest.approx(f1)


def test_all_answers():
    pairs = [("cat", ["cat"]), ("black cat", ["cat"]), ("", []), ("cat", [])]
    assert score_answers(pairs) == pytest.approx(
        {
            "exact_match": 50,
            "f1": 100 * (1 + 2 / 3 + 1) / 4,
            "has_answer_exact_match": 50,
            "has_answer_f1": 100 * (1 + 2 / 3) / 2,
            "no_answer_exact_match": 50,
            "no_answer_f1": 50,
        }
    )
    assert score_answers(pairs[:2]).keys() == {"exact_match", "f1"}


DIFFERENCES = st.integers(-3, 3).map(float) | st.sampled_from([-np.inf, np.inf])
SCORES = st.sampled_from([0.0, 0.5, 1.0])


@given(st.lists(st.tuples(DIFFERENCES, SCORES, SCORES), min_size=1, max_size=9))
def test_no_threshold_of_no_answer_is_better_than_the_best(rows):
    differences, of_spans, of_none = np.array(rows).T

    def score(threshold):
        return np.where(differences > threshold, of_none, of_spans).sum()

    found = best_null_threshold(differences, of_spans, of_none)
    assert np.isfinite(found)
    assert score(found) == max(map(score, np.arange(-4, 4.5, 0.5)))
    assert found == 0 or score(0.0) < score(found)


def test_the_threshold_of_no_answer_lies_between_neighbours():
    right, wrong = np.array([1.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])
    assert best_null_threshold(np.array([1.0, 2.0, 4.0]), right, wrong) == 3
    assert best_null_threshold(np.array([1.0, 2.0, 4.0]), right, right) == 0
    assert best_null_threshold(np.array([1.0, 2.0, 4.0]), right, 0 * wrong) == 3
    assert best_null_threshold(np.array([-4.0, -3.0, -2.0]), wrong - 1, right) == -5
