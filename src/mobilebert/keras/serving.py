"""What a model is served with and returns then: flat tables of tensors by name."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import keras
from keras import ops

from mobilebert.errors import InputError
from mobilebert.files import make_directory
from mobilebert.tasks import TASKS, TaskSpec

__all__ = ["ServedModel", "check_saved_model", "write_saved_model"]


class ServedModel(keras.Model):
    """A model that can be recorded and written as a program for serving."""

    task: ClassVar[TaskSpec] = TASKS["feature_extraction"]

    @property
    def dummy_inputs(self) -> dict[str, Any]:
        """A smallest input, for code that records a call."""
        shape = (1, 2, 3) if self.task.choices else (1, 3)
        return {"input_ids": ops.zeros(shape, dtype="int32")}

    @property
    def input_signature(self) -> dict[str, Any]:
        """What an exported model is served with: ids, mask and types, of any batch and length."""
        shape = (None,) * (3 if self.task.choices else 2)
        return {
            name: keras.InputSpec(shape=shape, dtype="int32", name=name)
            for name in ("input_ids", "attention_mask", "token_type_ids")
        }

    def serving(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Run the model as it is served.

        A subclass may say otherwise, with a `tf.function` of its own input signature: SavedModels
        of `save_pretrained` are recorded from this method.

        Args:
            inputs: Inputs by name.

        Returns:
            The results, as `serving_output` returns them.
        """
        return self.serving_output(self(inputs, training=False, return_dict=True))

    def eager_serving(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Run the model as it is served; an older name of `serving`."""
        return self.serving(inputs)

    def serving_output(self, output: Mapping[str, Any]) -> dict[str, Any]:
        """Turn results into a flat table.

        Args:
            output: The model's results.

        Returns:
            The tensors by name. Hidden states and attentions become one tensor each, a layer a
            row, [layers, ...]; attentions of pruned layers have different shapes, and get names
            of their own, ``attentions_0``.
        """
        flat: dict[str, Any] = {}
        for name, value in output.items():
            if not isinstance(value, tuple):
                flat[name] = value
            elif len({tuple(tensor.shape) for tensor in value}) == 1:
                flat[name] = ops.stack(value)
            else:
                flat |= {f"{name}_{number}": tensor for number, tensor in enumerate(value)}
        return flat

    def export(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """Write a program for serving, as `keras.Model.export`.

        Args:
            filepath: Where to write.
            *args: As for Keras.
            **kwargs: As for Keras. Without `input_signature` the model is served with
                `input_ids`, `attention_mask` and `token_type_ids`, int32, by name.
        """
        if not args[2:]:
            kwargs.setdefault("input_signature", [self.input_signature])
        super().export(filepath, *args, **kwargs)


def check_saved_model(version: int) -> None:
    """Check that a SavedModel can be written, before anything is.

    Raises:
        InputError: Keras runs on another backend than TensorFlow, or `version` is no number.
    """
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            "saved_model=True needs Keras on TensorFlow, not on "
            f"{keras.backend.backend()}; export() writes programs of other backends."
        )
    if isinstance(version, bool) or not isinstance(version, int) or version < 0:
        raise InputError(f"version must be an integer of at least 0, not {version!r}.")


def write_saved_model(
    model: ServedModel, directory: str | os.PathLike[str], version: int, signatures: Any | None
) -> Path:
    """Write a TensorFlow SavedModel into ``saved_model/<version>`` of a checkpoint directory.

    Args:
        model: The model.
        directory: The checkpoint directory.
        version: Number that TensorFlow Serving knows it by.
        signatures: Recorded functions by name, or one. By default `ServedModel.serving` as
            ``serving_default``, with inputs of int32, and as ``int64_serving``.

    Returns:
        The folder of the SavedModel.
    """
    import tensorflow as tf

    if signatures is None:
        signatures = _signatures(model)
    versions = make_directory(Path(directory) / "saved_model")
    target = versions / str(version)
    with tempfile.TemporaryDirectory(prefix=".", dir=versions) as name:
        whole = Path(name) / "whole"
        tf.saved_model.save(model, str(whole), signatures=signatures)
        if target.exists():
            target.rename(Path(name) / "earlier")
        whole.rename(target)
    return target


def _signatures(model: ServedModel) -> dict[str, Any]:
    import tensorflow as tf

    if hasattr(model.serving, "get_concrete_function"):  # recorded by a subclass
        return {"serving_default": model.serving.get_concrete_function()}
    recorded = {}
    for served, dtype in (("serving_default", tf.int32), ("int64_serving", tf.int64)):
        specs = {
            name: tf.TensorSpec(spec.shape, dtype, name=name)
            for name, spec in model.input_signature.items()
        }
        recorded[served] = tf.function(model.serving).get_concrete_function(specs)
    return recorded
