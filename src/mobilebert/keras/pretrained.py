"""`TFMobileBertPreTrainedModel`: what every Keras model of the family can do besides `call`."""

import inspect
import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import keras

from mobilebert.config import MobileBertConfig
from mobilebert.config_rules import check_combination
from mobilebert.errors import ArgumentError
from mobilebert.keras.arguments import named_arguments
from mobilebert.keras.initialization import initialize, leaves_variables_unset
from mobilebert.keras.storage import StoredModel
from mobilebert.keras.training import FittingModel
from mobilebert.reference import PadNeighbor
from mobilebert.weights import WeightSpec, weight_specs

__all__ = ["TFMobileBertPreTrainedModel"]


class TFMobileBertPreTrainedModel(StoredModel, FittingModel):
    """The models' common part: weights, their initialisation, saving, ways of calling.

    Args:
        config: The configuration.
        *inputs: None; refused.
        **kwargs: ``name``, ``dtype`` and other keywords of a Keras model.

    Raises:
        ConfigError: The configuration describes no possible model.
        ArgumentError: `config` is no `MobileBertConfig`.
    """

    config_class: ClassVar[type[MobileBertConfig]] = MobileBertConfig
    base_model_prefix: ClassVar[str] = "mobilebert"
    main_input_name: ClassVar[str] = "input_ids"
    framework: ClassVar[str] = "tf"

    def __init__(self, config: MobileBertConfig, *inputs: Any, **kwargs: Any) -> None:
        if not isinstance(config, MobileBertConfig):
            raise ArgumentError(
                f"{type(self).__name__}(config) needs a MobileBertConfig, not a "
                f"{type(config).__name__}; a checkpoint is loaded with "
                f"{type(self).__name__}.from_pretrained(name_or_path)."
            )
        if inputs:
            raise ArgumentError(
                f"{type(self).__name__} takes a configuration and keywords; there are "
                f"{len(inputs)} positional arguments more."
            )
        check_combination(config)
        # Inputs are cast where they are used: labels and masks keep their own type.
        super().__init__(autocast=False, **kwargs)
        self.config = config
        self.name_or_path = config.name_or_path
        self.newly_initialized_weights: tuple[str, ...] = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the model.

        The inputs may be given by name, in order, as a list or tuple in order, or as a table by
        name (a tokenizer's result), as numpy arrays or tensors.
        """
        return super().__call__(**named_arguments(self._call_names(), args, kwargs))

    @classmethod
    def _call_names(cls) -> tuple[str, ...]:
        return tuple(inspect.signature(cls.call).parameters)[1:]

    @contextmanager
    def _own_dtype(self) -> Iterator[None]:
        """Build sublayers in this model's dtype policy; Keras gives them the global one."""
        outside = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.dtype_policy)
        try:
            yield
        finally:
            keras.config.set_dtype_policy(outside)

    # Weights

    def weight_specs(self) -> tuple[WeightSpec, ...]:
        """List the tensors of this model by canonical name."""
        pooler = self.mobilebert.pooler is not None
        return weight_specs(self.config, self.task, add_pooling_layer=pooler)

    def init_weights(self, names: Collection[str] | None = None) -> None:
        """Give weights their initial values.

        Args:
            names: Canonical names of those to initialise; all by default.
        """
        initialize(self, self.weight_specs(), self.config.initializer_range, names)

    def post_init(self) -> None:
        """Finish construction: initialise what this class added to the encoder."""
        self.built = True
        inner = self.task.prefix
        if inner and not leaves_variables_unset():
            self.init_weights(
                [row.name for row in self.weight_specs() if not row.name.startswith(inner)]
            )

    @property
    def base_model(self) -> Any:
        """The encoder as a layer."""
        return self.mobilebert

    def get_input_embeddings(self) -> Any:
        """Return the word table, a `keras.layers.Embedding`."""
        return self.mobilebert.embeddings.word_embeddings

    def num_parameters(self, only_trainable: bool = False) -> int:
        """Count parameters.

        Args:
            only_trainable: Leave out frozen ones.
        """
        chosen = self.trainable_weights if only_trainable else self.weights
        return sum(int(variable.value.shape.num_elements()) for variable in chosen)

    @property
    def pad_neighbor(self) -> PadNeighbor:
        """What a padding neighbour contributes to the trigram; may be set."""
        choice: PadNeighbor = self.mobilebert.pad_neighbor
        return choice

    @pad_neighbor.setter
    def pad_neighbor(self, value: PadNeighbor | str) -> None:
        self.mobilebert.pad_neighbor = PadNeighbor(value)

    @property
    def dummy_inputs(self) -> dict[str, Any]:
        """A smallest input, for code that records a call."""
        shape = (1, 2, 3) if self.task.choices else (1, 3)
        return {"input_ids": keras.ops.zeros(shape, dtype="int32")}

    # Keras's own saving

    @property
    def input_signature(self) -> dict[str, Any]:
        """What an exported model is served with: ids, mask and types, of any batch and length."""
        shape = (None,) * (3 if self.task.choices else 2)
        return {
            name: keras.InputSpec(shape=shape, dtype="int32", name=name)
            for name in ("input_ids", "attention_mask", "token_type_ids")
        }

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

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` makes this model of."""
        return {
            **super().get_config(),
            "config": self.config.to_json_string(),
            "pad_neighbor": str(self.pad_neighbor),
        }

    @classmethod
    def from_config(
        cls, config: MobileBertConfig | dict[str, Any], custom_objects: Any = None, **kwargs: Any
    ) -> Self:
        """Build a model with new weights.

        Args:
            config: A configuration, or the result of `get_config`.
            custom_objects: Accepted, as Keras passes it.
            **kwargs: Keywords of the constructor.
        """
        if isinstance(config, MobileBertConfig):
            return cls(config, **kwargs)
        keywords: dict[str, Any] = {**config, **kwargs}
        return cls(_configuration(keywords.pop("config")), **keywords)


def _configuration(text: str) -> MobileBertConfig:
    config: MobileBertConfig = MobileBertConfig.from_dict(json.loads(text))
    return config
