import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from assertions import assert_close
from mobilebert.pipelines.scores import ScoreFunction, best, normalized, sigmoid, softmax
from mobilebert.pipelines.spans import best_spans, span_scores
from tolerances import FLOAT32, FLOAT64

HUGE = arrays(np.float32, st.integers(1, 40), elements=st.floats(-(2.0**127), 2.0**127, width=32))


@given(HUGE)
def test_softmax_is_a_distribution_for_any_logits(logits):
    with np.errstate(over="ignore"):
        scores = softmax(logits)
    assert np.isfinite(scores).all()
    assert_close(scores.sum(), 1.0, FLOAT32)
    assert scores[logits.argmax()] == scores.max()


@given(HUGE)
def test_sigmoid_is_finite_and_symmetric(logits):
    with np.errstate(under="ignore"):
        scores = sigmoid(logits)
        assert_close(scores + sigmoid(-logits), np.ones_like(logits), FLOAT32)
    assert ((scores >= 0) & (scores <= 1)).all()


def test_values_by_hand():
    assert_close(softmax(np.log([1.0, 3.0])), [0.25, 0.75], FLOAT64)
    assert_close(sigmoid(np.log([1.0, 3.0])), [0.5, 0.75], FLOAT64)
    assert ScoreFunction.NONE(np.array([7.0])) == [7.0]
    assert ScoreFunction.SOFTMAX(np.array([5.0])) == [1.0]


@given(arrays(np.float32, st.integers(1, 30), elements=st.integers(-4, 4)), st.integers(1, 35))
def test_best_is_a_stable_sort(scores, count):
    wanted = sorted(range(len(scores)), key=lambda place: -scores[place])[:count]
    assert best(scores, count) == wanted


def test_normalized_survives_zero_and_the_published_first_token():
    vectors = np.array([[3e7, -4e7], [0.0, 0.0]], np.float32)
    assert_close(normalized(vectors), [[0.6, -0.8], [0, 0]], FLOAT32)


@given(
    arrays(np.float64, 12, elements=st.floats(0, 1)),
    arrays(np.float64, 12, elements=st.floats(0, 1)),
    st.integers(1, 14),
    st.integers(1, 30),
)
def test_best_spans_are_those_of_an_exhaustive_search(starts, ends, longest, count):
    pairs = [(a, b) for a in range(12) for b in range(a, min(a + longest, 12))]
    wanted = sorted((starts[a] * ends[b] for a, b in pairs), reverse=True)[:count]
    found = best_spans(starts, ends, longest, count)
    assert [score for _, _, score in found] == pytest.approx(wanted)
    assert len({(a, b) for a, b, _ in found}) == len(found)
    assert all(0 <= b - a < longest for a, b, _ in found)


def test_tokens_outside_the_context_take_no_part_even_with_huge_logits():
    start = np.array([0.0, 1e7, -1e6, -1e6, 1e7])
    starts, _, null = span_scores(start, start, slice(2, 4))
    assert_close(starts, [0, 0], FLOAT64)
    assert null == pytest.approx(1.0)
    starts, _, null = span_scores(start - [1e9, 0, 0, 0, 0], start, slice(2, 4))
    assert_close(starts, [0.5, 0.5], FLOAT64)
    assert null == 0.0
