"""Answers to questions, by hand after the published metric."""

import pytest

from mobilebert.metrics import exact_match, overlap_f1, score_answers


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
