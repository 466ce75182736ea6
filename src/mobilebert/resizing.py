"""Another vocabulary size and fewer attention heads: what every framework does alike.

The frameworks replace their own parameters; how many rows there will be, what new rows hold and
which rows stay is decided here.
"""

import math
import operator
import reprlib
from collections.abc import Callable, Collection, Mapping
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from mobilebert.config import MobileBertConfig
from mobilebert.errors import InputError

__all__ = [
    "COVARIANCE_SHARE",
    "check_heads",
    "kept_rows",
    "padded_size",
    "rows_around_mean",
    "set_vocabulary_size",
]

# Added rows are drawn around the mean of the old ones with this share of their covariance: close
# enough that a new word changes no answer, apart enough that new words can be told apart
# (Hewitt 2021, "Initializing new word embeddings for pretrained language models").
COVARIANCE_SHARE = 1e-9


def padded_size(wanted: SupportsIndex | None, current: int, multiple: SupportsIndex | None) -> int:
    """Return the number of rows to make.

    Args:
        wanted: Requested rows, of any type of whole numbers; the current number when None.
        current: Rows now.
        multiple: Round up to a multiple of this.

    Raises:
        InputError: A number that is not a positive integer.
    """
    size = _count("new_num_tokens", current if wanted is None else wanted)
    step = _count("pad_to_multiple_of", 1 if multiple is None else multiple)
    return (size + step - 1) // step * step


def _count(name: str, value: SupportsIndex) -> int:
    try:
        # Python's true and false are whole numbers to `operator.index`.
        number = 0 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = 0
    if number < 1:
        raise InputError(f"{name} must be an integer of at least 1, not {value!r}.")
    return number


def set_vocabulary_size(config: MobileBertConfig, size: int) -> None:
    """Let a configuration say how many words there are; padding that was cut off is no word.

    Args:
        config: The configuration.
        size: Rows of the word table.
    """
    config.vocab_size = size
    if config.pad_token_id is not None and config.pad_token_id >= size:
        config.pad_token_id = None


def rows_around_mean(
    rows: npt.NDArray[np.float32],
    count: int,
    normal: Callable[[int, int], npt.NDArray[np.float32]],
) -> npt.NDArray[np.float32]:
    """Draw rows around the mean of a table's, with a share of its covariance.

    Args:
        rows: The table, [old rows, width].
        count: How many to draw.
        normal: Draws from the standard normal distribution, in the shape it is given.

    Returns:
        New rows, [count, width].
    """
    # Summed in float32, tens of thousands of rows are off by more than the drawn differences.
    mean = rows.mean(axis=0, dtype=np.float64)
    # With Q R = X the covariance X' X is R' R: R mixes independent numbers into rows of the
    # table's covariance, also where that has no inverse.
    mixture = np.linalg.qr(rows - mean, mode="r")
    scale = math.sqrt(COVARIANCE_SHARE / len(rows))
    drawn = normal(count, len(mixture)) @ mixture
    return np.asarray(mean + scale * drawn, dtype=rows.dtype)


def check_heads(
    config: MobileBertConfig, heads_to_prune: Mapping[int, Collection[int]]
) -> dict[int, set[int]]:
    """Check which heads are to go, and count layers from the start.

    Args:
        config: The configuration; what it says is pruned already counts too.
        heads_to_prune: Head numbers by layer; a negative layer counts from the end.

    Returns:
        All heads that are then gone, by layer.

    Raises:
        InputError: There is no such layer or head, or a layer would lose all heads.
    """
    layers, heads = config.num_hidden_layers, config.num_attention_heads
    gone: dict[int, set[int]] = {}
    for table in (config.pruned_heads, heads_to_prune):
        for layer, numbers in _head_numbers(table):
            if not -layers <= layer < layers:
                raise InputError(f"There is no layer {layer}; layers are 0 to {layers - 1}.")
            if wrong := sorted(head for head in numbers if not 0 <= head < heads):
                raise InputError(f"There is no head {wrong[0]}; heads are 0 to {heads - 1}.")
            gone.setdefault(layer % layers, set()).update(numbers)
    for layer, chosen in gone.items():
        if len(chosen) == heads:
            raise InputError(f"Layer {layer} would lose all its {heads} heads; leave one.")
    return {layer: chosen for layer, chosen in sorted(gone.items()) if chosen}


def _head_numbers(table: Any) -> list[tuple[int, set[int]]]:
    try:
        return [
            (operator.index(layer), {operator.index(head) for head in heads})
            for layer, heads in table.items()
        ]
    except (AttributeError, TypeError):
        raise InputError(
            f"Heads are named by layer, as in {{0: [1, 2]}}, not {reprlib.repr(table)}."
        ) from None


def kept_rows(heads: int, pruned: Collection[int], gone: Collection[int], size: int) -> list[int]:
    """Return which rows of a query, key or value matrix stay when a layer loses heads.

    Args:
        heads: Heads of the unpruned layer.
        pruned: Numbers of the heads the layer has lost already, counted as in the unpruned layer.
        gone: Numbers of all heads that are then gone.
        size: Rows of one head.
    """
    left = [head for head in range(heads) if head not in pruned]
    kept = [at for at, head in enumerate(left) if head not in gone]
    return [at * size + offset for at in kept for offset in range(size)]
