"""Variables of another shape: Keras fixes a variable's shape, so another takes its place.

What was recorded or compiled with the old variables is made again.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy.typing as npt

from mobilebert.errors import InputError
from mobilebert.keras.new_weights import NewWeights
from mobilebert.keras.variables import label

__all__ = ["renew_training", "replace_layer", "replace_variable", "replacing_variables"]

logger = logging.getLogger(__name__)


@contextmanager
def replacing_variables(model: Any) -> Iterator[None]:
    """Replace variables of a model inside this context; afterwards it trains on with the new ones.

    Raises:
        InputError: A layer is quantised or has LoRA adapters, which fit its present shape only.
    """
    for layer in model._flatten_layers():
        if getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None):
            raise InputError(
                f"{layer.path or layer.name} is quantised or has LoRA adapters, which fit its "
                "present shape only; resize and prune before quantize() and enable_lora()."
            )
    untrained = tuple(model.newly_initialized_weights)
    yield
    label(model, model.weight_specs())
    model.newly_initialized_weights = NewWeights(model, untrained)
    renew_training(model)


def replace_variable(layer: Any, old: Any, value: npt.NDArray[Any]) -> None:
    """Give a layer another variable of the same name, type and trainability.

    Args:
        layer: The layer.
        old: One of its own variables.
        value: What the new one holds, of any shape.
    """
    attribute = _attribute_of(layer, old)
    # Frozen variables stay among the trainable ones, with a mark of their own.
    learnt = any(variable is old for variable in layer._trainable_variables)
    store = layer._trainable_variables if learnt else layer._non_trainable_variables
    place = _place(store, old)
    # Keras's own layers lock what they hold, and have no public way to change it.
    layer._untrack_variable(old)
    locked = layer._tracker.locked
    layer._tracker.unlock()
    new = layer.add_weight(
        shape=value.shape,
        dtype=old.dtype,
        initializer="zeros",
        trainable=learnt,
        regularizer=old.regularizer,
        constraint=old.constraint,
        name=old.name,
    )
    new.assign(value)
    new.trainable = old.trainable
    setattr(layer, attribute, new)
    store.insert(place, store.pop())
    layer._tracker.locked = locked


def replace_layer(parent: Any, old: Any, new: Any) -> None:
    """Put another layer in the place of a sublayer."""
    attribute = _attribute_of(parent, old)
    store = parent._layers
    place = _place(store, old)
    parent._tracker.untrack(old)
    locked = parent._tracker.locked
    parent._tracker.unlock()
    setattr(parent, attribute, new)
    store.insert(place, store.pop())
    parent._tracker.locked = locked


def _attribute_of(layer: Any, held: Any) -> str:
    """Name the attribute that holds a variable or layer; in Keras's layers it is not the public."""
    return next(name for name, value in vars(layer).items() if value is held)


def _place(store: list[Any], held: Any) -> int:
    # Variables are compared elementwise, so list.index is no help.
    return next(number for number, value in enumerate(store) if value is held)


def renew_training(model: Any) -> None:
    """Forget compiled steps, which would run on with the old variables, and optimizer state.

    Args:
        model: The model; if it is compiled, it stays so with the same settings, and with an
            optimizer that starts anew.
    """
    model.train_function = model.test_function = model.predict_function = None
    if not model.compiled:
        return
    settings = dict(model._compile_config.config)
    optimizer = settings["optimizer"]
    if optimizer is not None and optimizer.built:
        settings["optimizer"] = type(optimizer).from_config(optimizer.get_config())
        logger.warning(
            "The variables of %s have other shapes now: its optimizer starts anew, with the same "
            "settings. A model it is a layer of must be compiled again.",
            model.name,
        )
    model.compile(**settings)
