"""LoRA: projections learn through a product of two narrow matrices; the rest rests.

Hu et al. 2021 (arXiv:2106.09685), section 4.1: a projection's weight W (out, in) becomes
``W + alpha / rank * up @ down`` with down (rank, in) drawn at random and up (out, rank) zero, so
that training begins at the model as it is. The sum is what `weight` of the projection reads as, for
its own forward and for code that takes the weight itself; it costs two narrow products a step and
nothing for each token.
"""

import math
import re
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from mobilebert.errors import InputError
from mobilebert.training.settings import LORA_ON

__all__ = ["LowRankUpdate", "add_lora", "has_lora", "merge_lora", "merged_state_dict"]

_WEIGHT = "weight"
_ORIGINAL = re.compile(rf"^(.*)\.parametrizations\.{_WEIGHT}\.original$")
_IN_LAYER = re.compile(r"(?:^|\.)encoder\.layer\.\d+\.")
_ADDED = re.compile(rf"\.parametrizations\.{_WEIGHT}\.\d+\.")


class LowRankUpdate(nn.Module):
    """What is added to the weight of a projection.

    Args:
        weight: The weight it is added to, [out, in].
        rank: Width of the two matrices.
        alpha: Their product is multiplied by ``alpha / rank``.
        dropout: Share of the `rank` products of a column and a row that are left out, each time
            the weight is read in training, the rest being enlarged. The paper's code leaves out
            elements of the projection's input instead, on this path only, which a weight cannot
            do: all tokens of a step have the same weight.
        generator: Draws the initial values; PyTorch's own by default.
    """

    def __init__(
        self,
        weight: Tensor,
        rank: int,
        alpha: float,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        width_out, width_in = weight.shape
        # A row of `down` has length 1 on average: it neither widens nor narrows what it reads.
        drawn = torch.randn(rank, width_in, generator=generator) / math.sqrt(width_in)
        self.down = nn.Parameter(drawn.to(weight))
        self.up = nn.Parameter(weight.new_zeros(width_out, rank))
        self.scale = alpha / rank
        self.dropout = dropout

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight with the update, [out, in]."""
        # Autocast would round the update to 16 bits, and what is merged later would be another
        # model than the one that was trained.
        with torch.autocast(weight.device.type, enabled=False):
            up: Tensor = self.up
            if self.training and self.dropout:
                kept = torch.rand(up.shape[1], device=up.device) >= self.dropout
                up = up * (kept / (1 - self.dropout)).to(up)
            return torch.addmm(weight, up, self.down, alpha=self.scale)

    def extra_repr(self) -> str:
        """Show the settings."""
        return f"rank={self.up.shape[1]}, scale={self.scale:g}, dropout={self.dropout:g}"


def add_lora(
    model: nn.Module,
    names: Iterable[str] = LORA_ON,
    *,
    rank: int = 8,
    alpha: float = 16.0,
    dropout: float = 0.0,
    generator: torch.Generator | None = None,
) -> tuple[str, ...]:
    """Let named projections of the encoder learn through low-rank updates.

    All other weights of embeddings and layers are frozen; pooler and heads learn as before.

    Args:
        model: An encoder, or a model for a task.
        names: The last part, or last parts, of the names of projections in the encoder's layers:
            "query" means those of all layers, "ffn.0.output.dense" the first feed-forward
            network's second one, "layer.3.attention.self.query" a single one.
        rank: Width of the update, at least 1.
        alpha: The update is multiplied by ``alpha / rank``; above 0.
        dropout: See `LowRankUpdate`; at least 0, below 1.
        generator: Draws the initial values; PyTorch's own by default.

    Returns:
        The full names of the projections.

    Raises:
        InputError: A name that no projection has, a number outside its range, or a model that
            has such updates already.
    """
    _check(model, rank, alpha, dropout)
    chosen = _chosen(model, names)
    encoder = getattr(model, "base_model", model)
    for part in (encoder.embeddings, encoder.encoder):
        part.requires_grad_(False)
    for name in chosen:
        projection = model.get_submodule(name)
        assert isinstance(projection, nn.Linear)  # what _projections lists
        update = LowRankUpdate(projection.weight, rank, alpha, dropout, generator)
        # `unsafe` leaves out a trial run, which with dropout would draw random numbers.
        parametrize.register_parametrization(projection, _WEIGHT, update, unsafe=True)
        update.train(projection.training)
    return tuple(chosen)


def has_lora(model: nn.Module) -> bool:
    """Tell whether projections of a model have low-rank updates."""
    return any(isinstance(module, LowRankUpdate) for module in model.modules())


@torch.no_grad()
def merge_lora(model: nn.Module) -> None:
    """Write the updates into the weights and remove them: an ordinary model again.

    Weights that were frozen by `add_lora` stay frozen. Merging a model without updates changes
    nothing.
    """
    for projection in _updated(model):
        merged = _merged_weight(projection)
        parametrize.remove_parametrizations(projection, _WEIGHT, leave_parametrized=False)
        projection.weight.copy_(merged)


@torch.no_grad()
def merged_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """Return the state dict that the model would have after `merge_lora`; it stays as it is.

    Returns:
        Tensors by their ordinary names; those without update share the model's memory.
    """
    state = {}
    for name, tensor in model.state_dict().items():
        if match := _ORIGINAL.match(name):
            state[f"{match[1]}.{_WEIGHT}"] = _merged_weight(model.get_submodule(match[1]))
        elif not _ADDED.search(name):
            state[name] = tensor
    return state


def _merged_weight(projection: nn.Module) -> Tensor:
    """Return the weight with the whole update, without dropout."""
    original, update = _parts(projection)
    was_training = update.training
    merged: Tensor = update.eval()(original)
    update.train(was_training)
    return merged


def _parts(projection: nn.Module) -> tuple[Tensor, LowRankUpdate]:
    parts = projection.get_submodule(f"parametrizations.{_WEIGHT}")
    assert isinstance(parts, parametrize.ParametrizationList)
    update = parts[0]
    assert isinstance(update, LowRankUpdate)
    return parts.original, update


def _updated(model: nn.Module) -> list[nn.Linear]:
    return [
        module
        for module in model.modules()
        if isinstance(module, nn.Linear)
        and parametrize.is_parametrized(module, _WEIGHT)
        and isinstance(module.get_submodule(f"parametrizations.{_WEIGHT}.0"), LowRankUpdate)
    ]


def _chosen(model: nn.Module, names: Iterable[str]) -> list[str]:
    """Return the full names of the encoder's projections that end with one of the names."""
    there = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and _IN_LAYER.search(name)
    ]
    chosen: set[str] = set()
    wanted = [names] if isinstance(names, str) else list(names)
    for ending in wanted:
        found = {name for name in there if f".{name}".endswith(f".{ending}")}
        if not found:
            kinds = dict.fromkeys(_IN_LAYER.split(name)[1] for name in there)
            raise InputError(
                f"No projection of the encoder is named {ending!r}; there are {', '.join(kinds)}. "
                "The last part of such a name is enough."
            )
        chosen |= found
    if not chosen:
        raise InputError("No projection is named; give names such as query and value.")
    return [name for name in there if name in chosen]


def _check(model: nn.Module, rank: int, alpha: float, dropout: float) -> None:
    if has_lora(model):
        raise InputError("The model has low-rank updates already; merge them first (merge_lora).")
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        raise InputError(f"rank is {rank!r}; allowed is a whole number of at least 1.")
    if not 0 < alpha < math.inf:
        raise InputError(f"alpha is {alpha!r}; allowed is a number above 0.")
    if not 0 <= dropout < 1:
        raise InputError(f"dropout is {dropout!r}; allowed are numbers of at least 0, below 1.")
