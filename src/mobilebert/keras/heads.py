"""What stands on the encoder: pooler, vocabulary head, and heads built from the task table.

Dimensions: B batch, S sequence, E embedding_size, H hidden_size, V vocabulary.
"""

from typing import Any

import keras
from keras import ops

from mobilebert.config import MobileBertConfig
from mobilebert.errors import ConfigError
from mobilebert.keras.activations import keras_activation
from mobilebert.keras.embeddings import table
from mobilebert.keras.norms import dense, layer_norm
from mobilebert.tasks import TaskSpec

__all__ = ["Pooler", "VocabularyHead", "add_heads"]


class Pooler(keras.layers.Layer):
    """The first position, as it is or through a dense layer and tanh.

    Published MobileBERT checkpoints have `classifier_activation=False`, the raw first position.

    Args:
        config: The configuration.
    """

    def __init__(self, config: MobileBertConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.dense = dense(width, width) if config.classifier_activation else None
        self.built = True

    def call(self, hidden_states: Any) -> Any:
        """[B, S, H] -> [B, H]."""
        first = hidden_states[:, 0]
        return first if self.dense is None else ops.tanh(self.dense(first))


class VocabularyTransform(keras.layers.Layer):
    """Dense layer, activation and layer normalisation before the vocabulary.

    The norm is a true layer normalisation in no_norm models too.

    Args:
        config: The configuration.
    """

    def __init__(self, config: MobileBertConfig) -> None:
        super().__init__()
        self.dense = dense(config.hidden_size, config.hidden_size)
        self.transform_act_fn = keras_activation(config.hidden_act)
        self.LayerNorm = layer_norm(config.hidden_size, config.layer_norm_eps)
        self.built = True

    def call(self, hidden_states: Any) -> Any:
        """[..., H] -> [..., H]."""
        return self.LayerNorm(self.transform_act_fn(self.dense(hidden_states)))


class VocabularyExtension(keras.layers.Layer):
    """The columns that widen the word table's rows to H; a matrix alone, without bias.

    Args:
        width: H - E.
        rows: Size of the vocabulary.
    """

    def __init__(self, width: int, rows: int) -> None:
        super().__init__()
        # Without numbers it is in no graph; optimizers would warn of its gradient.
        self.weight = self.add_weight(
            shape=(width, rows), initializer="zeros", trainable=width > 0, name="weight"
        )
        self.built = True

    def call(self, x: Any) -> Any:
        """[..., H - E] -> [..., V]."""
        return ops.matmul(x, self.weight)


class VocabularyHead(keras.layers.Layer):
    """The masked-language-model head.

    A word's output row is its row of the word table (E wide) followed by a column of `dense`
    (H - E wide). The two halves are multiplied one after the other, so the joint (V, H) matrix,
    62 MB in the published model, never exists. The word table is the embeddings' own variable,
    unless `tie_word_embeddings` is false.

    Args:
        config: The configuration.

    Raises:
        ConfigError: The word table is wider than the hidden states.
    """

    def __init__(self, config: MobileBertConfig) -> None:
        super().__init__()
        v, h, e = config.vocab_size, config.hidden_size, config.embedding_size
        if e > h:
            raise ConfigError(
                "The masked-language-model head needs embedding_size <= hidden_size, "
                f"not {e} > {h}."
            )
        self.words_width = e
        self.extends = h > e
        self.bias = self.add_weight(shape=(v,), initializer="zeros", name="bias")
        self.transform = VocabularyTransform(config)
        self.dense = VocabularyExtension(h - e, v)
        self.decoder = None if config.tie_word_embeddings else table(v, e)
        self.built = True

    def call(self, hidden_states: Any, word_table: Any) -> Any:
        """Score the vocabulary.

        Args:
            hidden_states: Any number of positions, [..., H].
            word_table: The word embeddings, [V, E]; not read by an untied head.

        Returns:
            The scores, [..., V].
        """
        x = self.transform(hidden_states)
        words = word_table if self.decoder is None else self.decoder.embeddings
        words = ops.transpose(ops.cast(words, self.compute_dtype))
        scores = ops.matmul(x[..., : self.words_width], words) + self.bias
        if self.extends:
            scores = scores + self.dense(x[..., self.words_width :])
        return scores


class Container(keras.layers.Layer):
    """Holds layers under one part of a checkpoint's name, such as `cls`; it is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.built = True


def add_heads(model: Any, task: TaskSpec, config: MobileBertConfig) -> None:
    """Build the heads of a task as sublayers under their checkpoint names.

    Args:
        model: The model that gets them.
        task: Its row of the task table.
        config: The configuration.
    """
    if task.vocabulary:
        _attach(model, "cls.predictions", VocabularyHead(config))
    projection = task.projection
    if projection is None:
        return
    width = config.num_labels if projection.width == "num_labels" else projection.width
    _attach(model, projection.name, dense(config.hidden_size, width))


def _attach(model: Any, name: str, layer: Any) -> None:
    """Set a sublayer under a dotted name; the layers on the way are containers."""
    *path, last = name.split(".")
    for part in path:
        if not hasattr(model, part):
            setattr(model, part, Container())
        model = getattr(model, part)
    setattr(model, last, layer)
