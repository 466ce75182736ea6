"""Initial weights: one loop over the weight specification, one over what users add to it."""

from collections.abc import Callable, Collection, Iterable, Iterator

import torch
from torch import Tensor, nn

from mobilebert.torch.norms import NoNorm
from mobilebert.weights import WeightInit, WeightSpec

__all__ = ["added_modules", "initialize", "initialize_module"]


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
        specs: The model's weight specification; tied tensors, those without memory and those
            that a user's class has not are left alone.
        std: Standard deviation of the truncated normal distribution, `initializer_range`.
        names: Only these; all by default.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    with torch.no_grad():
        for spec in specs:
            if spec.tied_to is not None or (names is not None and spec.name not in names):
                continue
            parameter = parameters.get(spec.name)
            if parameter is None or parameter.is_meta:
                continue
            _FILL[spec.init](parameter, std)
            # A table of a user's class under this name may be shorter.
            if spec.zero_row is not None and spec.zero_row < len(parameter):
                parameter[spec.zero_row].zero_()


def initialize_module(module: nn.Module, std: float) -> None:
    """Give the parameters of a linear layer, a table or a norm their initial values.

    Args:
        module: Only its own parameters; another kind of module is left alone.
        std: Standard deviation of the truncated normal distribution, `initializer_range`.
    """
    with torch.no_grad():
        if isinstance(module, nn.Linear | nn.Embedding):
            _truncated_normal(module.weight, std)
        if isinstance(module, nn.Embedding) and module.padding_idx is not None:
            module.weight[module.padding_idx].zero_()
        if isinstance(module, nn.LayerNorm | NoNorm) and module.weight is not None:
            module.weight.fill_(1.0)
        if isinstance(module, nn.Linear | nn.LayerNorm | NoNorm) and module.bias is not None:
            module.bias.zero_()


def added_modules(
    model: nn.Module, specs: Iterable[WeightSpec], initialized: type[nn.Module]
) -> Iterator[nn.Module]:
    """Find the modules with parameters that a user's class added, each once in its life.

    Args:
        model: The model.
        specs: Its weight specification; modules named there are not added ones.
        initialized: Submodules of this class have initialised themselves. Modules that share a
            parameter with them, or with the specification, are left out too.
    """
    known = {spec.name for spec in specs}
    named = model.named_parameters(remove_duplicate=False)
    taken = {id(parameter) for name, parameter in named if name in known}
    for module in model.modules():
        if module is not model and isinstance(module, initialized):
            taken.update(map(id, module.parameters()))
    for module in model.modules():
        own = [id(parameter) for parameter in module.parameters(recurse=False)]
        # The mark is that of transformers, which users' code sets too. To torch's types all that a
        # module is given is a tensor or a module.
        if own and taken.isdisjoint(own) and not getattr(module, "_is_hf_initialized", False):
            module._is_hf_initialized = True  # type: ignore[assignment]
            yield module
