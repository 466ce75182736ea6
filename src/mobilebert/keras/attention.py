"""Self-attention of one layer.

Dimensions: B batch, S sequence, N heads, D head size, H hidden_size, K width inside a layer.
"""

import math
from typing import Any

import keras
from keras import ops

from mobilebert.config import MobileBertConfig
from mobilebert.keras.norms import ResidualProjection, dense
from mobilebert.weights import attention_input_widths, heads_of_layer, pruned_heads_of_layer

__all__ = ["MobileBertAttention", "MobileBertSelfAttention"]


def _softmax(scores: Any, mask: Any | None) -> Any:
    """Softmax over the last axis.

    The mask has float32 at least, and so has what is added to it.
    """
    if mask is not None:
        scores = ops.cast(scores, mask.dtype) + mask
    if scores.shape[-1] == 1:  # Keras warns here; the product keeps a gradient, of zeros
        return 1.0 + 0.0 * scores
    return ops.softmax(scores, axis=-1)


class MobileBertSelfAttention(keras.layers.Layer):
    """Queries, keys and values of one layer, and what comes of them.

    Args:
        config: The configuration.
        number: The layer's number; it may have lost heads (`config.pruned_heads`).
    """

    def __init__(self, config: MobileBertConfig, number: int) -> None:
        super().__init__(autocast=False)  # the mask stays as precise as it is
        self.num_attention_heads = heads_of_layer(config, number)
        self.attention_head_size = config.true_hidden_size // config.num_attention_heads
        query_key, value = attention_input_widths(config)
        self.query = dense(query_key, self.all_head_size)
        self.key = dense(query_key, self.all_head_size)
        self.value = dense(value, self.all_head_size)
        self.dropout = keras.layers.Dropout(config.attention_probs_dropout_prob)
        self.built = True

    @property
    def all_head_size(self) -> int:
        """Width of all heads side by side, N * D."""
        return int(self.num_attention_heads * self.attention_head_size)

    def call(
        self,
        query_key: Any,
        value: Any,
        attention_mask: Any | None = None,
        head_mask: Any | None = None,
    ) -> tuple[Any, Any]:
        """Attend.

        Args:
            query_key: What queries and keys read, [B, S, H or K].
            value: What values read, [B, S, H or K].
            attention_mask: Added to the scores, broadcastable to [B, N, S, S].
            head_mask: Factor on the probabilities, broadcastable to [B, N, S, S].

        Returns:
            The context, [B, S, N * D], and the probabilities after dropout and head mask,
            [B, N, S, S].
        """
        heads = (self.query(query_key), self.key(query_key), self.value(value))
        query, key, value = (self._split(x) for x in heads)  # [B, N, S, D]
        scale = 1.0 / math.sqrt(self.attention_head_size)
        attention_scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) * scale
        probabilities = ops.cast(_softmax(attention_scores, attention_mask), value.dtype)
        probabilities = self.dropout(probabilities)
        if head_mask is not None:
            probabilities = probabilities * head_mask
        context = ops.transpose(ops.matmul(probabilities, value), (0, 2, 1, 3))
        merged = ops.reshape(context, (-1, ops.shape(context)[1], self.all_head_size))
        return merged, probabilities

    def _split(self, x: Any) -> Any:
        """[B, S, N * D] -> [B, N, S, D]."""
        sizes = (-1, ops.shape(x)[1], self.num_attention_heads, self.attention_head_size)
        return ops.transpose(ops.reshape(x, sizes), (0, 2, 1, 3))


class MobileBertAttention(keras.layers.Layer):
    """Self-attention and the projection back into the layer's residual stream.

    Args:
        config: The configuration.
        number: The layer's number.
    """

    def __init__(self, config: MobileBertConfig, number: int) -> None:
        super().__init__(autocast=False)  # the mask stays as precise as it is
        self.self = MobileBertSelfAttention(config, number)
        self.output_ = ResidualProjection(
            config,
            self.self.all_head_size,
            config.true_hidden_size,
            dropout=0.0 if config.use_bottleneck else config.hidden_dropout_prob,
        )
        self.pruned_heads = frozenset(pruned_heads_of_layer(config, number))
        self.built = True

    def call(
        self,
        query_key: Any,
        value: Any,
        residual: Any,
        attention_mask: Any | None = None,
        head_mask: Any | None = None,
    ) -> tuple[Any, Any]:
        """Attend and add the residual, [B, S, K]; see `MobileBertSelfAttention.call`."""
        context, probabilities = self.self(query_key, value, attention_mask, head_mask)
        return self.output_(context, residual), probabilities
