"""Another vocabulary size: rows added to or cut from everything that has one row for each word."""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from mobilebert.errors import InputError
from mobilebert.keras.heads import VocabularyHead
from mobilebert.keras.replacement import replace_layer, replace_variable
from mobilebert.keras.variables import array_of
from mobilebert.resizing import rows_around_mean

__all__ = ["put_table", "resize_embedding", "resize_vocabulary_head", "resized_rows"]

Rows = npt.NDArray[np.float32]


def _standard_normal(*shape: int) -> Rows:
    drawn: Rows = ops.convert_to_numpy(keras.random.normal(shape, dtype="float32"))
    return drawn


def resized_rows(rows: Rows, size: int, mean_resizing: bool, std: float) -> Rows:
    """Cut a table or add rows at its end.

    Args:
        rows: The table, [old size, width].
        size: Rows of the result.
        mean_resizing: Draw new rows around the mean of the old ones; otherwise from the initial
            distribution.
        std: Standard deviation of the initial distribution.

    Returns:
        A new table, [size, width].
    """
    old, width = rows.shape
    if size <= old:
        return rows[:size]
    if mean_resizing:
        added = rows_around_mean(rows, size - old, _standard_normal)
    else:
        drawn = keras.initializers.TruncatedNormal(stddev=std)((size - old, width), "float32")
        added = ops.convert_to_numpy(drawn)
    return np.concatenate([rows, added])


def resize_embedding(embedding: Any, size: int, mean_resizing: bool, std: float) -> None:
    """Give an embedding table another number of rows; see `resized_rows`."""
    if embedding.input_dim == size:
        return
    table = embedding.embeddings
    replace_variable(embedding, table, resized_rows(array_of(table), size, mean_resizing, std))
    embedding.input_dim = size


def resize_vocabulary_head(
    head: VocabularyHead, size: int, mean_resizing: bool, std: float
) -> None:
    """Give the masked-language-model head another vocabulary size.

    Its extension has one column for each word; new biases are 0. A tied decoder is the word
    table, which is resized elsewhere.

    Args:
        head: The head.
        size: The vocabulary's size.
        mean_resizing: As for `resized_rows`.
        std: As for `resized_rows`.
    """
    bias = array_of(head.bias)
    if len(bias) == size:
        return
    columns = resized_rows(array_of(head.dense.weight).T, size, mean_resizing, std)
    replace_variable(head.dense, head.dense.weight, columns.T)
    missing = max(0, size - len(bias))
    replace_variable(head, head.bias, np.pad(bias[:size], (0, missing)))
    if head.decoder is not None:
        resize_embedding(head.decoder, size, mean_resizing, std)


def put_table(parent: Any, old: Any, value: Any) -> None:
    """Put another embedding table in the place of one.

    Args:
        parent: The layer that holds it.
        old: The `keras.layers.Embedding` that is there.
        value: Another such layer, which takes its place, or a table whose numbers it is given.

    Raises:
        InputError: The table has another shape.
    """
    is_layer = isinstance(value, keras.layers.Embedding)
    wanted = (old.input_dim, old.output_dim)
    found = (value.input_dim, value.output_dim) if is_layer else tuple(np.shape(value))
    if found != wanted:
        raise InputError(
            f"The table must have the shape {wanted} (words, width), not {found}; "
            "resize_token_embeddings() changes the number of words."
        )
    if not is_layer:
        old.embeddings.assign(value)
    elif value is not old:
        value.build()
        replace_layer(parent, old, value)
