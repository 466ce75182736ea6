"""Norms, and the projection into a residual stream that every part of a layer ends with."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mobilebert.config import MobileBertConfig

__all__ = ["NoNorm", "ResidualProjection", "norm"]


class NoNorm(nn.Module):
    """Scale and shift per channel, what MobileBERT has instead of layer normalisation.

    Paper section 3.4: ``weight * x + bias`` costs no reduction over the channels.

    Args:
        width: Number of channels.
        eps: Unused; norms are interchangeable.
    """

    def __init__(self, width: int, eps: float | None = None) -> None:
        super().__init__()
        # The bias goes first: the order of transformers' state dict.
        self.bias = nn.Parameter(torch.zeros(width))
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Scale and shift, [..., width] -> [..., width]."""
        return x * self.weight + self.bias

    def extra_repr(self) -> str:
        """Show the width."""
        return str(self.weight.shape[0])


_NORMS: dict[str, Callable[[int, float], nn.Module]] = {
    "no_norm": NoNorm,
    "layer_norm": lambda width, eps: nn.LayerNorm(width, eps=eps),
}


def norm(config: MobileBertConfig, width: int, eps: float) -> nn.Module:
    """Build the norm a configuration asks for.

    Args:
        config: The configuration.
        width: Number of channels.
        eps: Epsilon of a true layer normalisation.
    """
    return _NORMS[config.normalization_type](width, eps)


class ResidualProjection(nn.Module):
    """A dense layer whose result joins a residual stream: ``norm(dropout(dense(x)) + residual)``.

    Ends the attention, every feed-forward network and the output bottleneck.

    Args:
        config: The configuration.
        width_in: Width of what is projected.
        width: Width of the residual stream.
        dropout: Dropout after the dense layer.
        eps: Epsilon of a true layer normalisation; ``config.layer_norm_eps`` by default.
        bottleneck: A projection that lives under this one's name, as checkpoints spell it; it is
            called by the layer, not here.
    """

    def __init__(
        self,
        config: MobileBertConfig,
        width_in: int,
        width: int,
        *,
        dropout: float = 0.0,
        eps: float | None = None,
        bottleneck: "ResidualProjection | None" = None,
    ) -> None:
        super().__init__()
        self.dense = nn.Linear(width_in, width)
        self.LayerNorm = norm(config, width, config.layer_norm_eps if eps is None else eps)
        self.dropout = nn.Dropout(dropout)
        if bottleneck is not None:
            self.bottleneck = bottleneck

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        """Project [..., width_in] and add the residual [..., width]."""
        projected: Tensor = self.LayerNorm(self.dropout(self.dense(x)) + residual)
        return projected
