"""A published encoder that a model learns from while it learns words."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mobilebert.pretraining.batches import PretrainingBatch
from mobilebert.pretraining.encoder_objectives import (
    StateProjection,
    pooled_means,
    sentence_transfer,
    state_transfer,
)
from mobilebert.pretraining.published_encoder import PublishedEncoder
from mobilebert.torch.packed import PackedBatch
from mobilebert.training.objectives import Summed
from mobilebert.training.settings import Precision

__all__ = ["SENTENCES", "STATES", "Guide"]

# Names of the parts in curves.
STATES, SENTENCES = "states", "sentences"


@dataclass(frozen=True, kw_only=True)
class Guide:
    """An encoder, and how much of it is learned.

    The encoder reads texts as they are, the model with masks: so the state of a masked word says
    what stood there and what that meant in its place (as in data2vec, Baevski et al. 2022,
    arXiv:2202.03555, section 3).

    Attributes:
        encoder: The encoder.
        projection: From the model's width to the encoder's.
        factors: Part of the loss -> its weight; parts of weight 0 are not computed.
    """

    encoder: PublishedEncoder
    projection: StateProjection
    factors: Mapping[str, float]

    def __post_init__(self) -> None:
        """Leave out what has no weight."""
        object.__setattr__(self, "factors", {n: x for n, x in self.factors.items() if x})

    def enter(self, precision: Precision, device: torch.device) -> None:
        """Go where is computed, in the element type of the arithmetic.

        Args:
            precision: The element type.
            device: Where.
        """
        dtype = torch.bfloat16 if precision is Precision.BFLOAT16 else torch.float32
        self.encoder.to(device, dtype)
        self.projection.to(device)

    @torch.no_grad()
    def read(self, batch: PretrainingBatch) -> Tensor:
        """Return the encoder's states of the texts without masks, [T, W]."""
        states: Tensor = self.encoder(unmasked(batch))
        return states

    def losses(self, states: Tensor, shown: Tensor, packed: PackedBatch) -> dict[str, Summed]:
        """Compare the model's last states with the encoder's.

        Args:
            states: [T, H].
            shown: What `read` returned.
            packed: The sequences they are of.
        """
        projected = self.projection(states)
        found = {}
        if STATES in self.factors:
            found[STATES] = state_transfer(projected, shown)
        if SENTENCES in self.factors:
            both = (pooled_means(x, packed) for x in (projected, shown))
            found[SENTENCES] = sentence_transfer(*both)
        return found


def unmasked(batch: PretrainingBatch) -> PackedBatch:
    """Return the sequences of a batch as they were before words were masked."""
    return replace(batch.packed, ids=batch.packed.ids.index_copy(0, batch.rows, batch.wanted))
