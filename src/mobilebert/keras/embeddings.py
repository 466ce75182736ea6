"""From token ids to the residual stream: word table, trigram, positions, segments.

Paper section 3.1: the word table is narrow, and a position reads its neighbours' rows too.
Dimensions: B batch, S sequence, E embedding_size, H hidden_size.
"""

from typing import Any

import keras
from keras import ops

from mobilebert.config import MobileBertConfig
from mobilebert.keras.norms import UNSET_EPS, dense, norm

__all__ = ["EmbeddingTable", "MobileBertEmbeddings", "lookup", "table", "trigram"]


def trigram(words: Any, mask: Any | None = None) -> Any:
    """Put next, current and previous word side by side, [B, S, E] -> [B, S, 3E].

    The order is that of Google's code. Beyond the ends stand zeros.

    Args:
        words: Rows of the word table, [B, S, E].
        mask: Factor on a position where it is a neighbour, [B, S].
    """
    factor = None if mask is None else ops.expand_dims(ops.cast(mask, words.dtype), -1)
    neighbours = words if factor is None else words * factor
    padded = ops.pad(neighbours, [[0, 0], [1, 1], [0, 0]])  # [B, S + 2, E]
    return ops.concatenate([padded[:, 2:], words, padded[:, :-2]], axis=2)


@keras.saving.register_keras_serializable(package="mobilebert")
class EmbeddingTable(keras.layers.Embedding):
    """Keras's embedding layer, whose table is `weight` too, as in transformers' classes."""

    @property
    def weight(self) -> Any:
        """The table, [rows, width]."""
        return self.embeddings

    def quantize(self, *args: Any, **options: Any) -> None:
        """Quantize the table; by itself Keras leaves classes that extend its own as they are.

        Args:
            *args: The mode.
            **options: As for Keras's layer.
        """
        super().quantize(*args, **{**options, "type_check": False})


def table(rows: int, width: int) -> Any:
    """Build an embedding table with its variable."""
    layer = EmbeddingTable(rows, width, embeddings_initializer="zeros")
    layer.build()
    return layer


def lookup(layer: Any, ids: Any) -> Any:
    """Read rows of a table, with a gradient of the table's shape.

    TensorFlow's own is a list of rows, one for each time that an id occurs, and Keras's optimizers
    square that list without summing what belongs to one row: Adam would make steps too long.

    Args:
        layer: A `keras.layers.Embedding`.
        ids: Numbers of rows, any shape.

    Returns:
        The rows, [..., width].
    """
    if layer.quantization_mode is not None:  # then nothing is trained
        return layer(ids)
    # Reshaping does nothing but make the gradient dense.
    rows = ops.reshape(layer.embeddings, (-1, layer.output_dim))
    return ops.cast(ops.take(rows, ids, axis=0), layer.compute_dtype)


class MobileBertEmbeddings(keras.layers.Layer):
    """The embedding tables and what makes a residual stream of their rows.

    Args:
        config: The configuration.
    """

    def __init__(self, config: MobileBertConfig) -> None:
        super().__init__()
        e, h = config.embedding_size, config.hidden_size
        self.pad_token_id = config.pad_token_id
        self.trigram_input = config.trigram_input
        self.transforms = config.trigram_input or e != h
        self.word_embeddings = table(config.vocab_size, e)
        self.position_embeddings = table(config.max_position_embeddings, h)
        self.token_type_embeddings = table(config.type_vocab_size, h)
        # Checkpoints have it even where nothing is left to transform.
        self.embedding_transformation = dense(3 * e if config.trigram_input else e, h)
        self.LayerNorm = norm(config, h, UNSET_EPS)
        self.dropout = keras.layers.Dropout(config.hidden_dropout_prob)
        self.built = True

    def call(
        self,
        input_ids: Any | None = None,
        token_type_ids: Any | None = None,
        position_ids: Any | None = None,
        inputs_embeds: Any | None = None,
        neighbor_mask: Any | None = None,
    ) -> Any:
        """Embed token ids.

        Args:
            input_ids: Token ids, [B, S]; or `inputs_embeds`.
            token_type_ids: Segment ids, [B, S]; all 0 by default.
            position_ids: Positions, [B, S], [1, S] or [S]; counted from 0 by default.
            inputs_embeds: Rows in place of the word table's, [B, S, E].
            neighbor_mask: Factor on a position where it is a trigram neighbour, [B, S].

        Returns:
            The residual stream, [B, S, H].
        """
        words = self._words(input_ids) if inputs_embeds is None else inputs_embeds
        if position_ids is None:
            position_ids = ops.expand_dims(ops.arange(ops.shape(words)[1], dtype="int32"), 0)
        if token_type_ids is None:
            token_type_ids = ops.zeros((1, 1), dtype="int32")  # broadcasts
        if self.trigram_input:
            words = trigram(words, neighbor_mask)  # [B, S, 3E]
        if self.transforms:
            words = self.embedding_transformation(words)  # [B, S, H]
        summed = words + lookup(self.position_embeddings, position_ids)
        summed = summed + lookup(self.token_type_embeddings, token_type_ids)
        return self.dropout(self.LayerNorm(summed))

    def _words(self, input_ids: Any) -> Any:
        words = lookup(self.word_embeddings, input_ids)
        if self.pad_token_id is None:
            return words
        # Looking the padding token up trains no weight, as in PyTorch.
        padding = ops.expand_dims(ops.equal(input_ids, self.pad_token_id), -1)
        return ops.where(padding, ops.stop_gradient(words), words)
