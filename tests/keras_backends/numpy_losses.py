"""The losses of the task table in numpy, as PyTorch's documentation defines them."""

import numpy as np

__all__ = ["LABELS", "ROWS", "loss"]

IGNORED = -100
ROWS, LENGTH = 3, 11
_RNG = np.random.default_rng(13)


def _tokens(classes):
    drawn = _RNG.integers(0, classes, size=(ROWS, LENGTH))
    drawn[:, ::3] = IGNORED
    return drawn


def cross_entropy(scores, labels):
    """Mean over the labels that are not -100."""
    rows, flat = scores.reshape(-1, scores.shape[-1]), labels.reshape(-1)
    counts = flat != IGNORED
    highest = rows.max(axis=-1)
    total = highest + np.log(np.exp(rows - highest[:, None]).sum(axis=-1))
    picked = rows[np.arange(len(flat)), np.where(counts, flat, 0)]
    return ((total - picked) * counts).sum() / max(counts.sum(), 1)


def squares(scores, labels):
    return np.square(scores.reshape(labels.shape) - labels).mean()


def independent(scores, labels):
    chances = 1 / (1 + np.exp(-scores))
    return -(labels * np.log(chances) + (1 - labels) * np.log(1 - chances)).mean()


def span(scores, positions):
    inside = (positions >= 0) & (positions < scores.shape[-1])
    return cross_entropy(scores, np.where(inside, positions, IGNORED)) / 2


# Case -> task, fields of the configuration, the labels, and the loss of each of them.
LABELS = {
    "masked words": ("masked_lm", {}, {"labels": _tokens(97)}, cross_entropy),
    "pre-training": (
        "pretraining",
        {},
        {"labels": _tokens(97), "next_sentence_label": np.array([0, 1, 1])},
        cross_entropy,
    ),
    "next sentence": (
        "next_sentence_prediction",
        {},
        {"next_sentence_label": np.array([0, 1, IGNORED])},
        cross_entropy,
    ),
    "tokens": ("token_classification", {"num_labels": 5}, {"labels": _tokens(5)}, cross_entropy),
    "choices": ("multiple_choice", {}, {"labels": np.array([2, 0, 1])}, cross_entropy),
    "classes": (
        "sequence_classification",
        {"num_labels": 3},
        {"labels": np.array([2, 0, 1])},
        cross_entropy,
    ),
    "independent labels": (
        "sequence_classification",
        {"num_labels": 3},
        {"labels": np.array([[1.0, 0, 1], [0, 0, 0], [0, 1, 0]])},
        independent,
    ),
    "number": (
        "sequence_classification",
        {"num_labels": 1},
        {"labels": np.array([0.3, -2, 9])},
        squares,
    ),
    "span": (
        "question_answering",
        {},
        {"start_positions": np.array([0, 4, 11]), "end_positions": np.array([3, -1, 400])},
        span,
    ),
}


def loss(case, outputs):
    """Compute the loss of a case from the model's outputs, the sum over its labels.

    Args:
        case: A name in `LABELS`.
        outputs: Scores by name, as `mobilebert.reference.forward` returns them.
    """
    _, _, labels, of_one = LABELS[case]
    pairs = zip(outputs.values(), labels.values(), strict=True)
    return sum(of_one(scores, given) for scores, given in pairs)
