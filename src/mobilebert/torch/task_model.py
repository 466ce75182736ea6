"""The encoder with the heads of a row of the task table: all arithmetic of the seven models."""

from typing import Any, Generic, TypeVar, cast

from torch import Tensor, nn

from mobilebert.config import MobileBertConfig
from mobilebert.reference import PadNeighbor
from mobilebert.tasks import Loss, Reads
from mobilebert.torch.encoder import MobileBertModel
from mobilebert.torch.heads import add_heads
from mobilebert.torch.inputs import check_tensors, flatten_choices, is_traced
from mobilebert.torch.losses import inferred_problem_type
from mobilebert.torch.outputs import OUTPUT_CLASSES, ModelOutput
from mobilebert.torch.precision import in_float32, outside_float16_autocast
from mobilebert.torch.pretrained import MobileBertPreTrainedModel

__all__ = ["TaskModel"]

_INPUT_NAMES = (
    "input_ids",
    "attention_mask",
    "token_type_ids",
    "position_ids",
    "head_mask",
    "inputs_embeds",
)


Output = TypeVar("Output", bound=ModelOutput)


class TaskModel(MobileBertPreTrainedModel, Generic[Output]):
    """The encoder, named `mobilebert`, and the heads of the class's `task`.

    Args:
        config: The configuration.
        pad_neighbor: What a padding neighbour contributes to the trigram; see `MobileBertModel`.
    """

    def __init__(
        self,
        config: MobileBertConfig,
        *,
        pad_neighbor: PadNeighbor | str = PadNeighbor.PAD_EMBEDDING,
    ) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.mobilebert = MobileBertModel(
            config, add_pooling_layer=self.task.pooler, pad_neighbor=pad_neighbor
        )
        dropout = config.classifier_dropout
        self.dropout = nn.Dropout(config.hidden_dropout_prob if dropout is None else dropout)
        add_heads(self, self.task, config)
        self._inferred_problem_type: str | None = None
        self.post_init()

    def logits(self, hidden_states: Tensor, pooled: Tensor | None) -> tuple[Tensor, ...]:
        """Apply the heads to what the encoder gives.

        Args:
            hidden_states: Any number of positions, [..., H].
            pooled: The pooled first positions, [B, H]; None for tasks without pooler.

        Returns:
            One tensor for each name in ``task.emits``.
        """
        scores: list[Tensor] = []
        with outside_float16_autocast(hidden_states.device):
            if (head := self._vocabulary_head) is not None:
                scores.append(head(hidden_states))
            if (projection := self.task.projection) is not None:
                x = pooled if projection.reads is Reads.POOLED else hidden_states
                x = self.dropout(x) if projection.dropout else x
                projected = in_float32(self.get_submodule(projection.name), x)
                parts = projected.unbind(-1) if projection.split else (projected,)
                scores.extend(part.contiguous() for part in parts)
        return tuple(scores)

    def _run(
        self,
        inputs: tuple[Tensor | None, ...],
        labels: tuple[Tensor | None, ...],
        flags: tuple[bool | None, bool | None, bool | None, PadNeighbor | str | None],
    ) -> Output | tuple[Any, ...]:
        """Encode, apply the heads, compute the loss if there are labels.

        Args:
            inputs: The six inputs of the encoder, in the order of its signature.
            labels: One for each name in ``task.labels``.
            flags: output_hidden_states, output_attentions, return_dict, pad_neighbor.
        """
        named = dict(zip(_INPUT_NAMES, inputs, strict=True))
        check_tensors(named | dict(zip(self.task.labels, labels, strict=True)))
        choices = 1
        if self.task.choices:
            named, choices = flatten_choices(named)
        states_wanted, attentions_wanted, return_dict, pad_neighbor = flags
        encoded = self.mobilebert(
            **named,
            output_hidden_states=states_wanted,
            output_attentions=attentions_wanted,
            return_dict=True,
            pad_neighbor=pad_neighbor,
        )
        scores = self.logits(encoded.last_hidden_state, encoded.pooler_output)
        if self.task.choices:
            scores = (scores[0].reshape(-1, choices),)
        self._infer_problem_type(labels[0])
        with outside_float16_autocast(scores[0].device):
            loss = self.loss_function(scores, labels, self.config)
        output = OUTPUT_CLASSES[self.task.output_name](
            loss=loss,
            **dict(zip(self.task.emits, scores, strict=True)),
            hidden_states=encoded.hidden_states,
            attentions=encoded.attentions,
        )
        wanted = self.config.use_return_dict if return_dict is None else return_dict
        return cast(Output, output) if wanted else output.to_tuple()

    def _infer_problem_type(self, labels: Tensor | None) -> None:
        """Write the kind of problem into the configuration, where the user has not.

        The labels of every call decide anew, so that another kind of labels is no error; the
        configuration holds the latest, for checkpoints and pipelines.
        """
        by_type = self.task.loss is Loss.BY_PROBLEM_TYPE
        if labels is None or not by_type or is_traced():
            return
        if self.config.problem_type in (None, self._inferred_problem_type):
            kind = inferred_problem_type(labels, self.num_labels)
            self.config.problem_type = self._inferred_problem_type = kind
