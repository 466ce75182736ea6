"""`TFMobileBertPreTrainedModel`: what every Keras model of the family can do besides `call`."""

import inspect
import json
import math
import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from mobilebert.config import MobileBertConfig
from mobilebert.config_rules import check_combination
from mobilebert.errors import ArgumentError, InputError
from mobilebert.keras.arguments import named_arguments
from mobilebert.keras.heads import VocabularyHead
from mobilebert.keras.initialization import (
    freeze_parts,
    initialize,
    leaves_variables_unset,
)
from mobilebert.keras.inputs import head_mask_by_layer
from mobilebert.keras.pruning import prune_attention
from mobilebert.keras.replacement import renew_training, replacing_variables
from mobilebert.keras.resize import put_table, resize_embedding, resize_vocabulary_head
from mobilebert.keras.serving import ServedModel
from mobilebert.keras.storage import StoredModel
from mobilebert.keras.training import FittingModel
from mobilebert.keras.variables import label
from mobilebert.reference import PadNeighbor
from mobilebert.resizing import check_heads, padded_size, set_vocabulary_size
from mobilebert.weights import WeightSpec, weight_specs

__all__ = ["TFMobileBertPreTrainedModel", "configuration_of"]


class TFMobileBertPreTrainedModel(StoredModel, FittingModel, ServedModel):
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
        self.newly_initialized_weights: Sequence[str] = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the model.

        The inputs may be given by name, in order, as a list or tuple in order, or as a table by
        name (a tokenizer's result), as numpy arrays or tensors.
        """
        return super().__call__(**named_arguments(self._call_names(), args, kwargs))

    @classmethod
    def _from_config(cls, config: MobileBertConfig, **kwargs: Any) -> Self:
        """Build a model with new weights; the name generic code of the field uses."""
        return cls.from_config(config, **kwargs)

    @classmethod
    def from_config(
        cls, config: MobileBertConfig | dict[str, Any], custom_objects: Any = None, **kwargs: Any
    ) -> Self:
        """Build a model with new weights.

        Args:
            config: A configuration, its fields (`MobileBertConfig.to_dict`), or the result of
                `get_config`.
            custom_objects: Accepted, as Keras passes it.
            **kwargs: Keywords of the constructor.
        """
        if isinstance(config, MobileBertConfig):
            return cls(config, **kwargs)
        if "config" not in config:
            return cls(MobileBertConfig.from_dict(config), **kwargs)
        keywords: dict[str, Any] = {**config, **kwargs}
        return cls(configuration_of(keywords.pop("config")), **keywords)

    @classmethod
    def _call_names(cls) -> tuple[str, ...]:
        return tuple(inspect.signature(cls.call).parameters)[1:]

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
        label(self, self.weight_specs())
        inner = self.task.prefix
        if inner and not leaves_variables_unset():
            self.init_weights(
                [row.name for row in self.weight_specs() if not row.name.startswith(inner)]
            )
        freeze_parts(self)

    def tie_weights(self) -> None:
        """Do nothing: tied weights are one variable here, at any time."""

    @property
    def base_model(self) -> Any:
        """The encoder as a layer."""
        return self.mobilebert

    def get_input_embeddings(self) -> Any:
        """Return the word table, a `keras.layers.Embedding`."""
        return self.mobilebert.embeddings.word_embeddings

    def set_input_embeddings(self, value: Any) -> None:
        """Put another word table in the place of this one; a tied decoder follows it.

        Args:
            value: A `keras.layers.Embedding`, which becomes the layer, or a table whose numbers
                are taken, [vocab_size, embedding_size].

        Raises:
            InputError: The table has another shape.
        """
        put_table(self.mobilebert.embeddings, self.get_input_embeddings(), value)
        renew_training(self)

    def get_lm_head(self) -> VocabularyHead | None:
        """Return the vocabulary head, or None for models without one."""
        return self.cls.predictions if self.task.vocabulary else None

    def get_output_layer_with_bias(self) -> VocabularyHead | None:
        """Return the vocabulary head; the older name of `get_lm_head`."""
        _warn_of_older_name("get_output_layer_with_bias", "get_lm_head")
        return self.get_lm_head()

    def _vocabulary_head(self, what: str) -> VocabularyHead:
        if (head := self.get_lm_head()) is None:
            raise InputError(f"{type(self).__name__} has no {what}.")
        return head

    def get_output_embeddings(self) -> Any | None:
        """Return the decoder of the vocabulary head, or None for models without one.

        It is a `keras.layers.Embedding`: the word table itself, where both are tied.
        """
        if (head := self.get_lm_head()) is None:
            return None
        return self.get_input_embeddings() if head.decoder is None else head.decoder

    def set_output_embeddings(self, value: Any) -> None:
        """Put another decoder into the vocabulary head.

        Args:
            value: As for `set_input_embeddings`.

        Raises:
            InputError: The model has no vocabulary head, its decoder is the word table, or the
                table has another shape.
        """
        head = self._vocabulary_head("output embeddings")
        if head.decoder is not None:
            put_table(head, head.decoder, value)
            renew_training(self)
        elif value is not self.get_input_embeddings():
            raise InputError(
                "The decoder is the word table: set_input_embeddings() changes both, and a model "
                "with config.tie_word_embeddings=False has a decoder of its own."
            )

    def get_bias(self) -> dict[str, Any] | None:
        """Return the bias of the vocabulary head by its name, or None for models without one."""
        head = self.get_lm_head()
        return None if head is None else {"bias": head.bias}

    def set_bias(self, value: Mapping[str, Any]) -> None:
        """Give the bias of the vocabulary head other numbers.

        Args:
            value: ``{"bias": numbers}``, [vocab_size].

        Raises:
            InputError: The model has no vocabulary head, or it is no such table.
        """
        bias = self._vocabulary_head("vocabulary bias").bias
        if not isinstance(value, Mapping) or set(value) != {"bias"}:
            raise InputError('The bias is given as {"bias": numbers}.')
        if (found := np.shape(value["bias"])) != (self.vocab_size,):
            raise InputError(f"The bias must have the shape ({self.vocab_size},), not {found}.")
        bias.assign(value["bias"])

    def get_prefix_bias_name(self) -> str | None:
        """Return where the bias of the vocabulary head is; the older way to ask for `get_bias`."""
        _warn_of_older_name("get_prefix_bias_name", "get_bias")
        return f"{self.name}/cls/predictions" if self.task.vocabulary else None

    def num_parameters(self, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:
        """Count parameters; shared ones count once.

        Args:
            only_trainable: Leave out frozen ones.
            exclude_embeddings: Leave out the tables of words, positions and segments.
        """
        inputs = self.mobilebert.embeddings
        tables = {
            id(layer.embeddings)
            for layer in (
                inputs.word_embeddings,
                inputs.position_embeddings,
                inputs.token_type_embeddings,
            )
        }
        return sum(
            math.prod(variable.shape)
            for variable in (self.trainable_weights if only_trainable else self.weights)
            if not (exclude_embeddings and id(variable) in tables)
        )

    def build(self, input_shape: Any = None) -> None:
        """Do nothing: a model makes its variables when it is constructed.

        Args:
            input_shape: Accepted, as Keras passes it.
        """

    def build_in_name_scope(self) -> None:
        """Do nothing, as `build`."""

    # Size and shape

    @property
    def vocab_size(self) -> int:
        """Rows of the word table."""
        return int(self.config.vocab_size)

    def resize_token_embeddings(
        self,
        new_num_tokens: int | None = None,
        pad_to_multiple_of: int | None = None,
        mean_resizing: bool = True,
    ) -> Any:
        """Change the vocabulary size: the word table, the vocabulary head, `config.vocab_size`.

        Keras cannot change a variable's shape, so there are new variables. A compiled model stays
        compiled, but its optimizer starts anew; functions you recorded yourself (`tf.function`)
        and models this one is a layer of run on with the old variables: make them again.

        Args:
            new_num_tokens: Rows wanted; rows are added or removed at the end. With None and no
                `pad_to_multiple_of` nothing changes.
            pad_to_multiple_of: Round the number of rows up to a multiple of this.
            mean_resizing: Draw new rows around the mean of the old ones (new words then change no
                answer); otherwise from the initial distribution.

        Returns:
            The word table, a `keras.layers.Embedding`.

        Raises:
            InputError: A number that is not a positive integer, or a quantised or adapted model.
        """
        embedding = self.get_input_embeddings()
        if new_num_tokens is None and pad_to_multiple_of is None:
            return embedding
        size = padded_size(new_num_tokens, embedding.input_dim, pad_to_multiple_of)
        if size == embedding.input_dim:
            return embedding
        std = self.config.initializer_range
        with replacing_variables(self):
            resize_embedding(embedding, size, mean_resizing, std)
            if (head := self.get_lm_head()) is not None:
                resize_vocabulary_head(head, size, mean_resizing, std)
            set_vocabulary_size(self.config, size)
            self.mobilebert.embeddings.pad_token_id = self.config.pad_token_id
        return embedding

    def prune_heads(self, heads_to_prune: Mapping[int, Collection[int]]) -> None:
        """Remove attention heads; `config.pruned_heads` keeps account of them.

        There are new variables, as after `resize_token_embeddings`.

        Args:
            heads_to_prune: Head numbers by layer, ``{0: [1, 2]}``, counted as in the unpruned
                model. A negative layer counts from the end.

        Raises:
            InputError: There is no such layer or head, a layer would lose all heads, or the model
                is quantised or adapted.
        """
        gone = check_heads(self.config, heads_to_prune)
        pruned = {layer: sorted(numbers) for layer, numbers in gone.items()}
        if pruned == self.config.pruned_heads:
            return
        with replacing_variables(self):
            for layer, numbers in gone.items():
                attention = self.mobilebert.encoder.layer[layer].attention
                prune_attention(attention, numbers, self.config.num_attention_heads)
            self.config.pruned_heads = pruned

    # How it runs

    @property
    def pad_neighbor(self) -> PadNeighbor:
        """What a padding neighbour contributes to the trigram; may be set."""
        choice: PadNeighbor = self.mobilebert.pad_neighbor
        return choice

    @pad_neighbor.setter
    def pad_neighbor(self, value: PadNeighbor | str) -> None:
        self.mobilebert.pad_neighbor = PadNeighbor(value)

    @classmethod
    def can_generate(cls) -> bool:
        """Tell that this is no text generator."""
        return False

    def get_head_mask(self, head_mask: Any | None, num_hidden_layers: int) -> list[Any | None]:
        """Spread a head mask, [heads] or [layers, heads], over the layers."""
        return head_mask_by_layer(head_mask, self.config, self.compute_dtype)

    # Keras's own saving

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` makes this model of."""
        return {
            **super().get_config(),
            "config": self.config.to_json_string(),
            "pad_neighbor": str(self.pad_neighbor),
        }


def configuration_of(text: str) -> MobileBertConfig:
    """Return the configuration that `get_config` wrote as JSON text."""
    config: MobileBertConfig = MobileBertConfig.from_dict(json.loads(text))
    return config


def _warn_of_older_name(name: str, newer: str) -> None:
    warnings.warn(f"{name}() is deprecated; use {newer}().", FutureWarning, stacklevel=3)
