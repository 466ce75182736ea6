"""The stack of layers, `TFMobileBertMainLayer`, and `TFMobileBertModel`.

Dimensions: B batch, S sequence, H hidden_size, N heads.
"""

from typing import Any, Self

import keras

from mobilebert.config import MobileBertConfig
from mobilebert.keras.arguments import in_any_form
from mobilebert.keras.embeddings import MobileBertEmbeddings
from mobilebert.keras.heads import Pooler
from mobilebert.keras.initialization import (
    freeze_parts,
    in_own_dtype,
    initialize,
    leaves_variables_unset,
)
from mobilebert.keras.inputs import (
    additive_attention_mask,
    check_inputs,
    head_mask_by_layer,
    static_shape,
    warn_about_padding,
)
from mobilebert.keras.layers import MobileBertLayer
from mobilebert.keras.outputs import TFBaseModelOutputWithPooling
from mobilebert.keras.pretrained import TFMobileBertPreTrainedModel, configuration_of
from mobilebert.keras.resize import put_table
from mobilebert.keras.signatures import documents_inputs
from mobilebert.logging import get_logger
from mobilebert.reference import PadNeighbor
from mobilebert.weights import weight_specs

__all__ = ["MobileBertEncoder", "TFMobileBertMainLayer", "TFMobileBertModel"]

logger = get_logger(__name__)


class MobileBertEncoder(keras.layers.Layer):
    """The stack of layers.

    Args:
        config: The configuration.
    """

    def __init__(self, config: MobileBertConfig) -> None:
        super().__init__(autocast=False)  # the mask stays as precise as it is
        layers = range(config.num_hidden_layers)
        self.layer = [MobileBertLayer(config, number) for number in layers]
        self.built = True

    def call(
        self,
        hidden_states: Any,
        attention_mask: Any | None,
        head_mask: list[Any | None],
        output_attentions: bool,
        output_hidden_states: bool,
    ) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Run all layers.

        Args:
            hidden_states: The embeddings, [B, S, H].
            attention_mask: Added to the attention scores, [B, 1, 1 or S, S].
            head_mask: Factor on the attention probabilities for each layer.
            output_attentions: Whether the attention probabilities are wanted.
            output_hidden_states: Whether all states are wanted, not only the last.

        Returns:
            The embeddings and every layer's output, [B, S, H], or the last layer's alone, and the
            attention probabilities of every layer, [B, N, S, S], if wanted.
        """
        states: tuple[Any, ...] = (hidden_states,)
        attentions: tuple[Any, ...] = ()
        for layer, factors in zip(self.layer, head_mask, strict=True):
            after, probabilities = layer(states[-1], attention_mask, factors)
            # What nobody asked for is freed: the states are 200 MB for 32 sequences of 128.
            states = (*states, after) if output_hidden_states else (after,)
            attentions = (*attentions, probabilities) if output_attentions else ()
        return states, attentions


class TFMobileBertMainLayer(keras.layers.Layer):
    """Embeddings, layers and pooler: MobileBERT without a head as a layer (Sun et al. 2020).

    Args:
        config: The configuration.
        add_pooling_layer: Whether to pool the first position.
        pad_neighbor: What a padding neighbour contributes to the trigram: "pad_embedding", the
            padding token's row as in transformers, or "zero", as if the text stood alone.
        **kwargs: ``name`` and other keywords of a Keras layer.
    """

    def __init__(
        self,
        config: MobileBertConfig,
        add_pooling_layer: bool = True,
        *,
        pad_neighbor: PadNeighbor | str = PadNeighbor.PAD_EMBEDDING,
        **kwargs: Any,
    ) -> None:
        # Inputs are cast where they are used: labels and masks keep their own type.
        super().__init__(autocast=False, **kwargs)
        self.config = config
        if self.compute_dtype == "float16":
            logger.warning(
                "float16 cannot hold the hidden values of published MobileBERT models, which reach "
                "2.5e7: expect inf and NaN. Use mixed_bfloat16, which has the range of float32."
            )
        self.pad_neighbor = PadNeighbor(pad_neighbor)
        with in_own_dtype(self):
            self.embeddings = MobileBertEmbeddings(config)
            self.encoder = MobileBertEncoder(config)
            self.pooler = Pooler(config) if add_pooling_layer else None
        self.built = True
        if not leaves_variables_unset():
            specs = weight_specs(config, add_pooling_layer=add_pooling_layer)
            initialize(self, specs, config.initializer_range)
        freeze_parts(self)

    def get_input_embeddings(self) -> Any:
        """Return the word table, a `keras.layers.Embedding`."""
        return self.embeddings.word_embeddings

    def set_input_embeddings(self, value: Any) -> None:
        """Put another word table in the place of this one.

        A compiled model that this layer is in must be compiled again.

        Args:
            value: A `keras.layers.Embedding`, which becomes the layer, or a table whose numbers
                are taken, [vocab_size, embedding_size].

        Raises:
            InputError: The table has another shape.
        """
        put_table(self.embeddings, self.get_input_embeddings(), value)

    @in_any_form
    def call(
        self,
        input_ids: Any | None = None,
        attention_mask: Any | None = None,
        token_type_ids: Any | None = None,
        position_ids: Any | None = None,
        head_mask: Any | None = None,
        inputs_embeds: Any | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        training: bool = False,
        *,
        pad_neighbor: PadNeighbor | str | None = None,
    ) -> Any:
        """Encode sequences; see `TFMobileBertModel.call`."""
        return self._encode(
            (input_ids, attention_mask, token_type_ids, position_ids, head_mask, inputs_embeds),
            (output_attentions, output_hidden_states, return_dict),
            self.pad_neighbor if pad_neighbor is None else PadNeighbor(pad_neighbor),
        )

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` makes this layer of."""
        return {
            **super().get_config(),
            "config": self.config.to_json_string(),
            "add_pooling_layer": self.pooler is not None,
            "pad_neighbor": str(self.pad_neighbor),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build the layer that `get_config` tells of."""
        keywords = dict(config)
        return cls(configuration_of(keywords.pop("config")), **keywords)

    def _encode(
        self,
        inputs: tuple[Any | None, ...],
        flags: tuple[bool | None, ...],
        neighbor: PadNeighbor,
    ) -> Any:
        input_ids, attention_mask, token_type_ids, position_ids, head_mask, inputs_embeds = inputs
        config = self.config
        input_ids, inputs_embeds, token_type_ids, position_ids = check_inputs(
            config, input_ids, inputs_embeds, token_type_ids, position_ids
        )
        given = inputs_embeds if input_ids is None else input_ids
        if input_ids is not None:
            warn_about_padding(config, input_ids, attention_mask)
        wants_attentions, wants_states, return_dict = (
            configured if flag is None else flag
            for flag, configured in zip(
                flags,
                (config.output_attentions, config.output_hidden_states, config.use_return_dict),
                strict=True,
            )
        )
        mask = None
        if attention_mask is not None:
            # In float32 at least: float16 has no room below its lowest number.
            dtype = keras.backend.result_type(self.compute_dtype, "float32")
            mask = additive_attention_mask(attention_mask, given, dtype)
        embedded = self.embeddings(
            input_ids,
            token_type_ids,
            position_ids,
            inputs_embeds,
            _neighbor_mask(attention_mask, neighbor),
        )
        factors = head_mask_by_layer(head_mask, config, self.compute_dtype)
        states, attentions = self.encoder(
            embedded,
            mask,
            factors,
            output_attentions=wants_attentions,
            output_hidden_states=wants_states,
        )
        last = states[-1]
        pooled = None if self.pooler is None else self.pooler(last)
        output = TFBaseModelOutputWithPooling(
            last_hidden_state=last,
            pooler_output=pooled,
            hidden_states=states if wants_states else None,
            attentions=attentions if wants_attentions else None,
        )
        if return_dict:
            return output
        # The pooled output keeps its place, also where there is none.
        return (last, pooled, *output.to_tuple()[1 if pooled is None else 2 :])


def _neighbor_mask(attention_mask: Any | None, choice: PadNeighbor) -> Any | None:
    """The factor on trigram neighbours; a [B, S, S] mask does not say what is padding."""
    if attention_mask is None or choice is not PadNeighbor.ZERO:
        return None
    return attention_mask if len(static_shape(attention_mask)) == 2 else None


class TFMobileBertModel(TFMobileBertPreTrainedModel):
    """MobileBERT without a head, as a Keras model.

    Args:
        config: The configuration.
        add_pooling_layer: Whether to pool the first position.
        pad_neighbor: As for `TFMobileBertMainLayer`.
        **kwargs: ``name``, ``dtype`` and other keywords of a Keras model.
    """

    def __init__(
        self,
        config: MobileBertConfig,
        *inputs: Any,
        add_pooling_layer: bool = True,
        pad_neighbor: PadNeighbor | str = PadNeighbor.PAD_EMBEDDING,
        **kwargs: Any,
    ) -> None:
        super().__init__(config, *inputs, **kwargs)
        with in_own_dtype(self):
            self.mobilebert = TFMobileBertMainLayer(
                config, add_pooling_layer, pad_neighbor=pad_neighbor, name="mobilebert"
            )
        self.post_init()

    @in_any_form
    @documents_inputs
    def call(
        self,
        input_ids: Any | None = None,
        attention_mask: Any | None = None,
        token_type_ids: Any | None = None,
        position_ids: Any | None = None,
        head_mask: Any | None = None,
        inputs_embeds: Any | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        training: bool = False,
        *,
        pad_neighbor: PadNeighbor | str | None = None,
    ) -> Any:
        """Encode sequences.

        {inputs}

        Returns:
            The results; without `return_dict` a tuple of the last hidden state, the pooled output
            (None without pooler), and the hidden states and attentions if asked for.
        """
        return self.mobilebert(
            input_ids,
            attention_mask,
            token_type_ids,
            position_ids,
            head_mask,
            inputs_embeds,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=self._returns_names(return_dict),
            training=training,
            pad_neighbor=pad_neighbor,
        )

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` makes this model of."""
        return {**super().get_config(), "add_pooling_layer": self.mobilebert.pooler is not None}
