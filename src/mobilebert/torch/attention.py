"""Self-attention of one layer: fused (sdpa) or step by step (eager).

Dimensions: B batch, S sequence, N heads, D head size, H hidden_size, K width inside a layer.
"""

import math
from enum import StrEnum

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilebert.config import MobileBertConfig
from mobilebert.errors import InputError
from mobilebert.torch.norms import ResidualProjection
from mobilebert.weights import attention_input_widths, heads_of_layer, pruned_heads_of_layer

__all__ = [
    "AttentionImplementation",
    "MobileBertAttention",
    "MobileBertSelfAttention",
    "attention_implementation",
    "runs_eager",
]


class AttentionImplementation(StrEnum):
    """How attention is computed."""

    SDPA = "sdpa"  # torch.nn.functional.scaled_dot_product_attention
    EAGER = "eager"  # one operation after the other; gives the probabilities


def attention_implementation(name: str | None) -> AttentionImplementation:
    """Return the implementation of a name; sdpa for None.

    Raises:
        InputError: There is no such implementation.
    """
    try:
        return AttentionImplementation(name or AttentionImplementation.SDPA)
    except ValueError:
        allowed = " or ".join(AttentionImplementation)
        raise InputError(
            f'Specified `attn_implementation="{name}"` is not supported; use {allowed}.'
        ) from None


def runs_eager(config: MobileBertConfig, head_mask: object | None, output_attentions: bool) -> bool:
    """Tell whether attention is computed step by step: on request, or where it has to be."""
    wanted = attention_implementation(config._attn_implementation)
    asked = wanted is AttentionImplementation.EAGER
    return asked or output_attentions or head_mask is not None


class MobileBertSelfAttention(nn.Module):
    """Queries, keys and values of one layer, and what comes of them.

    Args:
        config: The configuration.
        number: The layer's number; it may have lost heads (`config.pruned_heads`).
    """

    def __init__(self, config: MobileBertConfig, number: int) -> None:
        super().__init__()
        self.config = config
        self.num_attention_heads = heads_of_layer(config, number)
        self.attention_head_size = config.true_hidden_size // config.num_attention_heads
        query_key, value = attention_input_widths(config)
        self.query = nn.Linear(query_key, self.all_head_size)
        self.key = nn.Linear(query_key, self.all_head_size)
        self.value = nn.Linear(value, self.all_head_size)
        self.dropout = nn.Dropout(config.attention_probs_dropout_prob)

    @property
    def all_head_size(self) -> int:
        """Width of all heads side by side, N * D."""
        return int(self.num_attention_heads * self.attention_head_size)

    def forward(
        self,
        query_key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        output_attentions: bool = False,
        query_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend.

        Args:
            query_key: What queries and keys read, [B, S, H or K].
            value: What values read, [B, S, H or K].
            attention_mask: Added to the scores, broadcastable to [B, N, S, S].
            head_mask: Factor on the probabilities, broadcastable to [B, N, S, S].
            output_attentions: Whether the probabilities are wanted; that needs the eager way, as
                a head mask does.
            query_mask: Factor on the queries, broadcastable to [B, N, S, D].

        Returns:
            The context, [B, S, N * D], and the probabilities after dropout and head mask,
            [B, N, S, S], or None.
        """
        heads = (self.query(query_key), self.key(query_key), self.value(value))
        query, key, value = (self._split(x) for x in heads)  # [B, N, S, D]
        if query_mask is not None:
            query = query * query_mask
        if runs_eager(self.config, head_mask, output_attentions):
            scale = 1.0 / math.sqrt(self.attention_head_size)
            attention_scores = torch.matmul(query, key.transpose(2, 3)) * scale
            if attention_mask is not None:
                attention_scores = attention_scores + attention_mask
            probabilities = self.dropout(attention_scores.softmax(dim=-1))
            if head_mask is not None:
                probabilities = probabilities * head_mask
            context = torch.matmul(probabilities, value)
        else:
            probabilities = None
            dropout = self.dropout.p if self.training else 0.0
            context = F.scaled_dot_product_attention(
                query, key, value, attn_mask=attention_mask, dropout_p=dropout
            )
        merged = context.transpose(1, 2).flatten(2)  # [B, S, N * D]
        return merged, probabilities if output_attentions else None

    def _split(self, x: Tensor) -> Tensor:
        """[B, S, N * D] -> [B, N, S, D]."""
        batch, length, _ = x.shape
        return x.view(batch, length, -1, self.attention_head_size).transpose(1, 2)


class MobileBertAttention(nn.Module):
    """Self-attention and the projection back into the layer's residual stream.

    Args:
        config: The configuration.
        number: The layer's number.
    """

    def __init__(self, config: MobileBertConfig, number: int) -> None:
        super().__init__()
        self.self = MobileBertSelfAttention(config, number)
        self.output = ResidualProjection(
            config,
            self.self.all_head_size,
            config.true_hidden_size,
            dropout=0.0 if config.use_bottleneck else config.hidden_dropout_prob,
        )
        self.pruned_heads = pruned_heads_of_layer(config, number)

    def forward(
        self,
        query_key: Tensor,
        value: Tensor,
        residual: Tensor,
        attention_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        output_attentions: bool = False,
        query_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend and add the residual, [B, S, K]; see `MobileBertSelfAttention.forward`."""
        context, probabilities = self.self(
            query_key, value, attention_mask, head_mask, output_attentions, query_mask
        )
        return self.output(context, residual), probabilities
