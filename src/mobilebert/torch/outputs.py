"""What models return: named tensors that also behave as an ordered dictionary and as a tuple.

Field names and their order are those of transformers' output classes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils._pytree import register_pytree_node

from mobilebert.named_results import NamedResults

__all__ = [
    "OUTPUT_CLASSES",
    "BaseModelOutput",
    "BaseModelOutputWithPooling",
    "MaskedLMOutput",
    "MobileBertForPreTrainingOutput",
    "ModelOutput",
    "MultipleChoiceModelOutput",
    "NextSentencePredictorOutput",
    "QuestionAnsweringModelOutput",
    "SequenceClassifierOutput",
    "TokenClassifierOutput",
]


def _flatten(output: "ModelOutput") -> tuple[list[Any], list[str]]:
    return list(output.values()), list(output.keys())


def _unflatten(cls: type["ModelOutput"], values: Iterable[Any], names: Any) -> "ModelOutput":
    return cls(**dict(zip(names, values, strict=True)))


class ModelOutput(NamedResults):
    """Ordered results of a PyTorch model; see `NamedResults`.

    Subclasses are pytree nodes too, so that torch.export, torch.compile and the parallel wrappers
    of PyTorch see the tensors inside.
    """

    def __init_subclass__(cls) -> None:
        register_pytree_node(
            cls,
            _flatten,
            lambda values, names: _unflatten(cls, values, names),
            serialized_type_name=f"{cls.__module__}.{cls.__qualname__}",
        )


Tensors = tuple[Tensor, ...]


@dataclass
class BaseModelOutput(ModelOutput):
    """Results of an encoder without pooler.

    Attributes:
        last_hidden_state: Hidden states after the last layer, [B, S, H].
        hidden_states: The embeddings and every layer's output, each [B, S, H].
        attentions: Attention probabilities of every layer, each [B, heads, S, S].
    """

    last_hidden_state: Tensor | None = None
    hidden_states: Tensors | None = None
    attentions: Tensors | None = None


@dataclass
class BaseModelOutputWithPooling(ModelOutput):
    """Results of `MobileBertModel`.

    Attributes:
        last_hidden_state: Hidden states after the last layer, [B, S, H].
        pooler_output: The pooled first position, [B, H].
        hidden_states: The embeddings and every layer's output, each [B, S, H].
        attentions: Attention probabilities of every layer, each [B, heads, S, S].
    """

    last_hidden_state: Tensor | None = None
    pooler_output: Tensor | None = None
    hidden_states: Tensors | None = None
    attentions: Tensors | None = None


@dataclass
class MobileBertForPreTrainingOutput(ModelOutput):
    """Results of `MobileBertForPreTraining`.

    Attributes:
        loss: Sum of the losses whose labels were given, a scalar.
        prediction_logits: Scores of the vocabulary, [B, S, V].
        seq_relationship_logits: Scores of "continues" and "random", [B, 2].
        hidden_states: The embeddings and every layer's output, each [B, S, H].
        attentions: Attention probabilities of every layer, each [B, heads, S, S].
    """

    loss: Tensor | None = None
    prediction_logits: Tensor | None = None
    seq_relationship_logits: Tensor | None = None
    hidden_states: Tensors | None = None
    attentions: Tensors | None = None


@dataclass
class MaskedLMOutput(ModelOutput):
    """Results of `MobileBertForMaskedLM`.

    Attributes:
        loss: Cross-entropy over the labelled positions, a scalar.
        logits: Scores of the vocabulary, [B, S, V].
        hidden_states: The embeddings and every layer's output, each [B, S, H].
        attentions: Attention probabilities of every layer, each [B, heads, S, S].
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    hidden_states: Tensors | None = None
    attentions: Tensors | None = None


@dataclass
class NextSentencePredictorOutput(ModelOutput):
    """Results of `MobileBertForNextSentencePrediction`.

    Attributes:
        loss: Cross-entropy, a scalar.
        logits: Scores of "continues" and "random", [B, 2].
        hidden_states: The embeddings and every layer's output, each [B, S, H].
        attentions: Attention probabilities of every layer, each [B, heads, S, S].
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    hidden_states: Tensors | None = None
    attentions: Tensors | None = None


@dataclass
class SequenceClassifierOutput(ModelOutput):
    """Results of `MobileBertForSequenceClassification`.

    Attributes:
        loss: Classification or regression loss, a scalar.
        logits: Scores of the labels, [B, num_labels].
        hidden_states: The embeddings and every layer's output, each [B, S, H].
        attentions: Attention probabilities of every layer, each [B, heads, S, S].
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    hidden_states: Tensors | None = None
    attentions: Tensors | None = None


@dataclass
class QuestionAnsweringModelOutput(ModelOutput):
    """Results of `MobileBertForQuestionAnswering`.

    Attributes:
        loss: Mean of the cross-entropies of start and end, a scalar.
        start_logits: Scores of each position as the answer's start, [B, S].
        end_logits: Scores of each position as the answer's last token, [B, S].
        hidden_states: The embeddings and every layer's output, each [B, S, H].
        attentions: Attention probabilities of every layer, each [B, heads, S, S].
    """

    loss: Tensor | None = None
    start_logits: Tensor | None = None
    end_logits: Tensor | None = None
    hidden_states: Tensors | None = None
    attentions: Tensors | None = None


@dataclass
class MultipleChoiceModelOutput(ModelOutput):
    """Results of `MobileBertForMultipleChoice`.

    Attributes:
        loss: Cross-entropy, a scalar.
        logits: Scores of the choices, [B, C].
        hidden_states: The embeddings and every layer's output, each [B * C, S, H].
        attentions: Attention probabilities of every layer, each [B * C, heads, S, S].
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    hidden_states: Tensors | None = None
    attentions: Tensors | None = None


@dataclass
class TokenClassifierOutput(ModelOutput):
    """Results of `MobileBertForTokenClassification`.

    Attributes:
        loss: Cross-entropy over the labelled positions, a scalar.
        logits: Scores of the labels, [B, S, num_labels].
        hidden_states: The embeddings and every layer's output, each [B, S, H].
        attentions: Attention probabilities of every layer, each [B, heads, S, S].
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    hidden_states: Tensors | None = None
    attentions: Tensors | None = None


# The task table names outputs by class name.
OUTPUT_CLASSES: dict[str, type[ModelOutput]] = {
    cls.__name__: cls
    for cls in (
        BaseModelOutputWithPooling,
        MobileBertForPreTrainingOutput,
        MaskedLMOutput,
        NextSentencePredictorOutput,
        SequenceClassifierOutput,
        QuestionAnsweringModelOutput,
        MultipleChoiceModelOutput,
        TokenClassifierOutput,
    )
}
