"""What models return: named tensors that also behave as an ordered dictionary and as a tuple.

Field names and their order are those of transformers' TensorFlow output classes.
"""

from dataclasses import dataclass
from typing import Any

import keras
import optree

from mobilebert.named_results import NamedResults

__all__ = [
    "OUTPUT_CLASSES",
    "TFBaseModelOutput",
    "TFBaseModelOutputWithPooling",
    "TFMaskedLMOutput",
    "TFMobileBertForPreTrainingOutput",
    "TFModelOutput",
    "TFMultipleChoiceModelOutput",
    "TFNextSentencePredictorOutput",
    "TFQuestionAnsweringModelOutput",
    "TFSequenceClassifierOutput",
    "TFTokenClassifierOutput",
]


def _flattened(output: Any) -> tuple[tuple[Any, ...], tuple[str, ...], tuple[str, ...]]:
    return output.to_tuple(), tuple(output), tuple(output)


def _rebuilt(cls: type[NamedResults], names: Any, values: Any) -> Any:
    return cls(**dict(zip(names, values, strict=True)))


class TFModelOutput(NamedResults):
    """Ordered results of a Keras model; see `NamedResults`.

    Subclasses are nodes of Keras's trees too, so that models can be layers of other models, and
    of JAX's, so that compiled functions can return them.
    """

    def __init_subclass__(cls) -> None:
        def rebuilt(names: Any, values: Any) -> Any:
            return _rebuilt(cls, names, values)

        optree.register_pytree_node(cls, _flattened, rebuilt, namespace="keras")
        if keras.backend.backend() == "jax":
            import jax

            jax.tree_util.register_pytree_node(cls, lambda x: _flattened(x)[:2], rebuilt)


Tensors = tuple[Any, ...]


@dataclass
class TFBaseModelOutput(TFModelOutput):
    """Results of an encoder without pooler.

    Attributes:
        last_hidden_state: Hidden states after the last layer, [B, S, H].
        hidden_states: The embeddings and every layer's output, each [B, S, H].
        attentions: Attention probabilities of every layer, each [B, heads, S, S].
    """

    last_hidden_state: Any | None = None
    hidden_states: Tensors | None = None
    attentions: Tensors | None = None


@dataclass
class TFBaseModelOutputWithPooling(TFModelOutput):
    """Results of `TFMobileBertModel`.

    Attributes:
        last_hidden_state: Hidden states after the last layer, [B, S, H].
        pooler_output: The pooled first position, [B, H].
        hidden_states: The embeddings and every layer's output, each [B, S, H].
        attentions: Attention probabilities of every layer, each [B, heads, S, S].
    """

    last_hidden_state: Any | None = None
    pooler_output: Any | None = None
    hidden_states: Tensors | None = None
    attentions: Tensors | None = None


@dataclass
class TFMobileBertForPreTrainingOutput(TFModelOutput):
    """Results of `TFMobileBertForPreTraining`.

    Attributes:
        loss: Sum of the losses whose labels were given, a scalar.
        prediction_logits: Scores of the vocabulary, [B, S, V].
        seq_relationship_logits: Scores of "continues" and "random", [B, 2].
        hidden_states: The embeddings and every layer's output, each [B, S, H].
        attentions: Attention probabilities of every layer, each [B, heads, S, S].
    """

    loss: Any | None = None
    prediction_logits: Any | None = None
    seq_relationship_logits: Any | None = None
    hidden_states: Tensors | None = None
    attentions: Tensors | None = None


@dataclass
class TFMaskedLMOutput(TFModelOutput):
    """Results of `TFMobileBertForMaskedLM`.

    Attributes:
        loss: Cross-entropy over the labelled positions, a scalar.
        logits: Scores of the vocabulary, [B, S, V].
        hidden_states: The embeddings and every layer's output, each [B, S, H].
        attentions: Attention probabilities of every layer, each [B, heads, S, S].
    """

    loss: Any | None = None
    logits: Any | None = None
    hidden_states: Tensors | None = None
    attentions: Tensors | None = None


@dataclass
class TFNextSentencePredictorOutput(TFModelOutput):
    """Results of `TFMobileBertForNextSentencePrediction`.

    Attributes:
        loss: Cross-entropy, a scalar.
        logits: Scores of "continues" and "random", [B, 2].
        hidden_states: The embeddings and every layer's output, each [B, S, H].
        attentions: Attention probabilities of every layer, each [B, heads, S, S].
    """

    loss: Any | None = None
    logits: Any | None = None
    hidden_states: Tensors | None = None
    attentions: Tensors | None = None


@dataclass
class TFSequenceClassifierOutput(TFModelOutput):
    """Results of `TFMobileBertForSequenceClassification`.

    Attributes:
        loss: Classification or regression loss, a scalar.
        logits: Scores of the labels, [B, num_labels].
        hidden_states: The embeddings and every layer's output, each [B, S, H].
        attentions: Attention probabilities of every layer, each [B, heads, S, S].
    """

    loss: Any | None = None
    logits: Any | None = None
    hidden_states: Tensors | None = None
    attentions: Tensors | None = None


@dataclass
class TFQuestionAnsweringModelOutput(TFModelOutput):
    """Results of `TFMobileBertForQuestionAnswering`.

    Attributes:
        loss: Mean of the cross-entropies of start and end, a scalar.
        start_logits: Scores of each position as the answer's start, [B, S].
        end_logits: Scores of each position as the answer's last token, [B, S].
        hidden_states: The embeddings and every layer's output, each [B, S, H].
        attentions: Attention probabilities of every layer, each [B, heads, S, S].
    """

    loss: Any | None = None
    start_logits: Any | None = None
    end_logits: Any | None = None
    hidden_states: Tensors | None = None
    attentions: Tensors | None = None


@dataclass
class TFMultipleChoiceModelOutput(TFModelOutput):
    """Results of `TFMobileBertForMultipleChoice`.

    Attributes:
        loss: Cross-entropy, a scalar.
        logits: Scores of the choices, [B, C].
        hidden_states: The embeddings and every layer's output, each [B * C, S, H].
        attentions: Attention probabilities of every layer, each [B * C, heads, S, S].
    """

    loss: Any | None = None
    logits: Any | None = None
    hidden_states: Tensors | None = None
    attentions: Tensors | None = None


@dataclass
class TFTokenClassifierOutput(TFModelOutput):
    """Results of `TFMobileBertForTokenClassification`.

    Attributes:
        loss: Cross-entropy over the labelled positions, a scalar.
        logits: Scores of the labels, [B, S, num_labels].
        hidden_states: The embeddings and every layer's output, each [B, S, H].
        attentions: Attention probabilities of every layer, each [B, heads, S, S].
    """

    loss: Any | None = None
    logits: Any | None = None
    hidden_states: Tensors | None = None
    attentions: Tensors | None = None


# The task table names outputs by the class name of PyTorch.
OUTPUT_CLASSES: dict[str, type[TFModelOutput]] = {
    cls.__name__.removeprefix("TF"): cls
    for cls in (
        TFBaseModelOutputWithPooling,
        TFMobileBertForPreTrainingOutput,
        TFMaskedLMOutput,
        TFNextSentencePredictorOutput,
        TFSequenceClassifierOutput,
        TFQuestionAnsweringModelOutput,
        TFMultipleChoiceModelOutput,
        TFTokenClassifierOutput,
    )
}
