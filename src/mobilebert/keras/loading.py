"""From a checkpoint to a Keras model, and back.

Weights are compared with what the model needs before the model is built.
"""

import copy
import os
from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any

from mobilebert.checkpoint.arguments import configuration_for, sorted_keywords
from mobilebert.checkpoint.directory import architectures_of
from mobilebert.checkpoint.matching import LoadReport, match, with_own_decoder
from mobilebert.checkpoint.names import ENCODER_PREFIX, canonical_tensors
from mobilebert.checkpoint.reading import (
    H5_NAME,
    SAFETENSORS_NAME,
    TF1_NAME,
    TORCH_NAME,
    read_weights,
)
from mobilebert.checkpoint.saving import save_checkpoint
from mobilebert.config import MobileBertConfig
from mobilebert.errors import ArgumentError, InputError, WeightsError
from mobilebert.keras.initialization import variables_unset
from mobilebert.keras.new_weights import NewWeights
from mobilebert.keras.variables import assign, read, variables
from mobilebert.weights import weight_specs

__all__ = ["FORMATS", "load_pretrained", "save_pretrained"]

Name = str | os.PathLike[str]

# What a TensorFlow user has goes before what needs PyTorch, unless `from_pt` says otherwise.
FORMATS = {
    False: (SAFETENSORS_NAME, H5_NAME, TORCH_NAME, TF1_NAME),
    True: (SAFETENSORS_NAME, TORCH_NAME, H5_NAME, TF1_NAME),
}


def load_pretrained(
    cls: Any,
    place: Name,
    /,
    *model_args: Any,
    config: MobileBertConfig | Name | None = None,
    from_pt: bool = False,
    dtype: Any = None,
    ignore_mismatched_sizes: bool = False,
    output_loading_info: bool = False,
    trust_remote_code: bool | None = None,
    **kwargs: Any,
) -> Any:
    """Load a model; see `mobilebert.keras.storage.StoredModel.from_pretrained`.

    Raises:
        CheckpointError: The checkpoint is missing, damaged or unsafe.
        WeightsError: Tensors do not fit the configuration.
        ArgumentError: An unknown keyword.
        InputError: `trust_remote_code`.
    """
    if trust_remote_code:
        raise InputError(
            "trust_remote_code=True is refused: this library never runs code of a checkpoint."
        )
    hub, options, kwargs = sorted_keywords(kwargs)
    loaded, keywords = configuration_for(cls, place, config, hub, kwargs)
    _check_keywords(cls, keywords)
    if dtype is not None:
        keywords["dtype"] = dtype  # the configuration has a field of that name, too
    source = read_weights(place, options, hub, formats=FORMATS[bool(from_pt)])
    pooler = keywords.get("add_pooling_layer")
    tensors = canonical_tensors(source.tensors, loaded, source.dialect)
    loaded = with_own_decoder(loaded, cls.task, tensors, source.dialect)
    chosen, report = match(
        tensors,
        weight_specs(loaded, cls.task, add_pooling_layer=pooler),
        source=str(source.path),
        prefix=ENCODER_PREFIX if cls.task.prefix else "",
        ignore_mismatched_sizes=ignore_mismatched_sizes,
    )
    with variables_unset():
        model = cls(loaded, *model_args, **keywords)
    specs = model.weight_specs()
    assign(model, specs, {key: tensor.array() for key, tensor in chosen.items()})
    model.init_weights(report.newly_initialized)
    model.newly_initialized_weights = NewWeights(model, report.newly_initialized)
    report.announce(cls.__name__, architectures_of(loaded))
    return (model, _loading_info(report)) if output_loading_info else model


def _check_keywords(cls: Any, keywords: Mapping[str, Any]) -> None:
    """Refuse what neither the class nor Keras has a parameter for."""
    known = {name for kind in cls.__mro__ for name in signature(kind.__init__).parameters}
    unknown = sorted(keywords.keys() - known)
    if unknown:
        raise ArgumentError(
            f"{cls.__name__}.from_pretrained() does not know {', '.join(unknown)}: neither an "
            "option, nor a field of the configuration, nor a keyword of the class."
        )


def _loading_info(report: LoadReport) -> dict[str, list[Any]]:
    """Return the report in the form users of transformers know."""
    return {
        "missing_keys": list(report.missing),
        "unexpected_keys": list(report.unexpected),
        "mismatched_keys": list(report.mismatched),
        "error_msgs": [],
    }


def save_pretrained(
    model: Any,
    save_directory: Name,
    *,
    max_shard_size: int | str = "5GB",
    safe_serialization: bool = True,
    variant: str | None = None,
    **unknown: Any,
) -> list[Path]:
    """Write a model; see `mobilebert.keras.storage.StoredModel.save_pretrained`.

    Returns:
        The files that were written.

    Raises:
        CheckpointError: The directory cannot be written.
        WeightsError: The model has weights that no checkpoint of MobileBERT has a place for.
        ArgumentError: An unknown keyword.
    """
    if unknown:
        raise ArgumentError(f"save_pretrained() does not know {', '.join(sorted(unknown))}.")
    _check_nothing_is_lost(model)
    config = copy.deepcopy(model.config)
    # The name of the PyTorch class: the file has its layout, and both packages read it.
    config.architectures = [type(model).__name__.removeprefix("TF")]
    return save_checkpoint(
        save_directory,
        config,
        read(model, model.weight_specs()),
        max_shard_size=max_shard_size,
        variant=variant,
        safe_serialization=safe_serialization,
    )


def _check_nothing_is_lost(model: Any) -> None:
    named = variables(model, model.weight_specs())
    kept = {id(variable) for _, variable in named.values()}
    lost = [variable.path for variable in model.weights if id(variable) not in kept]
    if lost:
        raise WeightsError(
            f"{type(model).__name__} has weights that a checkpoint of MobileBERT has no place for: "
            f"{', '.join(lost[:8])}{', ...' if len(lost) > 8 else ''}; save such a model with "
            "model.save('model.keras') or model.save_weights('model.weights.h5')."
        )
