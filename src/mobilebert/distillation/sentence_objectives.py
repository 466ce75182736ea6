"""Transfer from teachers of another kind, such as sentence encoders: other widths, whole texts.

No part of MobileBERT's paper. Hidden states are compared through a learned linear projection, as in
TinyBERT (Jiao et al. 2020, arXiv:1909.10351, section 3.1), which is no part of the saved model;
texts by the direction of their mean vectors (Reimers and Gurevych 2019, arXiv:1908.10084).

Dimensions: T tokens, B sequences, H hidden_size of the student, W width of the teacher.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilebert.distillation.choices import TransferForm
from mobilebert.distillation.objectives import feature_map_transfer
from mobilebert.errors import InputError
from mobilebert.torch.packed import PackedBatch
from mobilebert.training.objectives import Summed

__all__ = ["StateProjection", "pooled_means", "projected_state_transfer", "sentence_transfer"]


class StateProjection(nn.Module):
    """From the student's width to the teacher's; learned with the student, saved with no model.

    Args:
        width: H.
        teacher_width: W.
        generator: What its weights are drawn from.
    """

    def __init__(
        self, width: int, teacher_width: int, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.dense = nn.Linear(width, teacher_width)
        with torch.no_grad():
            # So that results vary as much as what is read.
            self.dense.weight.normal_(0.0, width**-0.5, generator=generator)
            self.dense.bias.zero_()

    def forward(self, states: Tensor) -> Tensor:
        """[T, H] -> [T, W]."""
        projected: Tensor = self.dense(states)
        return projected


def projected_state_transfer(
    projection: StateProjection,
    student: Tensor,
    teacher: Tensor,
    form: TransferForm = TransferForm.PAPER,
) -> Summed:
    """Compare hidden states of different widths.

    Args:
        projection: Between the widths.
        student: The student's rows, [T, H].
        teacher: The teacher's, [T, W].
        form: As in `feature_map_transfer`.

    Returns:
        A sum over tokens.

    Raises:
        InputError: A teacher of another width than the projection's, or of other tokens.
    """
    return feature_map_transfer(projection(student), teacher, form=form)


def pooled_means(states: Tensor, batch: PackedBatch) -> Tensor:
    """Return the mean over the tokens of each sequence, [T, H] -> [B, H]."""
    lengths = torch.tensor(batch.lengths, device=states.device)
    wide = states.to(torch.promote_types(states.dtype, torch.float32))
    return torch.segment_reduce(wide, "mean", lengths=lengths, axis=0)


def sentence_transfer(student: Tensor, teacher: Tensor) -> Summed:
    """Compare the directions of texts' vectors: 1 less their cosine.

    Args:
        student: A vector of each text, [B, W], perhaps projected.
        teacher: The teacher's, [B, W].

    Returns:
        A sum over texts.

    Raises:
        InputError: Vectors of different shapes.
    """
    if student.shape != teacher.shape:
        raise InputError(
            f"The student's vectors have shape {tuple(student.shape)}, the teacher's "
            f"{tuple(teacher.shape)}; both have to be the same."
        )
    wide = torch.promote_types(student.dtype, torch.float32)
    cosines = F.cosine_similarity(student.to(wide), teacher.detach().to(wide), dim=-1)
    return Summed((1 - cosines).sum(), torch.tensor(float(len(student)), device=student.device))
