"""From a checkpoint to a PyTorch model, and back.

Weights are compared with what the model needs before the model is built. Our own models are built
without memory (on the meta device) and take the loaded tensors as they are, so loading never
initialises what is thrown away and never holds two copies.
"""

import copy
import inspect
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mobilebert.checkpoint.arguments import configuration_for, sorted_keywords
from mobilebert.checkpoint.directory import architectures_of, dominant_dtype
from mobilebert.checkpoint.matching import LoadReport, match, with_own_decoder
from mobilebert.checkpoint.names import ENCODER_PREFIX, OWN_PREFIX, Dialect, canonical_tensors
from mobilebert.checkpoint.reading import WeightsSource, read_weights
from mobilebert.checkpoint.saving import save_checkpoint
from mobilebert.checkpoint.stored import StoredTensor
from mobilebert.checkpoint.torch_file import stored_from_torch, torch_from_stored
from mobilebert.config import MobileBertConfig
from mobilebert.errors import ArgumentError, InputError
from mobilebert.torch.new_weights import NewWeights
from mobilebert.torch.pretrained import MobileBertPreTrainedModel, dtype_of
from mobilebert.weights import WeightKind, WeightSpec, weight_specs

__all__ = ["load_pretrained", "save_pretrained"]

Name = str | os.PathLike[str]

# Ways of spreading a large model over devices; on one device they are all the same.
_AUTOMATIC_DEVICE = ("auto", "balanced", "balanced_low_0", "sequential")


def load_pretrained(
    cls: type[MobileBertPreTrainedModel],
    pretrained_model_name_or_path: Name | None,
    *model_args: Any,
    config: MobileBertConfig | Name | None = None,
    state_dict: Mapping[str, Tensor] | None = None,
    dtype: torch.dtype | str | None = None,
    torch_dtype: torch.dtype | str | None = None,
    device_map: Any = None,
    attn_implementation: str | None = None,
    ignore_mismatched_sizes: bool = False,
    output_loading_info: bool = False,
    trust_remote_code: bool | None = None,
    **kwargs: Any,
) -> Any:
    """Load a model; see `mobilebert.torch.storage.StoredModel.from_pretrained`.

    Args:
        cls: The model's class.
        pretrained_model_name_or_path: Directory, file, bundled name or Hub name; None with
            `config` and `state_dict`.
        *model_args: Further positional arguments of the constructor.
        config: A configuration, or where to find one, in place of the checkpoint's.
        state_dict: Weights to take in place of the checkpoint's.
        dtype: Of the weights; "auto" for the checkpoint's, PyTorch's default (float32) if None.
        torch_dtype: The older name of `dtype`.
        device_map: None, "auto", a device, or ``{"": device}``.
        attn_implementation: "sdpa" or "eager".
        ignore_mismatched_sizes: Initialise tensors of another shape instead of failing.
        output_loading_info: Also return what did not fit.
        trust_remote_code: Must not be true; nothing of a checkpoint is executed here.
        **kwargs: Fields of `HubOptions` and `WeightsOptions`, fields of the configuration to
            change, keywords of the constructor.

    Returns:
        The model, or with `output_loading_info` a tuple (model, information).

    Raises:
        CheckpointError: The checkpoint is missing, damaged or unsafe.
        WeightsError: Tensors do not fit the configuration.
        ArgumentError: An unknown keyword.
        InputError: An impossible device or dtype, or `trust_remote_code`.
    """
    if trust_remote_code:
        raise InputError(
            "trust_remote_code=True is refused: this library never runs code of a checkpoint."
        )
    name = pretrained_model_name_or_path
    if name is None and (state_dict is None or not isinstance(config, MobileBertConfig)):
        raise InputError("from_pretrained(None) needs config= (an object) and state_dict=.")
    hub, options, kwargs = sorted_keywords(kwargs)
    loaded, model_kwargs = configuration_for(cls, name, config, hub, kwargs)
    if attn_implementation is not None:
        loaded._attn_implementation = attn_implementation
    device = _device(device_map)
    if state_dict is not None:
        tensors = {key: stored_from_torch(value) for key, value in state_dict.items()}
        source = WeightsSource("the given state_dict", Dialect.CANONICAL, tensors)
    else:
        assert name is not None
        source = read_weights(name, options, hub)
    wanted = _dtype(torch_dtype if dtype is None else dtype, loaded, source.tensors)
    loaded.dtype = wanted
    model, report = _model(
        cls, loaded, (model_args, model_kwargs), source, wanted, ignore_mismatched_sizes
    )
    report.announce(cls.__name__, architectures_of(loaded))
    model = model.to(device).eval()
    parameters = dict(model.named_parameters(remove_duplicate=False))
    new = {key: parameters[key] for key in report.newly_initialized if key in parameters}
    # Not through nn.Module, which would look for tensors and modules in it.
    object.__setattr__(model, "newly_initialized_weights", NewWeights(new))
    return (model, _loading_info(report)) if output_loading_info else model


def _device(device_map: Any) -> torch.device:
    wanted = device_map
    if isinstance(wanted, Mapping):
        if set(wanted) != {""}:
            raise InputError(
                "device_map as a table must be {'': device}: the model stays on one device, not "
                f"{dict(device_map)!r}."
            )
        wanted = wanted[""]
    if wanted is None:
        return torch.get_default_device()
    if wanted in _AUTOMATIC_DEVICE:
        found = torch.accelerator.current_accelerator(check_available=True)
        return torch.device("cpu") if found is None else found
    try:
        # A number means an accelerator, also where there is none.
        found = torch.device("cuda", wanted) if type(wanted) is int else torch.device(wanted)
    except (RuntimeError, TypeError):
        raise InputError(
            f"device_map must be None, 'auto' or a device such as 'cpu' or 'cuda:0', not "
            f"{device_map!r}."
        ) from None
    try:
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise InputError(
            f"device_map={device_map!r}: there is no device {found} here; choose 'cpu', or 'auto' "
            "for the accelerator if there is one."
        ) from None
    return found


def _dtype(
    wanted: torch.dtype | str | None,
    config: MobileBertConfig,
    tensors: Mapping[str, StoredTensor],
) -> torch.dtype:
    if wanted is None:
        return torch.get_default_dtype()
    if wanted == "auto":
        wanted = config.dtype or dominant_dtype(tensors)
    found = dtype_of(wanted)
    assert found is not None
    return found


def _model(
    cls: type[MobileBertPreTrainedModel],
    config: MobileBertConfig,
    arguments: tuple[tuple[Any, ...], dict[str, Any]],
    source: WeightsSource,
    dtype: torch.dtype,
    ignore_mismatched_sizes: bool,
) -> tuple[MobileBertPreTrainedModel, LoadReport]:
    """Compare the weights with the class's needs, build it, fill it."""
    args, keywords = arguments
    tensors = canonical_tensors(source.tensors, config, source.dialect)
    config = with_own_decoder(config, cls.task, tensors, source.dialect)
    # A user's subclass may hold more than the tables say: it is built first and asked.
    ours = cls.__module__.startswith("mobilebert.")
    model = None if ours else cls(config, *args, **keywords)
    specs = _needs(cls, config, args, keywords) if model is None else _tensors_of(model)
    bare = cls.task.prefix == "" if model is None else model.base_model is model
    counters = {} if model is None else _take_counters(model, tensors)
    chosen, report = match(
        tensors,
        specs,
        source=str(source.path),
        prefix="" if bare else ENCODER_PREFIX,
        ignore_mismatched_sizes=ignore_mismatched_sizes,
    )
    if model is None:
        with torch.device("meta"):
            model = cls(config, *args, **keywords)
        _allocate(model, report.newly_initialized)
    model = model.to(dtype)
    state = {name: torch_from_stored(row).to(dtype, copy=True) for name, row in chosen.items()}
    model.load_state_dict(state | counters, strict=False, assign=True)
    _share_again(model, specs)
    model.tie_weights()
    return model, report


def _needs(
    cls: type[MobileBertPreTrainedModel],
    config: MobileBertConfig,
    args: tuple[Any, ...],
    keywords: Mapping[str, Any],
) -> tuple[WeightSpec, ...]:
    """List the tensors of one of our classes without building it."""
    bound = inspect.signature(cls.__init__).bind(None, config, *args, **keywords).arguments
    return weight_specs(config, cls.task, add_pooling_layer=bound.get("add_pooling_layer"))


def _tensors_of(model: nn.Module) -> tuple[WeightSpec, ...]:
    """List the floating-point tensors of any model; one that shares memory is tied to the first."""
    first: dict[int, str] = {}
    rows = []
    for name, tensor in model.state_dict(keep_vars=True).items():
        if not tensor.is_floating_point():
            continue
        owner = first.setdefault(id(tensor), name)
        tied = None if owner == name else owner
        # The kind matters for initialisation and renaming only, and neither is done with these.
        rows.append(WeightSpec(name, WeightKind.LINEAR_WEIGHT, tuple(tensor.shape), tied))
    return tuple(rows)


def _share_again(model: nn.Module, specs: Iterable[WeightSpec]) -> None:
    """Let tied tensors be one again: assigning to one of their names leaves the others behind."""
    tensors = model.state_dict(keep_vars=True)
    for row in specs:
        if row.tied_to is not None:
            path, _, attribute = row.name.rpartition(".")
            setattr(model.get_submodule(path), attribute, tensors[row.tied_to])


def _take_counters(model: nn.Module, tensors: dict[str, StoredTensor]) -> dict[str, Tensor]:
    """Take the integer buffers a user's model keeps out of the tensors of the checkpoint."""
    counters = {}
    for name, tensor in model.state_dict().items():
        key = name if name in tensors else OWN_PREFIX + name
        stored = tensors.get(key)
        if tensor.is_floating_point() or stored is None or stored.floating:
            continue
        if stored.shape == tuple(tensor.shape):
            counters[name] = torch_from_stored(tensors.pop(key)).clone()
    return counters


def _allocate(model: MobileBertPreTrainedModel, names: tuple[str, ...]) -> None:
    """Give weights that no checkpoint fills their memory and their initial values."""
    for name in names:
        path, _, attribute = name.rpartition(".")
        module = model.get_submodule(path)
        given = module.get_parameter(attribute)
        made = nn.Parameter(torch.empty(given.shape, device="cpu"), given.requires_grad)
        setattr(module, attribute, made)
    model.init_weights(names)


def _loading_info(report: LoadReport) -> dict[str, list[Any]]:
    """Return the report in the form users of transformers know."""
    return {
        "missing_keys": list(report.missing),
        "unexpected_keys": list(report.unexpected),
        "mismatched_keys": list(report.mismatched),
        "error_msgs": [],
    }


def save_pretrained(
    model: MobileBertPreTrainedModel,
    save_directory: Name,
    *,
    is_main_process: bool = True,
    state_dict: Mapping[str, Tensor] | None = None,
    save_function: Any = None,
    max_shard_size: int | str = "5GB",
    safe_serialization: bool = True,
    variant: str | None = None,
    save_peft_format: bool = True,
    **unknown: Any,
) -> list[Path]:
    """Write a model; see `mobilebert.torch.storage.StoredModel.save_pretrained`.

    Args:
        model: The model.
        save_directory: Where to write; made if it does not exist.
        is_main_process: Whether this process writes, in distributed training.
        state_dict: Weights to write in place of the model's.
        save_function: Called as ``save_function(state_dict, path)`` for each file that is no
            safetensors file, in place of ``torch.save``.
        max_shard_size: Largest weights file.
        safe_serialization: safetensors; False writes ``pytorch_model.bin``.
        variant: Middle part of the file names.
        save_peft_format: Accepted; there are no adapters here.
        **unknown: Refused.

    Returns:
        The files that were written.

    Raises:
        CheckpointError: The directory cannot be written.
        ArgumentError: An unknown keyword.
    """
    if unknown:
        raise ArgumentError(f"save_pretrained() does not know {', '.join(sorted(unknown))}.")
    if not is_main_process:
        return []
    given = model.state_dict() if state_dict is None else state_dict
    tensors = {name: stored_from_torch(tensor) for name, tensor in given.items()}
    config = copy.deepcopy(model.config)
    config.architectures = [type(model).__name__]
    # In a user's class, what is called like a tied tensor may be equal to the other by chance.
    shared = {row.name for row in _tensors_of(model) if row.tied_to is not None}
    return save_checkpoint(
        save_directory,
        config,
        tensors,
        shared=shared,
        max_shard_size=max_shard_size,
        variant=variant,
        safe_serialization=safe_serialization,
        save_function=save_function,
    )
