"""Initial weights: one loop over the weight specification."""

from collections.abc import Callable, Collection, Iterable

import torch
from torch import Tensor, nn

from mobilebert.weights import WeightInit, WeightSpec

__all__ = ["initialize"]


def _truncated_normal(tensor: Tensor, std: float) -> None:
    # Google's initialiser cuts at two standard deviations.
    nn.init.trunc_normal_(tensor, mean=0.0, std=std, a=-2.0 * std, b=2.0 * std)


_FILL: dict[WeightInit, Callable[[Tensor, float], object]] = {
    WeightInit.TRUNCATED_NORMAL: _truncated_normal,
    WeightInit.ZEROS: lambda tensor, std: nn.init.zeros_(tensor),
    WeightInit.ONES: lambda tensor, std: nn.init.ones_(tensor),
}


def initialize(
    model: nn.Module,
    specs: Iterable[WeightSpec],
    std: float,
    names: Collection[str] | None = None,
) -> None:
    """Give parameters their initial values.

    Args:
        model: Holds the parameters under their canonical names.
        specs: The model's weight specification; tied tensors and those without memory are
            left alone.
        std: Standard deviation of the truncated normal distribution, `initializer_range`.
        names: Only these; all by default.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    with torch.no_grad():
        for spec in specs:
            if spec.tied_to is not None or (names is not None and spec.name not in names):
                continue
            parameter = parameters[spec.name]
            if parameter.is_meta:
                continue
            _FILL[spec.init](parameter, std)
            if spec.zero_row is not None:
                parameter[spec.zero_row].zero_()
