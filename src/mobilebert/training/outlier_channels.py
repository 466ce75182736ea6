"""Steps that stay small where a weight reads very large numbers.

Adam moves every weight by about the rate, whatever its size. In published checkpoints a few
channels hold up to 2.5e7 for the first token while others are of order 1, and the weights that read
them are as small as those numbers are large: a step of 1e-4 would change what comes of them by
thousands. Here such a weight moves as that of a standardised input would, W' x / s with x / s of
ordinary size. Adam's step does not depend on the size of the gradient, so that is its step divided
by s. Where all channels have similar sizes, as in most models, nothing changes.

Such channels: Sun, Chen, Kolter, Liu 2024, "Massive Activations in Large Language Models"
(arXiv:2402.17762).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mobilebert.torch.norms import NoNorm
from mobilebert.torch.packed import PackedBatch
from mobilebert.torch.pretrained import MobileBertPreTrainedModel

__all__ = ["limit_steps", "outlier_scales", "shrink_low_rank"]

# How many times the median channel's size is far outside; ordinary models stay below ten.
_FAR = 100.0
# What reads the input in the place of a weight with a low-rank update (`lora`).
_LOW_RANK = "parametrizations.weight.0.down"
# Sequences that are looked at, one by one.
_SEQUENCES = 32


def outlier_scales(
    model: MobileBertPreTrainedModel, batches: Sequence[PackedBatch]
) -> dict[str, Tensor]:
    """Find channels whose numbers are far larger than those beside them.

    Args:
        model: The model; its encoder is looked at.
        batches: Some sequences of the data.

    Returns:
        For the weights of dense layers [..., in] and of NoNorms [in] that read such channels, by
        name: the size of each channel relative to the median one, [in]; 1 where it is ordinary.
    """
    squares: dict[str, Tensor] = {}
    counts: dict[str, int] = {}
    encoder = model.base_model
    prefix = "" if encoder is model else f"{model.base_model_prefix}."

    def measure(name: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            rows = inputs[0].detach().reshape(-1, inputs[0].shape[-1]).double()
            squares[name] = squares.get(name, 0) + rows.square().sum(dim=0)
            counts[name] = counts.get(name, 0) + len(rows)

        return hook

    handles = [
        module.register_forward_pre_hook(measure(f"{prefix}{name}.weight"))
        for name, module in encoder.named_modules()
        if isinstance(module, (nn.Linear, NoNorm))
    ]
    try:
        with torch.no_grad(), _evaluating(model):
            for ids, types in _sequences(batches):
                encoder(input_ids=ids[None], token_type_ids=types[None], pad_neighbor="zero")
    finally:
        for handle in handles:
            handle.remove()
    scales = {name: _relative(total / counts[name]) for name, total in squares.items()}
    return {name: scale for name, scale in scales.items() if bool((scale > 1).any())}


@torch.no_grad()
def shrink_low_rank(model: nn.Module, scales: Mapping[str, Tensor]) -> None:
    """Let new low-rank updates (`lora`) read large numbers as if they were of ordinary size.

    Args:
        model: The model; changed.
        scales: What `outlier_scales` found.
    """
    parameters = dict(model.named_parameters())
    for name, scale in scales.items():
        down = parameters.get(name.removesuffix("weight") + _LOW_RANK)
        if down is not None:
            down.div_(scale)


def limit_steps(
    optimizer: Optimizer, weights: Mapping[str, Tensor], scales: Mapping[str, Tensor]
) -> None:
    """Let the steps of an optimizer be smaller where a weight reads large numbers.

    Args:
        optimizer: The optimizer; every later step is limited.
        weights: What it trains, by name.
        scales: What `outlier_scales` found.
    """
    limited = []
    for name, scale in scales.items():
        low_rank = name.removesuffix("weight") + _LOW_RANK
        weight = weights.get(name, weights.get(low_rank))
        if weight is not None:
            places = (scale > 1).nonzero()[:, 0]
            limited.append((weight, places, scale[places].float().reciprocal()))
    if not limited:
        return
    before: list[Tensor] = []

    def remember(*_: Any) -> None:
        before[:] = [weight.detach()[..., places].clone() for weight, places, _ in limited]

    @torch.no_grad()
    def shorten(*_: Any) -> None:
        for (weight, places, factor), old in zip(limited, before, strict=True):
            weight[..., places] = torch.lerp(old, weight[..., places], factor)

    optimizer.register_step_pre_hook(remember)
    optimizer.register_step_post_hook(shorten)


def _relative(mean_square: Tensor) -> Tensor:
    size = mean_square.sqrt()
    typical = size[size > 0].median() if bool((size > 0).any()) else torch.ones(())
    relative = size / typical
    return torch.where(relative > _FAR, relative, torch.ones_like(relative))


def _sequences(batches: Sequence[PackedBatch]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield ids and types of the first sequences."""
    parts = (
        pair
        for batch in batches
        for pair in zip(
            torch.split(batch.ids, list(batch.lengths)),
            torch.split(batch.types, list(batch.lengths)),
            strict=True,
        )
    )
    return islice(parts, _SEQUENCES)


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
