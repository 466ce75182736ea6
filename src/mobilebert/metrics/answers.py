"""Answers to questions: the official metric of SQuAD 1.1 and 2.0.

Rajpurkar et al. 2016 (arXiv:1606.05250), section 6.1, and 2018 (arXiv:1806.03822), section 5.
"""

import re
import string
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "best_null_threshold",
    "exact_match",
    "normalized_answer",
    "overlap_f1",
    "score_answers",
]

Array = npt.NDArray[np.floating[Any]]

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalized_answer(answer: str) -> str:
    """Return an answer in lower case, without ASCII punctuation, articles and repeated spaces."""
    bare = answer.lower().translate(_NO_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def exact_match(answer: str, wanted: Iterable[str]) -> float:
    """Return 1 if an answer is one of those wanted once normalized, or else 0.

    Args:
        answer: What was answered; empty for "no answer".
        wanted: The right answers; empty where there is none.
    """
    found = normalized_answer(answer)
    return float(any(found == right for right in _right_answers(wanted)))


def overlap_f1(answer: str, wanted: Iterable[str]) -> float:
    """Return the largest F1 of the words of an answer and of those of a right one.

    Args:
        answer: What was answered; empty for "no answer".
        wanted: The right answers; empty where there is none.
    """
    words = normalized_answer(answer).split()
    return max(_overlap(words, right.split()) for right in _right_answers(wanted))


def score_answers(pairs: Iterable[tuple[str, Sequence[str]]]) -> Mapping[str, float]:
    """Score answers to all questions.

    Args:
        pairs: An answer and the right ones, for each question.

    Returns:
        ``exact_match`` and ``f1`` in percent; the same of questions with and without an answer, as
        ``has_answer_f1``, ``no_answer_f1``, ..., where there are both.
    """
    scores: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for answer, wanted in pairs:
        # As officially: an answer that is an article alone is one.
        scores[bool(wanted)].append((exact_match(answer, wanted), overlap_f1(answer, wanted)))
    named = {"": scores[True] + scores[False]}
    if scores[True] and scores[False]:
        named |= {"has_answer_": scores[True], "no_answer_": scores[False]}
    return {
        f"{part}{name}": 100 * sum(row[column] for row in rows) / len(rows)
        for part, rows in named.items()
        for column, name in enumerate(("exact_match", "f1"))
    }


def best_null_threshold(differences: Array, of_spans: Array, of_none: Array) -> float:
    """Return the threshold of "no answer" that gives the highest score on these questions.

    The official script of SQuAD 2.0 searches it in the same way, for its ``best_f1``. It lies
    midway between two neighbouring differences, or 1 beyond the outermost. Of equally good ones the
    nearest to 0 is taken.

    Args:
        differences: How much more likely no answer is than the best span, in logarithms,
            [questions]; infinite where only one of the two is possible.
        of_spans: Score of the best span, [questions].
        of_none: Score of no answer, [questions].
    """
    order = np.argsort(differences, kind="stable")
    rising = differences[order].astype(np.float64)
    # At place n the n smallest differences are answered with their spans, the others with nothing.
    scores = np.concatenate([[0.0], np.cumsum(of_spans[order])])
    scores += np.concatenate([np.cumsum(of_none[order][::-1])[::-1], [0.0]])
    least, most = np.append(-np.inf, rising), np.append(rising, np.inf)
    possible = least < most
    least, most, scores = least[possible], most[possible], scores[possible]
    with np.errstate(invalid="ignore"):  # where both are infinite 0 is taken
        inner = (
            np.where(np.isinf(least), most - 2, least) + np.where(np.isinf(most), least + 2, most)
        ) / 2
    thresholds = np.where((least <= 0) & (most > 0), 0.0, inner)
    good = thresholds[scores >= scores.max() - 1e-9]
    return float(good[np.argmin(np.abs(good))])


def _right_answers(wanted: Iterable[str]) -> list[str]:
    """Return normalized right answers; the empty one where nothing is left of any."""
    return [right for right in map(normalized_answer, wanted) if right] or [""]


def _overlap(words: list[str], right: list[str]) -> float:
    if not words or not right:
        return float(words == right)
    common = (Counter(words) & Counter(right)).total()
    return 2 * common / (len(words) + len(right))
