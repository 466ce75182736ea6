"""Spans of question answering: from start and end logits to the best pairs of both."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from mobilebert.pipelines.scores import best, softmax

__all__ = ["best_spans", "span_scores"]

Array = npt.NDArray[np.floating[Any]]


def span_scores(
    start_logits: Array, end_logits: Array, context: slice
) -> tuple[Array, Array, float]:
    """Turn the logits of one window into probabilities.

    Only tokens of the context and [CLS], which stands for "no answer", take part. They are cut
    out rather than pushed down by a large constant as elsewhere: MobileBERT's logits may be larger.

    Args:
        start_logits: Score of each token as start, [S].
        end_logits: Score of each token as end, [S].
        context: Where the context stands.

    Returns:
        Probabilities of the context's tokens as start and as end, and that of no answer.
    """
    starts, ends = (
        softmax(np.concatenate([logits[:1], logits[context]]))
        for logits in (start_logits, end_logits)
    )
    return starts[1:], ends[1:], float(starts[0] * ends[0])


def best_spans(
    starts: Array, ends: Array, longest: int, count: int
) -> list[tuple[int, int, float]]:
    """Find the best (first token, last token) pairs.

    Args:
        starts: Probability of each token as first, [C].
        ends: Probability of each token as last, [C].
        longest: Tokens an answer may have.
        count: How many pairs to return.

    Returns:
        (first, last, probability), best first.
    """
    # Row a of the band has the ends a, a + 1, ... that an answer from a may have: much less than
    # the whole square of pairs, in the same order.
    width = min(longest, len(ends))
    padded = np.concatenate([ends, np.zeros(width - 1, ends.dtype)])
    band = starts[:, None] * sliding_window_view(padded, width)
    inside = np.arange(len(starts))[:, None] + np.arange(width) < len(ends)
    scores = np.where(inside, band, -1.0)
    places = best(scores.ravel(), count)
    pairs = [divmod(place, width) for place in places]
    return [(a, a + more, float(scores[a, more])) for a, more in pairs if inside[a, more]]
