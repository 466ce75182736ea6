"""Masked-language-model training without the scores of a whole batch in memory.

The scores of 600 masked positions are 75 MB, as are their softmax and its gradient. Here a few rows
at a time are scored, and made gradients at once; nothing of that is kept.

Dimensions: M rows, H hidden_size, E embedding_size, V vocabulary.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mobilebert.errors import ArgumentError, InputError
from mobilebert.torch.heads import VocabularyHead
from mobilebert.torch.losses import IGNORED, check_classes, cross_entropy
from mobilebert.torch.precision import in_float32, widened
from mobilebert.torch.pretrained import MobileBertPreTrainedModel

__all__ = ["masked_lm_loss", "masked_lm_scores"]

# Rows scored at a time: enough for the products, and 30 MB of scores.
_ROWS = 256


def masked_lm_scores(model: MobileBertPreTrainedModel, rows: Tensor) -> Tensor:
    """Score the vocabulary for some rows of the last state, [M, H] -> [M, V].

    Raises:
        ArgumentError: The model has no vocabulary head.
    """
    scores: Tensor = _head(model)(rows)
    return scores


def masked_lm_loss(model: MobileBertPreTrainedModel, rows: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy of some rows of the last state.

    Args:
        model: A model with a vocabulary head.
        rows: Rows of the last state, [M, H], at least one.
        labels: The id that is right in each, [M].

    Raises:
        ArgumentError: The model has no vocabulary head.
        InputError: A label is outside the vocabulary, or there are more or fewer than rows.
    """
    head = _head(model)
    table, extension = widened(head.decoder.weight), widened(head.dense.weight)
    check_classes(labels, len(table))
    if bool((labels == IGNORED).any()) or labels.shape != rows.shape[:1]:
        raise InputError(
            f"Each of the {len(rows)} rows needs an id that is right; leave out rows that do not "
            "count."
        )
    if torch.is_autocast_enabled(rows.device.type):
        return cross_entropy(head(rows), labels)
    joint = torch.cat([table.t(), extension])  # [H, V]
    # torch gives this method no types.
    loss: Tensor = _VocabularyLoss.apply(  # type: ignore[no-untyped-call]
        in_float32(head.transform, rows), joint, widened(head.bias), labels
    )
    return loss


def _head(model: MobileBertPreTrainedModel) -> VocabularyHead:
    head = model._vocabulary_head
    if head is None:
        raise ArgumentError(f"{type(model).__name__} has no masked-language-model head.")
    return head


class _VocabularyLoss(torch.autograd.Function):
    """Mean cross-entropy of ``x @ table + bias``; gradients are made in the forward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, table: Tensor, bias: Tensor, labels: Tensor) -> Tensor:
        wanted = any(ctx.needs_input_grad)
        total = x.new_zeros(())
        to_x = torch.empty_like(x)
        to_table, to_bias = torch.zeros_like(table), torch.zeros_like(bias)
        for some, chosen, result in zip(
            *(torch.split(rows, _ROWS) for rows in (x, labels, to_x)), strict=True
        ):
            scores = torch.addmm(bias, some, table).log_softmax(dim=-1)
            total -= scores.gather(1, chosen[:, None]).sum()
            if not wanted:
                continue
            # The gradient of a row's loss by its scores: softmax less 1 at the label.
            scores.exp_().scatter_add_(1, chosen[:, None], scores.new_full((len(chosen), 1), -1.0))
            torch.mm(scores, table.t(), out=result)
            to_table.addmm_(some.t(), scores)
            to_bias += scores.sum(dim=0)
        if wanted:
            ctx.save_for_backward(to_x, to_table, to_bias)
        return total / len(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        to_x, to_table, to_bias = ctx.saved_tensors
        share = grad / len(to_x)
        return to_x * share, to_table * share, to_bias * share, None
