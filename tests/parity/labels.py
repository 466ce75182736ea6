"""Labels of every kind that each task takes, for all comparisons of losses."""

import numpy as np

from parity.inputs import LENGTH, ROWS

__all__ = ["CASES", "TASK_FIELDS", "USUAL"]

# Widths that differ from every other size of the small models.
TASK_FIELDS = {
    "sequence_classification": {"num_labels": 3},
    "token_classification": {"num_labels": 5},
}

RNG = np.random.default_rng(13)


def tokens_with_ignored(labels):
    drawn = RNG.integers(0, labels, size=(ROWS, LENGTH))
    drawn[:, ::3] = -100
    return drawn


# (task, fields of the configuration, labels)
CASES = {
    "masked_lm": ("masked_lm", {}, {"labels": tokens_with_ignored(97)}),
    "masked_lm, all count": ("masked_lm", {}, {"labels": np.full((ROWS, LENGTH), 3)}),
    "pretraining": (
        "pretraining",
        {},
        {"labels": tokens_with_ignored(97), "next_sentence_label": np.array([0, 1, 1])},
    ),
    "pretraining, as columns": (
        "pretraining",
        {},
        {"labels": tokens_with_ignored(97), "next_sentence_label": np.array([[0], [1], [1]])},
    ),
    "next sentence": ("next_sentence_prediction", {}, {"labels": np.array([0, 1, 0])}),
    "next sentence, ignored": ("next_sentence_prediction", {}, {"labels": np.array([0, 1, -100])}),
    "tokens": ("token_classification", {}, {"labels": tokens_with_ignored(5)}),
    "choices": ("multiple_choice", {}, {"labels": np.array([2, 0, 1])}),
    "choices, ignored": ("multiple_choice", {}, {"labels": np.array([2, -100, 1])}),
    "classes": ("sequence_classification", {}, {"labels": np.array([2, 0, 1])}),
    "classes, as a column": ("sequence_classification", {}, {"labels": np.array([[2], [0], [1]])}),
    "classes, named": (
        "sequence_classification",
        {"problem_type": "single_label_classification"},
        {"labels": np.array([2, 0, 1])},
    ),
    "several labels": (
        "sequence_classification",
        {},
        {"labels": np.array([[1.0, 0, 1], [0, 0, 0], [0, 1, 0]])},
    ),
    "several labels, named": (
        "sequence_classification",
        {"problem_type": "multi_label_classification"},
        {"labels": np.array([[1.0, 0, 0.5], [0, 0, 0], [0, 1, 0]])},
    ),
    "number": ("sequence_classification", {"num_labels": 1}, {"labels": np.array([0.3, -2, 9])}),
    "number, as a column": (
        "sequence_classification",
        {"num_labels": 1},
        {"labels": np.array([[0.3], [-2], [9]])},
    ),
    "numbers": (
        "sequence_classification",
        {"problem_type": "regression"},
        {"labels": RNG.standard_normal((ROWS, 3))},
    ),
    "span": (
        "question_answering",
        {},
        {"start_positions": np.array([0, 4, 10]), "end_positions": np.array([3, 4, 10])},
    ),
    "span, as columns": (
        "question_answering",
        {},
        {"start_positions": np.array([[0], [4], [10]]), "end_positions": np.array([[3], [4], [9]])},
    ),
    "span, beyond the end": (
        "question_answering",
        {},
        {"start_positions": np.array([0, 11, 12]), "end_positions": np.array([10, 400, 2])},
    ),
}

# The case a task is tried with where one is enough.
USUAL = {
    "masked_lm": "masked_lm",
    "pretraining": "pretraining",
    "next_sentence_prediction": "next sentence",
    "token_classification": "tokens",
    "multiple_choice": "choices",
    "sequence_classification": "classes",
    "question_answering": "span",
}
