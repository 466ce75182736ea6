"""What models return: named tensors that also behave as an ordered dictionary and as a tuple.

Field names and their order are those of transformers' output classes.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, NoReturn

from torch import Tensor
from torch.utils._pytree import register_pytree_node

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


class ModelOutput(OrderedDict[str, Any]):
    """Ordered results of a model.

    A result is reached as attribute (``output.logits``), by key (``output["logits"]``) or by
    position among the results that are there (``output[0]``, ``output[:2]``). An absent result is
    None as an attribute and does not exist as key or position. Unpacking iterates over the keys;
    for tuples there is `to_tuple`.

    Subclasses are dataclasses whose fields name the results. They are pytree nodes, so that
    torch.export, torch.compile and the parallel wrappers of PyTorch see the tensors inside.
    """

    def __init_subclass__(cls) -> None:
        register_pytree_node(
            cls,
            _flatten,
            lambda values, names: _unflatten(cls, values, names),
            serialized_type_name=f"{cls.__module__}.{cls.__qualname__}",
        )

    def __post_init__(self) -> None:
        # Subclasses are dataclasses, which mypy does not know here. torch.compile does not follow
        # `fields` into a function of its own.
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]
        first = getattr(self, names[0])
        alone = all(getattr(self, name) is None for name in names[1:])
        if alone and first is not None and not isinstance(first, Tensor):
            # A mapping or (name, value) pairs: torch.nn.DataParallel and accelerate rebuild
            # dictionaries that way.
            pairs = _pairs(first)
            if pairs is not None:
                setattr(self, names[0], None)
                for name, value in pairs:
                    if name not in names:
                        raise KeyError(f"{type(self).__name__} has no result named {name!r}")
                    setattr(self, name, value)
        for name in names:
            value = getattr(self, name)
            if value is not None:
                OrderedDict.__setitem__(self, name, value)

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        super().__setattr__(name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        if value is not None and name in self:
            super().__setitem__(name, value)
        super().__setattr__(name, value)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return super().__getitem__(key)
        return self.to_tuple()[key]

    def to_tuple(self) -> tuple[Any, ...]:
        """Return the results that are there, in order."""
        return tuple(self.values())

    def __reduce__(self) -> Any:
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]  # as above
        return type(self), tuple(getattr(self, name) for name in names)

    def _refuse(self, method: str) -> NoReturn:
        raise TypeError(f"{method} would change which results a {type(self).__name__} has.")

    def __delitem__(self, name: str) -> None:
        self._refuse("del")

    def pop(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: the set of results is fixed."""
        self._refuse("pop")

    def update(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: the set of results is fixed."""
        self._refuse("update")

    def setdefault(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: the set of results is fixed."""
        self._refuse("setdefault")


def _pairs(value: Any) -> list[tuple[str, Any]] | None:
    """Return `value` as (name, value) pairs if it is a mapping or holds such pairs."""
    if isinstance(value, Mapping):
        return list(value.items())
    if not isinstance(value, Iterable):
        return None
    items = list(value)
    if items and all(
        isinstance(item, (tuple, list)) and len(item) == 2 and isinstance(item[0], str)
        for item in items
    ):
        return [(item[0], item[1]) for item in items]
    return None


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
