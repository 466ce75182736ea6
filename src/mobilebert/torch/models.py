"""The seven models with a head: each names its row of the task table and its documented inputs.

What they have in common, and so their whole arithmetic, is in `TaskModel`.
"""

import warnings
from typing import Any, ClassVar

from torch import Tensor

from mobilebert.errors import ArgumentError
from mobilebert.reference import PadNeighbor
from mobilebert.tasks import TASKS
from mobilebert.torch.encoder import MobileBertModel
from mobilebert.torch.outputs import (
    MaskedLMOutput,
    MobileBertForPreTrainingOutput,
    MultipleChoiceModelOutput,
    NextSentencePredictorOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)
from mobilebert.torch.pretrained import MobileBertPreTrainedModel
from mobilebert.torch.signatures import documents_inputs
from mobilebert.torch.task_model import TaskModel

__all__ = [
    "MODEL_CLASSES",
    "MobileBertForMaskedLM",
    "MobileBertForMultipleChoice",
    "MobileBertForNextSentencePrediction",
    "MobileBertForPreTraining",
    "MobileBertForQuestionAnswering",
    "MobileBertForSequenceClassification",
    "MobileBertForTokenClassification",
]


class MobileBertForPreTraining(TaskModel[MobileBertForPreTrainingOutput]):
    """MobileBERT with the two heads of pre-training.

    Args:
        config: The configuration.
        pad_neighbor: What a padding neighbour contributes to the trigram; see `MobileBertModel`.
    """

    task = TASKS["pretraining"]
    _tied_weights_keys: ClassVar[list[str] | None] = [
        "cls.predictions.decoder.weight",
        "cls.predictions.decoder.bias",
    ]

    @documents_inputs
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        next_sentence_label: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        *,
        pad_neighbor: PadNeighbor | str | None = None,
    ) -> MobileBertForPreTrainingOutput | tuple[Any, ...]:
        """Score the vocabulary at every position, and whether the second text continues the first.

        {inputs}

        Returns:
            The scores, and the sum of the losses whose labels are given; without
            `return_dict` a tuple of what is there.
        """
        return self._run(
            (input_ids, attention_mask, token_type_ids, position_ids, head_mask, inputs_embeds),
            (
                labels,
                next_sentence_label,
            ),
            (output_hidden_states, output_attentions, return_dict, pad_neighbor),
        )


class MobileBertForMaskedLM(TaskModel[MaskedLMOutput]):
    """MobileBERT with the masked-language-model head.

    Args:
        config: The configuration.
        pad_neighbor: What a padding neighbour contributes to the trigram; see `MobileBertModel`.
    """

    task = TASKS["masked_lm"]
    _tied_weights_keys: ClassVar[list[str] | None] = [
        "cls.predictions.decoder.weight",
        "cls.predictions.decoder.bias",
    ]

    @documents_inputs
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        *,
        pad_neighbor: PadNeighbor | str | None = None,
    ) -> MaskedLMOutput | tuple[Any, ...]:
        """Score the vocabulary at every position.

        {inputs}

        Returns:
            The scores, and with `labels` ([B, S]; -100 does not count) the loss; without
            `return_dict` a tuple of what is there.
        """
        return self._run(
            (input_ids, attention_mask, token_type_ids, position_ids, head_mask, inputs_embeds),
            (labels,),
            (output_hidden_states, output_attentions, return_dict, pad_neighbor),
        )


class MobileBertForNextSentencePrediction(TaskModel[NextSentencePredictorOutput]):
    """MobileBERT that tells whether one text continues another.

    Args:
        config: The configuration.
        pad_neighbor: What a padding neighbour contributes to the trigram; see `MobileBertModel`.
    """

    task = TASKS["next_sentence_prediction"]

    @documents_inputs
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        *,
        pad_neighbor: PadNeighbor | str | None = None,
        **kwargs: Any,
    ) -> NextSentencePredictorOutput | tuple[Any, ...]:
        """Score whether the second text continues the first.

        {inputs}

        Returns:
            The scores, and with `labels` ([B]; 0 continues, 1 is random) the loss; without
            `return_dict` a tuple of what is there.
        """
        if "next_sentence_label" in kwargs:
            warnings.warn(
                "The `next_sentence_label` argument is deprecated; use `labels`.",
                FutureWarning,
                stacklevel=2,
            )
            labels = kwargs.pop("next_sentence_label")
        if kwargs:
            raise ArgumentError(f"forward() got unknown keywords: {', '.join(sorted(kwargs))}.")
        return self._run(
            (input_ids, attention_mask, token_type_ids, position_ids, head_mask, inputs_embeds),
            (labels,),
            (output_hidden_states, output_attentions, return_dict, pad_neighbor),
        )


class MobileBertForSequenceClassification(TaskModel[SequenceClassifierOutput]):
    """MobileBERT with a classifier (or regression) on the pooled output.

    Args:
        config: The configuration.
        pad_neighbor: What a padding neighbour contributes to the trigram; see `MobileBertModel`.
    """

    task = TASKS["sequence_classification"]

    @documents_inputs
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        *,
        pad_neighbor: PadNeighbor | str | None = None,
    ) -> SequenceClassifierOutput | tuple[Any, ...]:
        """Score the labels of each sequence.

        {inputs}

        Returns:
            The scores, and with `labels` ([B], or [B, num_labels] numbers) the loss; without
            `return_dict` a tuple of what is there.
        """
        return self._run(
            (input_ids, attention_mask, token_type_ids, position_ids, head_mask, inputs_embeds),
            (labels,),
            (output_hidden_states, output_attentions, return_dict, pad_neighbor),
        )


class MobileBertForQuestionAnswering(TaskModel[QuestionAnsweringModelOutput]):
    """MobileBERT that marks the span of an answer.

    Args:
        config: The configuration.
        pad_neighbor: What a padding neighbour contributes to the trigram; see `MobileBertModel`.
    """

    task = TASKS["question_answering"]

    @documents_inputs
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        *,
        pad_neighbor: PadNeighbor | str | None = None,
    ) -> QuestionAnsweringModelOutput | tuple[Any, ...]:
        """Score every position as start and as end of the answer.

        {inputs}

        Returns:
            The scores, and with both label arguments the loss; without
            `return_dict` a tuple of what is there.
        """
        return self._run(
            (input_ids, attention_mask, token_type_ids, position_ids, head_mask, inputs_embeds),
            (
                start_positions,
                end_positions,
            ),
            (output_hidden_states, output_attentions, return_dict, pad_neighbor),
        )


class MobileBertForMultipleChoice(TaskModel[MultipleChoiceModelOutput]):
    """MobileBERT that chooses one of several continuations.

    Args:
        config: The configuration.
        pad_neighbor: What a padding neighbour contributes to the trigram; see `MobileBertModel`.
    """

    task = TASKS["multiple_choice"]

    @documents_inputs
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        *,
        pad_neighbor: PadNeighbor | str | None = None,
    ) -> MultipleChoiceModelOutput | tuple[Any, ...]:
        """Score the choices.

        {inputs}

        Returns:
            The scores, and with `labels` ([B]) the loss; without
            `return_dict` a tuple of what is there.
        """
        return self._run(
            (input_ids, attention_mask, token_type_ids, position_ids, head_mask, inputs_embeds),
            (labels,),
            (output_hidden_states, output_attentions, return_dict, pad_neighbor),
        )


class MobileBertForTokenClassification(TaskModel[TokenClassifierOutput]):
    """MobileBERT with a classifier at every position.

    Args:
        config: The configuration.
        pad_neighbor: What a padding neighbour contributes to the trigram; see `MobileBertModel`.
    """

    task = TASKS["token_classification"]

    @documents_inputs
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        *,
        pad_neighbor: PadNeighbor | str | None = None,
    ) -> TokenClassifierOutput | tuple[Any, ...]:
        """Score the labels of each token.

        {inputs}

        Returns:
            The scores, and with `labels` ([B, S]; -100 does not count) the loss; without
            `return_dict` a tuple of what is there.
        """
        return self._run(
            (input_ids, attention_mask, token_type_ids, position_ids, head_mask, inputs_embeds),
            (labels,),
            (output_hidden_states, output_attentions, return_dict, pad_neighbor),
        )


# Every model by its task's name.
MODEL_CLASSES: dict[str, type[MobileBertPreTrainedModel]] = {
    cls.task.name: cls
    for cls in (
        MobileBertModel,
        MobileBertForPreTraining,
        MobileBertForMaskedLM,
        MobileBertForNextSentencePrediction,
        MobileBertForSequenceClassification,
        MobileBertForQuestionAnswering,
        MobileBertForMultipleChoice,
        MobileBertForTokenClassification,
    )
}
