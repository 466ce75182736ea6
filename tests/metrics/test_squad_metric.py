"""Answers to questions beside the official metric of SQuAD 2.0, written down from its definition.

Rajpurkar et al. 2018 (arXiv:1806.03822), section 5, and 2016 (arXiv:1606.05250), section 6.1. Here
are no regular expressions and no counters, so that one mistake is not made twice.
"""

import string
from itertools import groupby

import pytest
from hypothesis import given, strategies as st

from mobilebert.metrics import exact_match, overlap_f1, score_answers
from mobilebert.metrics.answers import normalized_answer

ARTICLES = ("a", "an", "the")


def normalized(text):
    """Lower case, then no ASCII punctuation, then no words that are articles, then one space."""
    letters = [letter for letter in text.lower() if letter not in string.punctuation]
    runs = ["".join(run) for _, run in groupby(letters, key=str.isalnum)]
    return " ".join("".join(" " if run in ARTICLES else run for run in runs).split())


def exact(right, told):
    return float(normalized(right) == normalized(told))


def f1(right, told):
    right, told = normalized(right).split(), normalized(told).split()
    if not right or not told:  # no answer is right alone
        return float(right == told)
    left = list(told)
    for word in right:
        if word in left:
            left.remove(word)
    shared = len(told) - len(left)
    if not shared:
        return 0.0
    precision, recall = shared / len(told), shared / len(right)
    return 2 * precision * recall / (precision + recall)


def official(told, answers):
    """Exact match and F1 of a question: the best over its answers that are not empty."""
    possible = [answer for answer in answers if normalized(answer)] or [""]
    return max(exact(x, told) for x in possible), max(f1(x, told) for x in possible)


WORDS = ("a", "an", "The", "cat", "Cat", "cats", "U.S.", "it's", "theatre", "é", "_an_", "7", "中")
BETWEEN = (" ", "  ", "", ".", "-", "–", "’", "\n", "\u00a0", "\u0301")
ANSWERS = (
    st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(BETWEEN)), max_size=5).map(
        lambda pairs: "".join(word + between for word, between in pairs)
    )
    | st.text(max_size=8)
    | st.just("")
)
QUESTIONS = st.tuples(ANSWERS, st.lists(ANSWERS, max_size=3))


@given(ANSWERS)
def test_answers_are_normalized_as_officially(answer):
    assert normalized_answer(answer) == normalized(answer)


@given(QUESTIONS)
def test_a_question_is_scored_as_officially(question):
    wanted_exact, wanted_f1 = official(*question)
    assert exact_match(*question) == wanted_exact
    assert overlap_f1(*question) == pytest.approx(wanted_f1)


@given(st.lists(QUESTIONS, min_size=1, max_size=6))
def test_all_questions_are_scored_as_officially(questions):
    parts = {
        "": questions,
        "has_answer_": [question for question in questions if question[1]],
        "no_answer_": [question for question in questions if not question[1]],
    }
    if not all(parts.values()):  # the parts are told where there are both
        parts = {"": questions}
    wanted = {}
    for part, chosen in parts.items():
        scores = [official(*question) for question in chosen]
        for name, column in zip(("exact_match", "f1"), zip(*scores, strict=True), strict=True):
            wanted[f"{part}{name}"] = 100 * sum(column) / len(column)
    assert score_answers(questions) == pytest.approx(wanted)


def test_a_question_is_answered_by_an_article_too():
    """The official script asks whether there are answers, not what is left of them."""
    found = score_answers([("the", ["the"]), ("", [])])
    assert found["has_answer_f1"] == found["no_answer_f1"] == 100
