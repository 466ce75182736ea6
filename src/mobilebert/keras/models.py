"""The seven models with a head: each names its row of the task table and its documented inputs.

What they have in common, and so their whole arithmetic, is in `TaskModel`. As in transformers'
TensorFlow classes, labels come after `return_dict` and attentions before hidden states.
"""

from typing import Any, ClassVar

import keras

from mobilebert.errors import ArgumentError
from mobilebert.keras.arguments import in_any_form
from mobilebert.keras.encoder import TFMobileBertMainLayer, TFMobileBertModel
from mobilebert.keras.losses import ignoring_negative
from mobilebert.keras.pretrained import TFMobileBertPreTrainedModel
from mobilebert.keras.signatures import documents_inputs
from mobilebert.keras.task_model import TaskModel
from mobilebert.reference import PadNeighbor
from mobilebert.tasks import TASKS

__all__ = [
    "MODEL_CLASSES",
    "TFMobileBertForMaskedLM",
    "TFMobileBertForMultipleChoice",
    "TFMobileBertForNextSentencePrediction",
    "TFMobileBertForPreTraining",
    "TFMobileBertForQuestionAnswering",
    "TFMobileBertForSequenceClassification",
    "TFMobileBertForTokenClassification",
]


class TFMobileBertForPreTraining(TaskModel):
    """MobileBERT with the two heads of pre-training.

    Args:
        config: The configuration.
        *inputs: None; refused.
        pad_neighbor: What a padding neighbour contributes to the trigram; see
            `TFMobileBertMainLayer`.
        **kwargs: ``name``, ``dtype`` and other keywords of a Keras model.
    """

    task = TASKS["pretraining"]

    @in_any_form
    @documents_inputs
    def call(
        self,
        input_ids: Any | None = None,
        attention_mask: Any | None = None,
        token_type_ids: Any | None = None,
        position_ids: Any | None = None,
        head_mask: Any | None = None,
        inputs_embeds: Any | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        labels: Any | None = None,
        next_sentence_label: Any | None = None,
        training: bool = False,
        *,
        pad_neighbor: PadNeighbor | str | None = None,
    ) -> Any:
        """Score the vocabulary at every position, and whether the second text continues the first.

        {inputs}

        Returns:
            The scores, and the sum of the losses whose labels are given; without
            `return_dict` a tuple of what is there.
        """
        return self._run(
            (input_ids, attention_mask, token_type_ids, position_ids, head_mask, inputs_embeds),
            (labels, next_sentence_label),
            (output_attentions, output_hidden_states, return_dict, pad_neighbor),
            training,
        )


class TFMobileBertForMaskedLM(TaskModel):
    """MobileBERT with the masked-language-model head.

    Args:
        config: The configuration.
        *inputs: None; refused.
        pad_neighbor: What a padding neighbour contributes to the trigram; see
            `TFMobileBertMainLayer`.
        **kwargs: ``name``, ``dtype`` and other keywords of a Keras model.
    """

    task = TASKS["masked_lm"]

    @in_any_form
    @documents_inputs
    def call(
        self,
        input_ids: Any | None = None,
        attention_mask: Any | None = None,
        token_type_ids: Any | None = None,
        position_ids: Any | None = None,
        head_mask: Any | None = None,
        inputs_embeds: Any | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        labels: Any | None = None,
        training: bool = False,
        *,
        pad_neighbor: PadNeighbor | str | None = None,
    ) -> Any:
        """Score the vocabulary at every position.

        {inputs}

        Returns:
            The scores, and with `labels` ([B, S]; -100 does not count) the loss; without
            `return_dict` a tuple of what is there.
        """
        return self._run(
            (input_ids, attention_mask, token_type_ids, position_ids, head_mask, inputs_embeds),
            (labels,),
            (output_attentions, output_hidden_states, return_dict, pad_neighbor),
            training,
        )


class TFMobileBertForNextSentencePrediction(TaskModel):
    """MobileBERT that tells whether one text continues another.

    Args:
        config: The configuration.
        *inputs: None; refused.
        pad_neighbor: What a padding neighbour contributes to the trigram; see
            `TFMobileBertMainLayer`.
        **kwargs: ``name``, ``dtype`` and other keywords of a Keras model.
    """

    task = TASKS["next_sentence_prediction"]
    label_aliases: ClassVar[dict[str, str]] = {"labels": "next_sentence_label"}

    @in_any_form
    @documents_inputs
    def call(
        self,
        input_ids: Any | None = None,
        attention_mask: Any | None = None,
        token_type_ids: Any | None = None,
        position_ids: Any | None = None,
        head_mask: Any | None = None,
        inputs_embeds: Any | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        next_sentence_label: Any | None = None,
        training: bool = False,
        *,
        labels: Any | None = None,
        pad_neighbor: PadNeighbor | str | None = None,
    ) -> Any:
        """Score whether the second text continues the first.

        {inputs}

        Returns:
            The scores, and with labels ([B]; 0 continues, 1 is random) the loss; without
            `return_dict` a tuple of what is there.
        """
        if labels is not None and next_sentence_label is not None:
            raise ArgumentError("labels and next_sentence_label are the same; give one.")
        labels = next_sentence_label if labels is None else labels
        return self._run(
            (input_ids, attention_mask, token_type_ids, position_ids, head_mask, inputs_embeds),
            (labels,),
            (output_attentions, output_hidden_states, return_dict, pad_neighbor),
            training,
        )


class TFMobileBertForSequenceClassification(TaskModel):
    """MobileBERT with a classifier (or regression) on the pooled output.

    Args:
        config: The configuration.
        *inputs: None; refused.
        pad_neighbor: What a padding neighbour contributes to the trigram; see
            `TFMobileBertMainLayer`.
        **kwargs: ``name``, ``dtype`` and other keywords of a Keras model.
    """

    task = TASKS["sequence_classification"]

    @in_any_form
    @documents_inputs
    def call(
        self,
        input_ids: Any | None = None,
        attention_mask: Any | None = None,
        token_type_ids: Any | None = None,
        position_ids: Any | None = None,
        head_mask: Any | None = None,
        inputs_embeds: Any | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        labels: Any | None = None,
        training: bool = False,
        *,
        pad_neighbor: PadNeighbor | str | None = None,
    ) -> Any:
        """Score the labels of each sequence.

        {inputs}

        Returns:
            The scores, and with `labels` ([B], or [B, num_labels] numbers) the loss; without
            `return_dict` a tuple of what is there.
        """
        return self._run(
            (input_ids, attention_mask, token_type_ids, position_ids, head_mask, inputs_embeds),
            (labels,),
            (output_attentions, output_hidden_states, return_dict, pad_neighbor),
            training,
        )


class TFMobileBertForQuestionAnswering(TaskModel):
    """MobileBERT that marks the span of an answer.

    Args:
        config: The configuration.
        *inputs: None; refused.
        pad_neighbor: What a padding neighbour contributes to the trigram; see
            `TFMobileBertMainLayer`.
        **kwargs: ``name``, ``dtype`` and other keywords of a Keras model.
    """

    task = TASKS["question_answering"]

    @in_any_form
    @documents_inputs
    def call(
        self,
        input_ids: Any | None = None,
        attention_mask: Any | None = None,
        token_type_ids: Any | None = None,
        position_ids: Any | None = None,
        head_mask: Any | None = None,
        inputs_embeds: Any | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        start_positions: Any | None = None,
        end_positions: Any | None = None,
        training: bool = False,
        *,
        pad_neighbor: PadNeighbor | str | None = None,
    ) -> Any:
        """Score every position as start and as end of the answer.

        {inputs}

        Returns:
            The scores, and with both label arguments the loss; without
            `return_dict` a tuple of what is there.
        """
        return self._run(
            (input_ids, attention_mask, token_type_ids, position_ids, head_mask, inputs_embeds),
            (start_positions, end_positions),
            (output_attentions, output_hidden_states, return_dict, pad_neighbor),
            training,
        )


class TFMobileBertForMultipleChoice(TaskModel):
    """MobileBERT that chooses one of several continuations.

    Args:
        config: The configuration.
        *inputs: None; refused.
        pad_neighbor: What a padding neighbour contributes to the trigram; see
            `TFMobileBertMainLayer`.
        **kwargs: ``name``, ``dtype`` and other keywords of a Keras model.
    """

    task = TASKS["multiple_choice"]

    @in_any_form
    @documents_inputs
    def call(
        self,
        input_ids: Any | None = None,
        attention_mask: Any | None = None,
        token_type_ids: Any | None = None,
        position_ids: Any | None = None,
        head_mask: Any | None = None,
        inputs_embeds: Any | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        labels: Any | None = None,
        training: bool = False,
        *,
        pad_neighbor: PadNeighbor | str | None = None,
    ) -> Any:
        """Score the choices; all inputs are [B, C, S].

        {inputs}

        Returns:
            The scores, and with `labels` ([B]) the loss; without
            `return_dict` a tuple of what is there.
        """
        return self._run(
            (input_ids, attention_mask, token_type_ids, position_ids, head_mask, inputs_embeds),
            (labels,),
            (output_attentions, output_hidden_states, return_dict, pad_neighbor),
            training,
        )


class TFMobileBertForTokenClassification(TaskModel):
    """MobileBERT with a classifier at every position.

    Args:
        config: The configuration.
        *inputs: None; refused.
        pad_neighbor: What a padding neighbour contributes to the trigram; see
            `TFMobileBertMainLayer`.
        **kwargs: ``name``, ``dtype`` and other keywords of a Keras model.
    """

    task = TASKS["token_classification"]

    def own_loss(self, scores: tuple[Any, ...], labels: tuple[Any | None, ...]) -> Any | None:
        """Compute the model's own loss; as in transformers' class no negative label counts.

        Args:
            scores: The scores.
            labels: The labels.
        """
        given = tuple(None if each is None else ignoring_negative(each) for each in labels)
        return super().own_loss(scores, given)

    @in_any_form
    @documents_inputs
    def call(
        self,
        input_ids: Any | None = None,
        attention_mask: Any | None = None,
        token_type_ids: Any | None = None,
        position_ids: Any | None = None,
        head_mask: Any | None = None,
        inputs_embeds: Any | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        labels: Any | None = None,
        training: bool = False,
        *,
        pad_neighbor: PadNeighbor | str | None = None,
    ) -> Any:
        """Score the labels of each token.

        {inputs}

        Returns:
            The scores, and with `labels` ([B, S]; negative ones do not count) the loss; without
            `return_dict` a tuple of what is there.
        """
        return self._run(
            (input_ids, attention_mask, token_type_ids, position_ids, head_mask, inputs_embeds),
            (labels,),
            (output_attentions, output_hidden_states, return_dict, pad_neighbor),
            training,
        )


# Every model by its task's name.
MODEL_CLASSES: dict[str, type[TFMobileBertPreTrainedModel]] = {
    cls.task.name: cls
    for cls in (
        TFMobileBertModel,
        TFMobileBertForPreTraining,
        TFMobileBertForMaskedLM,
        TFMobileBertForNextSentencePrediction,
        TFMobileBertForSequenceClassification,
        TFMobileBertForQuestionAnswering,
        TFMobileBertForMultipleChoice,
        TFMobileBertForTokenClassification,
    )
}

# Keras finds them by these names when it reads .keras files.
for _class in (*MODEL_CLASSES.values(), TFMobileBertMainLayer):
    keras.saving.register_keras_serializable(package="mobilebert")(_class)
