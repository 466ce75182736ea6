"""The task table: the bare encoder and the seven heads, one row each.

A row says what a head reads and emits, how it is trained, and every name it goes by. The PyTorch
classes, the numpy reference, the checkpoint code, the Auto names and the pipelines loop over these
rows, so another head is another row.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from mobilebert.errors import InputError

__all__ = [
    "PIPELINE_TASKS",
    "TASKS",
    "Axes",
    "Loss",
    "Projection",
    "Reads",
    "TaskSpec",
    "resolve_pipeline_task",
    "resolve_task",
    "task_of_architecture",
]


class Reads(StrEnum):
    """What a projection reads of the encoder's output."""

    SEQUENCE = "sequence"  # every position, [B, S, H]
    POOLED = "pooled"  # the pooled first position, [B, H]


class Axes(StrEnum):
    """What the first axes of an output are."""

    TOKENS = "tokens"  # sequences and positions, [B, S, ...]
    SEQUENCES = "sequences"  # sequences, [B, ...]
    POSITIONS = "positions"  # the positions that were asked for, [M, ...]; without such, TOKENS


class Loss(StrEnum):
    """How a head is trained."""

    NONE = "none"
    MASKED_LM = "masked_lm"  # cross-entropy over the vocabulary, label -100 ignored
    MASKED_LM_PLUS_NEXT_SENTENCE = "masked_lm_plus_next_sentence"  # the sum of both
    CROSS_ENTROPY = "cross_entropy"  # over the last axis of the logits, label -100 ignored
    BY_PROBLEM_TYPE = "by_problem_type"  # regression, single label or multi label
    SPAN = "span"  # mean of the cross-entropies of start and end position


@dataclass(frozen=True)
class Projection:
    """A dense layer from the encoder's output to logits.

    Attributes:
        name: Name in the checkpoint, e.g. ``classifier``.
        reads: Every position or the pooled one.
        width: Number of logits, or ``"num_labels"`` for the configuration's.
        dropout: Whether classifier dropout comes before it.
        split: Whether each of the logits is an output of its own, in the order of `emits`.
    """

    name: str
    reads: Reads
    width: int | Literal["num_labels"]
    dropout: bool = False
    split: bool = False


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """One model of the family: the encoder with a head, or alone.

    Attributes:
        name: Our name, e.g. ``masked_lm``.
        pipeline: The name pipelines and the command line know, or None.
        class_suffix: ``MobileBert`` + this is the documented class.
        auto_name: The documented Auto class.
        output_name: The documented output class.
        projection: The head's dense layer, or None.
        vocabulary: Whether the masked-language-model head is there.
        pooler: Whether the encoder's pooler is built.
        loss: How it is trained.
        labels: Names of the label arguments, in order.
        emits: Names of the output fields between loss and hidden states.
        choices: Whether inputs have an extra axis of choices, [B, C, S].
    """

    name: str
    pipeline: str | None
    class_suffix: str
    auto_name: str
    output_name: str
    projection: Projection | None = None
    vocabulary: bool = False
    pooler: bool = False
    loss: Loss = Loss.NONE
    labels: tuple[str, ...] = ()
    emits: tuple[str, ...] = ("logits",)
    choices: bool = False

    @property
    def class_name(self) -> str:
        """The documented PyTorch class, e.g. ``MobileBertForMaskedLM``."""
        return f"MobileBert{self.class_suffix}"

    @property
    def prefix(self) -> str:
        """What the encoder's weight names start with in a checkpoint of this task."""
        return "" if self.name == "feature_extraction" else "mobilebert."

    def axes(self, output: str) -> Axes:
        """Tell what the first axes of an output are.

        Args:
            output: One of `emits`.
        """
        if self.vocabulary and output == self.emits[0]:
            return Axes.POSITIONS
        reads_sequence = self.projection is not None and self.projection.reads is Reads.SEQUENCE
        return Axes.TOKENS if reads_sequence or output == "last_hidden_state" else Axes.SEQUENCES


_NEXT_SENTENCE = Projection("cls.seq_relationship", Reads.POOLED, 2)

_ROWS = (
    TaskSpec(
        name="feature_extraction",
        pipeline="feature-extraction",
        class_suffix="Model",
        auto_name="AutoModel",
        output_name="BaseModelOutputWithPooling",
        pooler=True,
        emits=("last_hidden_state", "pooler_output"),
    ),
    TaskSpec(
        name="pretraining",
        pipeline=None,
        class_suffix="ForPreTraining",
        auto_name="AutoModelForPreTraining",
        output_name="MobileBertForPreTrainingOutput",
        projection=_NEXT_SENTENCE,
        vocabulary=True,
        pooler=True,
        loss=Loss.MASKED_LM_PLUS_NEXT_SENTENCE,
        labels=("labels", "next_sentence_label"),
        emits=("prediction_logits", "seq_relationship_logits"),
    ),
    TaskSpec(
        name="masked_lm",
        pipeline="fill-mask",
        class_suffix="ForMaskedLM",
        auto_name="AutoModelForMaskedLM",
        output_name="MaskedLMOutput",
        vocabulary=True,
        loss=Loss.MASKED_LM,
        labels=("labels",),
    ),
    TaskSpec(
        name="next_sentence_prediction",
        pipeline="next-sentence-prediction",
        class_suffix="ForNextSentencePrediction",
        auto_name="AutoModelForNextSentencePrediction",
        output_name="NextSentencePredictorOutput",
        projection=_NEXT_SENTENCE,
        pooler=True,
        loss=Loss.CROSS_ENTROPY,
        labels=("labels",),
    ),
    TaskSpec(
        name="sequence_classification",
        pipeline="text-classification",
        class_suffix="ForSequenceClassification",
        auto_name="AutoModelForSequenceClassification",
        output_name="SequenceClassifierOutput",
        projection=Projection("classifier", Reads.POOLED, "num_labels", dropout=True),
        pooler=True,
        loss=Loss.BY_PROBLEM_TYPE,
        labels=("labels",),
    ),
    TaskSpec(
        name="question_answering",
        pipeline="question-answering",
        class_suffix="ForQuestionAnswering",
        auto_name="AutoModelForQuestionAnswering",
        output_name="QuestionAnsweringModelOutput",
        # transformers takes num_labels as the width and then fails unless that is 2.
        projection=Projection("qa_outputs", Reads.SEQUENCE, 2, split=True),
        loss=Loss.SPAN,
        labels=("start_positions", "end_positions"),
        emits=("start_logits", "end_logits"),
    ),
    TaskSpec(
        name="multiple_choice",
        pipeline="multiple-choice",
        class_suffix="ForMultipleChoice",
        auto_name="AutoModelForMultipleChoice",
        output_name="MultipleChoiceModelOutput",
        projection=Projection("classifier", Reads.POOLED, 1, dropout=True),
        pooler=True,
        loss=Loss.CROSS_ENTROPY,
        labels=("labels",),
        choices=True,
    ),
    TaskSpec(
        name="token_classification",
        pipeline="token-classification",
        class_suffix="ForTokenClassification",
        auto_name="AutoModelForTokenClassification",
        output_name="TokenClassifierOutput",
        projection=Projection("classifier", Reads.SEQUENCE, "num_labels", dropout=True),
        loss=Loss.CROSS_ENTROPY,
        labels=("labels",),
    ),
)

TASKS: dict[str, TaskSpec] = {row.name: row for row in _ROWS}

# Pipeline name -> the model it runs. Zero-shot classification asks an entailment classifier.
PIPELINE_TASKS: dict[str, TaskSpec] = {
    row.pipeline: row for row in _ROWS if row.pipeline is not None
} | {"zero-shot-classification": TASKS["sequence_classification"]}

_ALIASES = {
    "sentiment-analysis": "text-classification",
    "ner": "token-classification",
    "next-sentence": "next-sentence-prediction",
    "masked-lm": "fill-mask",
}

# Every accepted spelling, with hyphens -> the pipeline name.
_SPELLINGS: dict[str, str] = (
    {name: name for name in PIPELINE_TASKS}
    | {row.name.replace("_", "-"): row.pipeline for row in _ROWS if row.pipeline is not None}
    | _ALIASES
)


def _spelled(name: str) -> str:
    return name.strip().lower().replace("_", "-")


def _unknown(name: object) -> InputError:
    return InputError(f"Unknown task {name!r}; choose one of {', '.join(sorted(_SPELLINGS))}.")


def resolve_pipeline_task(name: str) -> str:
    """Return the pipeline name of a task in any spelling.

    Args:
        name: E.g. ``fill-mask``, ``masked_lm``, ``ner`` or ``sentiment-analysis``.

    Raises:
        InputError: There is no such task; the message lists them.
    """
    if not isinstance(name, str) or _spelled(name) not in _SPELLINGS:
        raise _unknown(name)
    return _SPELLINGS[_spelled(name)]


def resolve_task(name: str | TaskSpec) -> TaskSpec:
    """Return the row of a task in any spelling (``pretraining`` included).

    Raises:
        InputError: There is no such task; the message lists them.
    """
    if isinstance(name, TaskSpec):
        return name
    if isinstance(name, str) and _spelled(name) == "pretraining":
        return TASKS["pretraining"]
    return PIPELINE_TASKS[resolve_pipeline_task(name)]


def task_of_architecture(class_name: str) -> TaskSpec | None:
    """Return the row of a documented class name (PyTorch or TensorFlow), or None."""
    name = class_name.removeprefix("TF")
    return next((row for row in _ROWS if row.class_name == name), None)
