"""What is learned of a published encoder: its hidden states, and the directions of whole texts.

No part of MobileBERT's paper. Widths differ, so states are compared through a learned linear
projection, as in TinyBERT (Jiao et al. 2020, arXiv:1909.10351, section 3.1), which is no part of
the saved model; texts by the direction of their mean vectors (Reimers and Gurevych 2019,
arXiv:1908.10084).

Dimensions: T tokens, B sequences, H hidden_size of the student, W width of the encoder.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilebert.errors import InputError
from mobilebert.torch.packed import PackedBatch
from mobilebert.training.objectives import Summed

__all__ = ["StateProjection", "pooled_means", "sentence_transfer", "state_transfer"]


class StateProjection(nn.Module):
    """From the student's width to the encoder's; learned with the student, saved with no model.

    Args:
        width: H.
        encoder_width: W.
        generator: What its weights are drawn from.
    """

    def __init__(
        self, width: int, encoder_width: int, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.dense = nn.Linear(width, encoder_width)
        with torch.no_grad():
            # So that results vary as much as what is read.
            self.dense.weight.normal_(0.0, width**-0.5, generator=generator)
            self.dense.bias.zero_()

    def forward(self, states: Tensor) -> Tensor:
        """[T, H] -> [T, W]."""
        projected: Tensor = self.dense(states)
        return projected


def state_transfer(student: Tensor, encoder: Tensor) -> Summed:
    """Compare states: the mean square of their differences, of the encoder's as normalised.

    Args:
        student: The student's rows, projected, [T, W].
        encoder: The encoder's, [T, W]; layer-normalised here, without parameters, so that no few
            features decide.

    Returns:
        A sum over tokens.

    Raises:
        InputError: Rows of different shapes.
    """
    student, encoder = _alike("states", student, encoder)
    targets = F.layer_norm(encoder, encoder.shape[-1:])
    total = (student - targets).square().mean(-1).sum()
    return Summed(total, torch.tensor(float(len(student)), device=student.device))


def pooled_means(states: Tensor, batch: PackedBatch) -> Tensor:
    """Return the mean over the tokens of each sequence, [T, H] -> [B, H]."""
    lengths = torch.tensor(batch.lengths, device=states.device)
    wide = states.to(torch.promote_types(states.dtype, torch.float32))
    return torch.segment_reduce(wide, "mean", lengths=lengths, axis=0)


def sentence_transfer(student: Tensor, encoder: Tensor) -> Summed:
    """Compare the directions of texts' vectors: 1 less their cosine.

    Args:
        student: A vector of each text, projected, [B, W].
        encoder: The encoder's, [B, W].

    Returns:
        A sum over texts.

    Raises:
        InputError: Vectors of different shapes.
    """
    student, encoder = _alike("vectors", student, encoder)
    cosines = F.cosine_similarity(student, encoder, dim=-1)
    return Summed((1 - cosines).sum(), torch.tensor(float(len(student)), device=student.device))


def _alike(what: str, student: Tensor, encoder: Tensor) -> tuple[Tensor, Tensor]:
    """Return both as float32 or wider, the encoder's without gradients."""
    if student.shape != encoder.shape:
        raise InputError(
            f"The student's {what} have shape {tuple(student.shape)}, the encoder's "
            f"{tuple(encoder.shape)}; both have to be the same."
        )
    wide = torch.promote_types(student.dtype, torch.float32)
    return student.to(wide), encoder.detach().to(wide)
