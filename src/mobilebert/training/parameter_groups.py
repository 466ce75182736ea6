"""Which parameters learn, and each with what rate and weight decay."""

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any

from torch import nn

from mobilebert.errors import InputError
from mobilebert.training.optimizers import WEIGHT_DECAY

__all__ = [
    "Freezing",
    "depth_of",
    "freeze",
    "groups_by_depth",
    "layer_count",
    "parameter_groups",
]

_LAYER = re.compile(r"encoder\.layer\.(\d+)\.")


class Freezing(StrEnum):
    """What keeps its values, where it is not a number of layers."""

    NONE = "none"
    EMBEDDINGS = "embeddings"
    ENCODER = "encoder"


def freeze(model: nn.Module, what: Freezing | str | int) -> tuple[str, ...]:
    """Let the lower part of a model keep its values.

    Args:
        model: An encoder, or a model for a task.
        what: "none" (or 0); "embeddings"; a number of lowest layers, and the embeddings with them;
            or "encoder": the embeddings and all layers, so that pooler and head alone learn. A
            word table that is also the output layer of the vocabulary head is frozen in both
            places.

    Returns:
        Names of the parameters that were frozen.

    Raises:
        InputError: Neither one of the words nor a number of layers the model has.
    """
    frozen_depth = _frozen_depth(what, layer_count(model))
    frozen = []
    for name, parameter in model.named_parameters():
        if (depth := depth_of(name)) is not None and depth < frozen_depth:
            parameter.requires_grad = False
            frozen.append(name)
    return tuple(frozen)


def parameter_groups(
    model: nn.Module,
    *,
    lr: float,
    weight_decay: float = WEIGHT_DECAY,
    layer_decay: float = 1.0,
    head_lr: float | None = None,
    heads: Iterable[nn.Module] = (),
) -> list[dict[str, Any]]:
    """Sort the parameters that learn into groups for an optimizer.

    Vectors (biases and the weights of norms) have neither weight decay nor, in LAMB, a trust
    ratio: what Google's code excludes by name (google-research mobilebert/lamb_optimizer.py).

    Args:
        model: An encoder, or a model for a task. Frozen parameters are left out.
        lr: The rate of the highest layer, above 0.
        weight_decay: Of matrices, at least 0.
        layer_decay: The rate of a layer is that of the layer above times this; above 0, at most
            1 (discriminative rates: Howard and Ruder 2018, arXiv:1801.06146, section 3.2). The
            embeddings are below the lowest layer.
        head_lr: The rate of what is above the layers, pooler and heads; `lr` by default.
        heads: Modules besides the model that learn at `head_lr`.

    Returns:
        A group for each rate and each of matrices and vectors, with the keys ``params`` (names
        and parameters), ``lr``, ``weight_decay`` and ``trust_ratio``; in the order of the depth.

    Raises:
        InputError: A number outside its range, or nothing that learns.
    """
    above_zero = {
        "lr": lr,
        "layer_decay": layer_decay,
        "head_lr": lr if head_lr is None else head_lr,
    }
    for name, value in above_zero.items():
        if not 0 < value < float("inf"):
            raise InputError(f"{name} is {value}; allowed is a number above 0.")
    if layer_decay > 1:
        raise InputError(f"layer_decay is {layer_decay}; allowed are numbers above 0, at most 1.")
    top = layer_count(model)
    rates = [lr * layer_decay ** (top - depth) for depth in range(top + 1)]
    return groups_by_depth(
        model, [*rates, above_zero["head_lr"]], weight_decay=weight_decay, heads=heads
    )


def groups_by_depth(
    model: nn.Module,
    rates: Sequence[float],
    *,
    weight_decay: float = WEIGHT_DECAY,
    heads: Iterable[nn.Module] = (),
) -> list[dict[str, Any]]:
    """Sort the parameters that learn into groups, with a rate for each depth.

    Args:
        model: An encoder, or a model for a task. Frozen parameters are left out.
        rates: Of the embeddings, of each layer from below, and of what is above them, pooler and
            heads; each at least 0. What has the rate 0 is left out.
        weight_decay: Of matrices, at least 0.
        heads: Modules besides the model that learn at the last rate.

    Returns:
        As `parameter_groups`.

    Raises:
        InputError: A number outside its range, or nothing that learns.
    """
    if not 0 <= weight_decay < float("inf"):
        raise InputError(f"weight_decay is {weight_decay}; allowed is a number of at least 0.")
    top = layer_count(model)
    if len(rates) != top + 2 or not all(0 <= rate < float("inf") for rate in rates):
        raise InputError(
            f"The rates are {', '.join(map(str, rates))}; needed are {top + 2} numbers of at least "
            "0: of the embeddings, each layer, and what is above."
        )
    groups: dict[tuple[float, bool], list[tuple[str, nn.Parameter]]] = {}
    for depth, name, parameter in sorted(_learning(model, heads, top + 1), key=lambda row: row[0]):
        if rates[depth]:
            groups.setdefault((rates[depth], parameter.ndim > 1), []).append((name, parameter))
    if not groups:
        raise InputError("All parameters are frozen, so there is nothing to train.")
    return [
        {
            "params": members,
            "lr": rate,
            "weight_decay": weight_decay if are_matrices else 0.0,
            "trust_ratio": are_matrices,
        }
        for (rate, are_matrices), members in groups.items()
    ]


def _learning(
    model: nn.Module, heads: Iterable[nn.Module], head_depth: int
) -> Iterator[tuple[int, str, nn.Parameter]]:
    """Go through what learns: depth, name, parameter; each parameter once."""
    seen: set[int] = set()
    for module, prefix in [(model, ""), *((head, f"head.{i}.") for i, head in enumerate(heads))]:
        for name, parameter in module.named_parameters():
            if parameter.requires_grad and id(parameter) not in seen:
                seen.add(id(parameter))
                depth = depth_of(name) if module is model else None
                yield (head_depth if depth is None else depth), prefix + name, parameter


def depth_of(name: str) -> int | None:
    """Return 0 for embeddings, n + 1 for layer n, None for what is above the layers."""
    if match := _LAYER.search(name):
        return int(match[1]) + 1
    return 0 if name.removeprefix("mobilebert.").startswith("embeddings.") else None


def layer_count(model: nn.Module) -> int:
    """Return how many layers an encoder has, or a model for a task."""
    return max((depth_of(name) or 0 for name, _ in model.named_parameters()), default=0)


def _frozen_depth(what: Freezing | str | int, layers: int) -> int:
    """Return how many of embeddings (1) and layers (1 each) are frozen, from below."""
    words = {Freezing.NONE: 0, Freezing.EMBEDDINGS: 1, Freezing.ENCODER: layers + 1}
    if isinstance(what, str) and what in words:
        return words[Freezing(what)]
    number = int(what) if re.fullmatch(r"\d+", str(what)) else -1
    if not 0 <= number <= layers:
        raise InputError(
            f"There is no part {what!r} to freeze; allowed are {', '.join(Freezing)}, and "
            f"0 to {layers} for a number of lowest layers."
        )
    return number + 1 if number else 0
