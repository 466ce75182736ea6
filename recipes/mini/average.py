"""A checkpoint between two others: what was learned of long texts, and less lost of short ones.

    python recipes/mini/average.py BEFORE AFTER SHARE OUTPUT

AFTER was trained from BEFORE. Means of the weights of such checkpoints are often as good as either
in what it does best (Wortsman et al. 2022, arXiv:2109.01903). SHARE is that of AFTER.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from by_itself import run_script
from checkpoints import load_to_train, save_with_tokenizer

from mobilebert.errors import InputError

__all__ = ["main"]


def main(given: Sequence[str]) -> None:
    """Save it, with its tokenizer.

    Args:
        given: The checkpoints before and after, the share, and the directory for the result.

    Raises:
        InputError: The share is no number from 0 to 1, or the checkpoints have other shapes.
    """
    before, after, share, output = given
    weight = _share(share)
    model, tokenizer = load_to_train(before)
    other, _ = load_to_train(after)
    kinds = {known.config.normalization_type for known in (model, other)}
    shapes = [{name: x.shape for name, x in known.named_parameters()} for known in (model, other)]
    if len(kinds) > 1 or shapes[0] != shapes[1]:
        raise InputError(f"{before} and {after} differ in shapes or norms: no mean is a model.")
    with torch.no_grad():
        for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
            mine.lerp_(theirs, weight)
    save_with_tokenizer(model, tokenizer, Path(output))


def _share(given: str) -> float:
    try:
        share = float(given)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise InputError(f"The share of AFTER is a number from 0 to 1, not {given!r}.")
    return share


if __name__ == "__main__":
    run_script(main, __doc__)
