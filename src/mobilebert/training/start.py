"""What a run begins with: a checkpoint's encoder, and a head for the data's labels."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from mobilebert.checkpoint.directory import task_of_config
from mobilebert.checkpoint.reading import load_config
from mobilebert.config import MobileBertConfig
from mobilebert.datasets.items import FinetuneTask
from mobilebert.errors import InputError
from mobilebert.hub import HubOptions
from mobilebert.logging import ERROR, get_logger
from mobilebert.pipelines.kept_parameters import keep_parameters
from mobilebert.pipelines.label_thresholds import forget_thresholds
from mobilebert.pipelines.null_answers import store_null_threshold
from mobilebert.tasks import TASKS, TaskSpec
from mobilebert.text import MobileBertTokenizerFast
from mobilebert.torch.models import MODEL_CLASSES
from mobilebert.torch.new_weights import NewWeights
from mobilebert.torch.task_model import TaskModel
from mobilebert.training.labels import LabelNames

__all__ = ["MODEL_OF_TASK", "Start"]

_CLASSIFIER = TASKS["sequence_classification"]
MODEL_OF_TASK: dict[FinetuneTask, TaskSpec] = {
    FinetuneTask.TEXT_CLASSIFICATION: _CLASSIFIER,
    FinetuneTask.MULTI_LABEL: _CLASSIFIER,
    FinetuneTask.REGRESSION: _CLASSIFIER,
    FinetuneTask.TOKEN_CLASSIFICATION: TASKS["token_classification"],
    FinetuneTask.QUESTION_ANSWERING: TASKS["question_answering"],
    FinetuneTask.MULTIPLE_CHOICE: TASKS["multiple_choice"],
    FinetuneTask.MASKED_LM: TASKS["masked_lm"],
}
# Names of the scores of tasks without labels, transformers' own. A checkpoint that was tuned for
# another task has that task's.
_LABELS: dict[FinetuneTask, LabelNames] = {
    FinetuneTask.REGRESSION: ("LABEL_0",),
    FinetuneTask.QUESTION_ANSWERING: ("LABEL_0", "LABEL_1"),
    FinetuneTask.MULTIPLE_CHOICE: ("LABEL_0", "LABEL_1"),
    FinetuneTask.MASKED_LM: ("LABEL_0", "LABEL_1"),
}
# What tells readers of a checkpoint how its scores are meant.
_PROBLEM_TYPES = {
    FinetuneTask.TEXT_CLASSIFICATION: "single_label_classification",
    FinetuneTask.MULTI_LABEL: "multi_label_classification",
    FinetuneTask.REGRESSION: "regression",
}


@dataclass(frozen=True)
class Start:
    """Where a run begins.

    Attributes:
        task: The task.
        name: Directory or Hub name of the checkpoint.
        labels: Names of the labels, in the order of their numbers.
        dropout: Before the head; None as the configuration says.
        gradient_checkpointing: Whether layers are computed twice rather than kept.
    """

    task: FinetuneTask
    name: str | os.PathLike[str]
    labels: LabelNames
    dropout: float | None = None
    gradient_checkpointing: bool = False

    def in_its_order(self, labels: LabelNames) -> LabelNames:
        """Return labels in the order of the checkpoint's, if it has the same ones.

        The scores of its head then keep their meaning.

        Args:
            labels: Names of labels, each once.

        Raises:
            CheckpointError: There is no such checkpoint.
        """
        known = _labels_of(load_config(self.name, HubOptions()))
        return known if sorted(known) == sorted(labels) else labels

    def config(self) -> MobileBertConfig:
        """Return the configuration of the tuned model.

        Raises:
            CheckpointError: There is no such checkpoint.
        """
        config = load_config(self.name, HubOptions())
        labels = _LABELS.get(self.task, self.labels)
        if labels:
            config.id2label = dict(enumerate(labels))
            config.label2id = {label: number for number, label in enumerate(labels)}
        # Those of an earlier task.
        forget_thresholds(config)
        store_null_threshold(config, None)
        keep_parameters(config, {})
        config.problem_type = _PROBLEM_TYPES.get(self.task)
        if self.dropout is not None:
            config.classifier_dropout = self.dropout
        return config

    def tokenizer(self) -> MobileBertTokenizerFast:
        """Load the tokenizer.

        Raises:
            CheckpointError: There is none.
            InputError: It has more tokens than the model.
        """
        tokenizer = MobileBertTokenizerFast.from_pretrained(self.name)
        rows = self.config().vocab_size
        if len(tokenizer) > rows:
            raise InputError(
                f"The tokenizer of {self.name} has {len(tokenizer):,} tokens, but its model "
                f"{rows:,}: they are not of the same checkpoint, or tokens were added without "
                "resize_token_embeddings()."
            )
        return tokenizer

    def outline(self) -> TaskModel[Any]:
        """Return the model without memory for its weights, to see what parts it has.

        Raises:
            CheckpointError: There is no such checkpoint.
        """
        with torch.device("meta"):
            made: Any = MODEL_CLASSES[MODEL_OF_TASK[self.task].name](self.config())
        model: TaskModel[Any] = made
        return model

    def model(self, seed: int) -> TaskModel[Any]:
        """Load the model; what is new in it is drawn by the seed.

        A head that was trained for another task or other labels, or for these in another order, is
        new too.

        Raises:
            CheckpointError: The checkpoint cannot be read.
            InputError: Its weights are not of this model.
        """
        with torch.random.fork_rng(devices=[]), _without_news():
            torch.manual_seed(seed)
            model: TaskModel[Any] = MODEL_CLASSES[MODEL_OF_TASK[self.task].name].from_pretrained(
                self.name,
                config=self.config(),
                dtype=torch.float32,
                # Another number of labels means another head.
                ignore_mismatched_sizes=True,
            )
            known = load_config(self.name, HubOptions())
            has_others = bool(self.labels) and self.labels != _labels_of(known)
            if has_others or _is_of_another_task(known, self.task):
                _renew_head(model)
        strange = [name for name in model.newly_initialized_weights if ".encoder." in name]
        if strange:
            raise InputError(
                f"{self.name} lacks weights of the encoder, such as {strange[0]}: it is no "
                "MobileBERT checkpoint of this configuration, and tuning would begin at random."
            )
        if self.gradient_checkpointing:
            model.gradient_checkpointing_enable()
        return model


def _labels_of(config: MobileBertConfig) -> LabelNames:
    """Return names of labels in the order of their numbers."""
    return tuple(name for _, name in sorted(config.id2label.items()))


def _is_of_another_task(config: MobileBertConfig, task: FinetuneTask) -> bool:
    """Tell whether a checkpoint has a head of this task's name that does something else."""
    own, found = MODEL_OF_TASK[task].projection, task_of_config(config)
    if own is None:
        return False
    if found is not None and found.projection is not None and found is not MODEL_OF_TASK[task]:
        return found.projection.name == own.name
    wanted = _PROBLEM_TYPES.get(task)
    return None not in (wanted, config.problem_type) and config.problem_type != wanted


def _renew_head(model: TaskModel[Any]) -> None:
    """Draw the projection of a model anew, and count it as new."""
    projection = model.task.projection
    assert projection is not None  # tasks whose heads may be of another have one
    drawn = {f"{projection.name}.{part}" for part in ("weight", "bias")}
    if drawn <= set(model.newly_initialized_weights):
        return  # the checkpoint had none
    model.init_weights(drawn)
    names = {*model.newly_initialized_weights, *drawn}
    weights = {name: x for name, x in model.named_parameters() if name in names}
    model.newly_initialized_weights = NewWeights(weights)


@contextmanager
def _without_news() -> Iterator[None]:
    """Do not tell that heads are new: tuning them is what the run is for."""
    logger = get_logger("mobilebert.checkpoint.matching")
    level = logger.level
    logger.setLevel(ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
