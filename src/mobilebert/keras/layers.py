"""One layer: input bottlenecks, attention, stacked feed-forward networks, output bottleneck.

Paper section 3.1 and figure 1. Dimensions: B batch, S sequence, H hidden_size, K width inside a
layer, F intermediate_size, N heads.
"""

from typing import Any

import keras

from mobilebert.config import MobileBertConfig
from mobilebert.keras.activations import keras_activation
from mobilebert.keras.attention import MobileBertAttention
from mobilebert.keras.norms import UNSET_EPS, ResidualProjection, dense, norm
from mobilebert.weights import AttentionInput

__all__ = ["MobileBertLayer"]


class InputBottleneck(keras.layers.Layer):
    """From the residual stream to the width inside a layer.

    Args:
        config: The configuration.
    """

    def __init__(self, config: MobileBertConfig) -> None:
        super().__init__()
        self.dense = dense(config.hidden_size, config.true_hidden_size)
        self.LayerNorm = norm(config, config.true_hidden_size, config.layer_norm_eps)
        self.built = True

    def call(self, hidden_states: Any) -> Any:
        """Narrow (or widen) the stream, [B, S, H] -> [B, S, K]."""
        return self.LayerNorm(self.dense(hidden_states))


class Bottleneck(keras.layers.Layer):
    """What a layer reads of the residual stream.

    Args:
        config: The configuration.
    """

    def __init__(self, config: MobileBertConfig) -> None:
        super().__init__()
        self.attention_input = AttentionInput.of(config)
        self.input_ = InputBottleneck(config)
        # Built, though not used, with bottleneck attention too: checkpoints hold it.
        if config.key_query_shared_bottleneck:
            self.attention = InputBottleneck(config)
        self.built = True

    def call(self, hidden_states: Any) -> tuple[Any, Any, Any]:
        """Return what queries and keys read, what values read, and the residual [B, S, K]."""
        narrow = self.input_(hidden_states)
        if self.attention_input is AttentionInput.BOTTLENECK:
            return narrow, narrow, narrow
        if self.attention_input is AttentionInput.SHARED_BOTTLENECK:
            return self.attention(hidden_states), hidden_states, narrow
        return hidden_states, hidden_states, narrow


class Intermediate(keras.layers.Layer):
    """The widening half of a feed-forward network.

    Args:
        config: The configuration.
    """

    def __init__(self, config: MobileBertConfig) -> None:
        super().__init__()
        self.dense = dense(config.true_hidden_size, config.intermediate_size)
        self.intermediate_act_fn = keras_activation(config.hidden_act)
        self.built = True

    def call(self, x: Any) -> Any:
        """[B, S, K] -> [B, S, F]."""
        return self.intermediate_act_fn(self.dense(x))


class FeedForward(keras.layers.Layer):
    """One of the stacked feed-forward networks before the last (paper section 3.3).

    Args:
        config: The configuration.
    """

    def __init__(self, config: MobileBertConfig) -> None:
        super().__init__()
        self.intermediate = Intermediate(config)
        self.output_ = ResidualProjection(config, config.intermediate_size, config.true_hidden_size)
        self.built = True

    def call(self, x: Any) -> Any:
        """[B, S, K] -> [B, S, K]."""
        return self.output_(self.intermediate(x), x)


class MobileBertLayer(keras.layers.Layer):
    """One layer of the encoder.

    Args:
        config: The configuration.
        number: The layer's number, counted from 0.
    """

    def __init__(self, config: MobileBertConfig, number: int = 0) -> None:
        super().__init__(autocast=False)  # the mask stays as precise as it is
        width, dropout = config.true_hidden_size, config.hidden_dropout_prob
        self.use_bottleneck = config.use_bottleneck
        self.attention = MobileBertAttention(config, number)
        self.intermediate = Intermediate(config)
        # With bottlenecks dropout acts in the output bottleneck only.
        self.output_ = ResidualProjection(
            config,
            config.intermediate_size,
            width,
            dropout=0.0 if self.use_bottleneck else dropout,
            eps=UNSET_EPS,
            bottleneck=ResidualProjection(config, width, config.hidden_size, dropout=dropout)
            if self.use_bottleneck
            else None,
        )
        if self.use_bottleneck:
            self.bottleneck = Bottleneck(config)
        stacked = config.num_feedforward_networks - 1  # the last is intermediate and output
        self.ffn = [FeedForward(config) for _ in range(stacked)]
        self.built = True

    def call(
        self,
        hidden_states: Any,
        attention_mask: Any | None = None,
        head_mask: Any | None = None,
    ) -> tuple[Any, Any]:
        """Run the layer.

        Args:
            hidden_states: The residual stream, [B, S, H].
            attention_mask: Added to the attention scores, broadcastable to [B, N, S, S].
            head_mask: Factor on the attention probabilities, broadcastable to [B, N, S, S].

        Returns:
            The residual stream after the layer, [B, S, H], and the attention probabilities,
            [B, N, S, S].
        """
        if self.use_bottleneck:
            query_key, value, residual = self.bottleneck(hidden_states)
        else:
            query_key = value = residual = hidden_states
        narrow, probabilities = self.attention(
            query_key, value, residual, attention_mask, head_mask
        )
        for network in self.ffn:
            narrow = network(narrow)
        narrow = self.output_(self.intermediate(narrow), narrow)
        wide = self.output_.bottleneck(narrow, hidden_states) if self.use_bottleneck else narrow
        return wide, probabilities
