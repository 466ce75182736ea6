"""Lengths of real texts, as small tables, and batches of mixed lengths drawn from them."""

import numpy as np

from mobilebert.errors import InputError

__all__ = ["LENGTHS", "mixed_lengths"]

# Tokens of a text at the quantiles 0, 5, ..., 100 %, with special tokens, in the standard uncased
# vocabulary. Measured with this library's tokenizer:
#   squad  question and context of 13,727 questions (36 articles of SQuAD v1.1 dev and 16 of v2.0
#          dev; Rajpurkar et al. 2016, 2018), cut at 384 as fine-tuned models read them (2 % are)
#   sst2   the 872 sentences of SST-2 dev (Socher et al. 2013; GLUE)
LENGTHS: dict[str, tuple[int, ...]] = {
    "squad": (
        *(41, 102, 115, 123, 129, 133, 138, 143, 149, 155, 162),
        *(169, 177, 186, 196, 207, 221, 242, 269, 316, 384),
    ),
    "sst2": (
        *(4, 10, 12, 14, 16, 17, 19, 20, 21, 23, 24),
        *(26, 27, 29, 30, 32, 34, 37, 40, 44, 55),
    ),
}


def mixed_lengths(name: str, count: int) -> tuple[int, ...]:
    """Draw lengths so that they follow a distribution as evenly as `count` texts can.

    Args:
        name: Which distribution: squad or sst2.
        count: How many texts.

    Returns:
        Lengths in tokens, in an order without meaning, the same at every call.

    Raises:
        InputError: An unknown distribution.
    """
    if name not in LENGTHS:
        raise InputError(f"There are lengths of {', '.join(LENGTHS)}, not of {name!r}.")
    table = LENGTHS[name]
    shares = (np.arange(count) + 0.5) / count
    drawn = np.interp(shares, np.linspace(0, 1, len(table)), table)
    order = np.random.default_rng(count).permutation(count)
    return tuple(round(float(length)) for length in drawn[order])
