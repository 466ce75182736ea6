"""The encoder with the heads of a row of the task table: all arithmetic of the seven models."""

from typing import Any

import keras
from keras import ops

from mobilebert.config import MobileBertConfig
from mobilebert.keras.encoder import TFMobileBertMainLayer
from mobilebert.keras.heads import add_heads
from mobilebert.keras.initialization import in_own_dtype
from mobilebert.keras.inputs import flatten_choices
from mobilebert.keras.outputs import OUTPUT_CLASSES
from mobilebert.keras.pretrained import TFMobileBertPreTrainedModel
from mobilebert.reference import PadNeighbor
from mobilebert.tasks import Reads

__all__ = ["TaskModel"]

_INPUT_NAMES = (
    "input_ids",
    "attention_mask",
    "token_type_ids",
    "position_ids",
    "head_mask",
    "inputs_embeds",
)


class TaskModel(TFMobileBertPreTrainedModel):
    """The encoder, named `mobilebert`, and the heads of the class's `task`.

    Args:
        config: The configuration.
        *inputs: None; refused.
        pad_neighbor: What a padding neighbour contributes to the trigram; see
            `TFMobileBertMainLayer`.
        **kwargs: ``name``, ``dtype`` and other keywords of a Keras model.
    """

    def __init__(
        self,
        config: MobileBertConfig,
        *inputs: Any,
        pad_neighbor: PadNeighbor | str = PadNeighbor.PAD_EMBEDDING,
        **kwargs: Any,
    ) -> None:
        super().__init__(config, *inputs, **kwargs)
        self.num_labels = config.num_labels
        dropout = config.classifier_dropout
        with in_own_dtype(self):
            self.mobilebert = TFMobileBertMainLayer(
                config, self.task.pooler, pad_neighbor=pad_neighbor, name="mobilebert"
            )
            self.dropout = keras.layers.Dropout(
                config.hidden_dropout_prob if dropout is None else dropout
            )
            add_heads(self, self.task, config)
        self.post_init()

    def logits(
        self, hidden_states: Any, pooled: Any | None, training: bool = False
    ) -> tuple[Any, ...]:
        """Apply the heads to what the encoder gives.

        Args:
            hidden_states: Any number of positions, [..., H].
            pooled: The pooled first positions, [B, H]; None for tasks without pooler.
            training: Whether dropout acts.

        Returns:
            One tensor for each name in ``task.emits``.
        """
        scores: list[Any] = []
        if self.task.vocabulary:
            words = self.get_input_embeddings().embeddings
            scores.append(self.cls.predictions(hidden_states, words))
        projection = self.task.projection
        if projection is not None:
            x = pooled if projection.reads is Reads.POOLED else hidden_states
            # Not left to Keras's call context, which stateless calls (JAX) do not have.
            x = self.dropout(x, training=training) if projection.dropout else x
            head = self
            for part in projection.name.split("."):
                head = getattr(head, part)
            projected = head(x)
            scores.extend(ops.unstack(projected, axis=-1) if projection.split else [projected])
        return tuple(scores)

    def _run(
        self,
        inputs: tuple[Any | None, ...],
        labels: tuple[Any | None, ...],
        flags: tuple[bool | None, bool | None, bool | None, PadNeighbor | str | None],
        training: bool,
    ) -> Any:
        """Encode, apply the heads, compute the loss if there are labels.

        Args:
            inputs: The six inputs of the encoder, in the order of its signature.
            labels: One for each name in ``task.labels``.
            flags: output_attentions, output_hidden_states, return_dict, pad_neighbor.
            training: Whether dropout acts.
        """
        named = dict(zip(_INPUT_NAMES, inputs, strict=True))
        choices = 1
        wants_attentions, wants_states, return_dict, pad_neighbor = flags
        if self.task.choices:
            named, choices = flatten_choices(named)
        encoded = self.mobilebert(
            **named,
            output_attentions=wants_attentions,
            output_hidden_states=wants_states,
            return_dict=True,
            training=training,
            pad_neighbor=pad_neighbor,
        )
        scores = self.logits(encoded.last_hidden_state, encoded.pooler_output, training)
        if self.task.choices:
            scores = (ops.reshape(scores[0], (-1, choices)),)
        loss = self.own_loss(scores, labels)
        output = OUTPUT_CLASSES[self.task.output_name](
            loss=loss,
            **dict(zip(self.task.emits, scores, strict=True)),
            hidden_states=encoded.hidden_states,
            attentions=encoded.attentions,
        )
        return output if self._returns_names(return_dict) else output.to_tuple()
