"""A checkpoint whose untrained positions repeat those that were trained.

    python recipes/mini/stretch.py MODEL TRAINED OUTPUT

A model that never read more than TRAINED tokens has the positions behind them as they were drawn at
random (or as another model had them), and answers longer texts badly. Repeated, they say what a
position near by would say, and little training is left to be done.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from by_itself import run_script
from checkpoints import load_to_train, save_with_tokenizer
from torch import Tensor

from mobilebert.errors import InputError

__all__ = ["main", "stretched"]


def stretched(positions: Tensor, trained: int) -> Tensor:
    """Return positions of which those behind the trained ones repeat them.

    The first and the last trained one are left out: only [CLS] and [SEP] stand there.

    Args:
        positions: One a row.
        trained: How many were trained.

    Raises:
        InputError: There are none to repeat, or none behind them.
    """
    if not 2 < trained < len(positions):
        most = len(positions) - 1
        raise InputError(f"{trained} trained positions of {most + 1}: it must be 3 to {most}.")
    behind = torch.arange(len(positions) - trained) % (trained - 2) + 1
    return torch.cat([positions[:trained], positions[behind]])


def main(given: Sequence[str]) -> None:
    """Save it, with its tokenizer.

    Args:
        given: Model, number of trained positions, and the directory for the result.

    Raises:
        InputError: The number is none, or does not fit the model.
    """
    name, trained, output = given
    if not trained.isdecimal():
        raise InputError(f"{trained!r} is no number of positions; 128 is one.")
    model, tokenizer = load_to_train(name)
    table = model.mobilebert.embeddings.position_embeddings.weight
    with torch.no_grad():
        table.copy_(stretched(table, int(trained)))
    save_with_tokenizer(model, tokenizer, Path(output))


if __name__ == "__main__":
    run_script(main, __doc__)
