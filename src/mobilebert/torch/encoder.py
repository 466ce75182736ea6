"""The stack of layers, and `MobileBertModel`: embeddings, layers, pooler.

Dimensions: B batch, S sequence, H hidden_size, N heads.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from mobilebert.config import MobileBertConfig
from mobilebert.reference import PadNeighbor
from mobilebert.torch.attention import runs_eager
from mobilebert.torch.embeddings import MobileBertEmbeddings
from mobilebert.torch.heads import Pooler
from mobilebert.torch.inputs import (
    additive_attention_mask,
    check_inputs,
    check_tensors,
    head_mask_by_layer,
    is_jit_traced,
    warn_about_padding,
    without_absorption,
)
from mobilebert.torch.layers import MobileBertLayer
from mobilebert.torch.outputs import BaseModelOutputWithPooling
from mobilebert.torch.precision import in_float32, outside_float16_autocast
from mobilebert.torch.pretrained import MobileBertPreTrainedModel
from mobilebert.torch.signatures import documents_inputs

__all__ = ["MobileBertEncoder", "MobileBertModel"]


class MobileBertEncoder(nn.Module):
    """The stack of layers.

    Args:
        config: The configuration.
    """

    def __init__(self, config: MobileBertConfig) -> None:
        super().__init__()
        layers = range(config.num_hidden_layers)
        self.layer = nn.ModuleList(MobileBertLayer(config, number) for number in layers)
        self.gradient_checkpointing_func: Callable[..., Any] | None = None

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None,
        head_mask: list[Tensor | None],
        output_attentions: bool,
        output_hidden_states: bool,
        query_mask: Tensor | None = None,
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Run all layers.

        Args:
            hidden_states: The embeddings, [B, S, H].
            attention_mask: Added to the attention scores, [B, 1, 1 or S, S].
            head_mask: Factor on the attention probabilities for each layer.
            output_attentions: Whether the attention probabilities are wanted.
            output_hidden_states: Whether all states are wanted, not only the last.
            query_mask: Factor on the queries, [B, 1, 1 or S, 1].

        Returns:
            The embeddings and every layer's output, [B, S, H], or the last layer's alone, and the
            attention probabilities of every layer, [B, N, S, S], if wanted.
        """
        states: tuple[Tensor, ...] = (hidden_states,)
        attentions: tuple[Tensor, ...] = ()
        again = self.gradient_checkpointing_func if self.training else None
        for layer, factors in zip(self.layer, head_mask, strict=True):
            inputs = (states[-1], attention_mask, factors, output_attentions, query_mask)
            if again is None:
                outputs = in_float32(layer, *inputs)
            else:
                outputs = again(in_float32, layer, *inputs)
            # States nobody asked for are freed: they are 200 MB for 32 sequences of 128.
            states = (*states, outputs[0]) if output_hidden_states else outputs[:1]
            attentions += outputs[1:]
        return states, attentions


class MobileBertModel(MobileBertPreTrainedModel):
    """MobileBERT without a head (Sun et al. 2020).

    Args:
        config: The configuration.
        add_pooling_layer: Whether to pool the first position.
        pad_neighbor: What a padding neighbour contributes to the trigram: "pad_embedding", the
            padding token's row as in transformers, or "zero", as if the text stood alone. Never
            written to config.json.
    """

    def __init__(
        self,
        config: MobileBertConfig,
        add_pooling_layer: bool = True,
        *,
        pad_neighbor: PadNeighbor | str = PadNeighbor.PAD_EMBEDDING,
    ) -> None:
        super().__init__(config)
        self._pad_neighbor = PadNeighbor(pad_neighbor)
        self.embeddings = MobileBertEmbeddings(config)
        self.encoder = MobileBertEncoder(config)
        self.pooler = Pooler(config) if add_pooling_layer else None
        self.post_init()
        if vars(config).pop("gradient_checkpointing", False):
            # Old config.json files ask for it; it is a way to run, and is not written again.
            self.gradient_checkpointing_enable()

    @documents_inputs
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
        *,
        pad_neighbor: PadNeighbor | str | None = None,
    ) -> BaseModelOutputWithPooling | tuple[Any, ...]:
        """Encode sequences.

        Note the order of the output flags, which differs from the models with a head.

        {inputs}

        Returns:
            The results; without `return_dict` a tuple of the last hidden state, the pooled output
            (None without pooler), and the hidden states and attentions if asked for.
        """
        config = self.config
        check_tensors(
            {
                "input_ids": input_ids,
                "attention_mask": attention_mask,
                "token_type_ids": token_type_ids,
                "position_ids": position_ids,
                "head_mask": head_mask,
                "inputs_embeds": inputs_embeds,
            }
        )
        given = check_inputs(
            config, self.embeddings, input_ids, inputs_embeds, token_type_ids, position_ids
        )
        if input_ids is not None:
            warn_about_padding(config, input_ids, attention_mask)
        attentions_wanted = _chosen(output_attentions, config.output_attentions)
        states_wanted = _chosen(output_hidden_states, config.output_hidden_states)
        neighbor = self.pad_neighbor if pad_neighbor is None else PadNeighbor(pad_neighbor)
        with outside_float16_autocast(given.device):
            embedded = self.embeddings(
                input_ids,
                token_type_ids,
                position_ids,
                inputs_embeds,
                _neighbor_mask(attention_mask, neighbor),
            )
            mask, query_mask = attention_mask, None
            if mask is not None:
                mask = additive_attention_mask(mask, given.shape[:2], embedded.dtype)
                fused = not runs_eager(config, head_mask, attentions_wanted)
                # A traced program is run later, with or without gradients; it is for inference.
                if fused and torch.is_grad_enabled() and not is_jit_traced():
                    mask, query_mask = without_absorption(mask)
            factors = head_mask_by_layer(head_mask, config, embedded.dtype)
            states, attentions = self.encoder(
                embedded, mask, factors, attentions_wanted, states_wanted, query_mask
            )
            last = states[-1]
            pooled = None if self.pooler is None else in_float32(self.pooler, last)
        output = BaseModelOutputWithPooling(
            last_hidden_state=last,
            pooler_output=pooled,
            hidden_states=states if states_wanted else None,
            attentions=attentions if attentions_wanted else None,
        )
        if _chosen(return_dict, config.use_return_dict):
            return output
        # The pooled output keeps its place, also where there is none.
        return (last, pooled, *output.to_tuple()[1 if pooled is None else 2 :])


def _chosen(given: bool | None, configured: bool) -> bool:
    return configured if given is None else given


def _neighbor_mask(attention_mask: Tensor | None, choice: PadNeighbor) -> Tensor | None:
    """The factor on trigram neighbours; a [B, S, S] mask does not say what is padding."""
    if attention_mask is None or choice is not PadNeighbor.ZERO or attention_mask.dim() != 2:
        return None
    return attention_mask
