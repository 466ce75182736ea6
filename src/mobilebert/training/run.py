"""One run: a model with one seed, from its first weights to the best ones."""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mobilebert.corpora.masking import Masking
from mobilebert.datasets.items import FinetuneTask, Item
from mobilebert.logging import get_logger
from mobilebert.pipelines.label_thresholds import store_thresholds
from mobilebert.pipelines.null_answers import store_null_threshold
from mobilebert.reports.wording import metric_words
from mobilebert.torch.task_model import TaskModel
from mobilebert.training.adamw import gradients_by_rows
from mobilebert.training.balance import (
    balanced_class_weights,
    balanced_example_weights,
    balanced_positive_weights,
)
from mobilebert.training.batching import BatchPlan, IntArray, micro_batches
from mobilebert.training.evaluation import evaluate_items
from mobilebert.training.evaluation_results import Evaluation
from mobilebert.training.examples import ExampleSet
from mobilebert.training.loop import Listener, Score, TrainingLoop
from mobilebert.training.loop_settings import LoopSettings, remember_every
from mobilebert.training.lora import add_lora, has_lora, merge_lora, merged_state_dict
from mobilebert.training.objectives import Objective, build_objective
from mobilebert.training.optimizers import OptimizerName, build_optimizer
from mobilebert.training.outlier_channels import limit_steps, outlier_scales, shrink_low_rank
from mobilebert.training.parameter_groups import freeze, parameter_groups
from mobilebert.training.priors import class_prior, label_prior
from mobilebert.training.processes import Processes
from mobilebert.training.saved_state import Progress
from mobilebert.training.schedules import Schedule, warmup_steps
from mobilebert.training.settings import FinetuneSettings, Precision
from mobilebert.training.treatment import judging_options
from mobilebert.training.tuned_model import TunedModel, pack_examples
from mobilebert.training.weights_digest import weights_digest
from mobilebert.training.workload import TaskWorkload

__all__ = ["Material", "TuningRun", "choose_learning", "steps_of"]

# Tokens whose features say what is usual; enough for thousands of rows, or hundreds of sequences.
_TOKENS_LOOKED_AT = 16384
# Tasks whose labels have frequencies.
_COUNTED = (
    FinetuneTask.TEXT_CLASSIFICATION,
    FinetuneTask.MULTI_LABEL,
    FinetuneTask.TOKEN_CLASSIFICATION,
)
# Evaluations of a run at least, where the user does not say.
_LEAST_EVALUATIONS = 4


@dataclass(frozen=True, kw_only=True)
class Material:
    """What all runs of a command share.

    Attributes:
        task: The task.
        examples: What is learned.
        dev: What the model is judged by.
        tokenizer: The tokenizer.
        settings: The settings, none open.
        parameters: What pipelines are told when the model is judged.
        digest: Of data and settings.
    """

    task: FinetuneTask
    examples: ExampleSet
    dev: Sequence[Item]
    tokenizer: Any
    settings: FinetuneSettings
    parameters: Mapping[str, Any]
    digest: str


def steps_of(settings: FinetuneSettings, plan: BatchPlan) -> int:
    """Return how many steps a run has."""
    assert settings.epochs is not None  # filled from the preset
    wanted = min(settings.epochs * plan.steps_per_epoch, sys.maxsize)
    steps = max(1, math.ceil(wanted))
    return steps if settings.max_steps is None else min(steps, settings.max_steps)


def choose_learning(
    model: TaskModel[Any], settings: FinetuneSettings, generator: torch.Generator | None = None
) -> None:
    """Add what learns in place of weights, and freeze what is to keep its values.

    Args:
        model: The model; changed.
        settings: The settings.
        generator: Draws what is added.

    Raises:
        InputError: Settings name parts that the model does not have.
    """
    if settings.lora_rank is not None:
        add_lora(model, settings.lora_names, rank=settings.lora_rank, generator=generator)
    if settings.freeze is not None:
        freeze(model, settings.freeze)  # updates of frozen layers too, which then remain zero


class TuningRun:
    """Tunes a model with one seed.

    Args:
        model: With its first weights; changed.
        material: What is learned, and how.
        seed: Of order and dropout.
        directory: Where states are kept.
        processes: Those that take part.
        listener: Who is told.
    """

    def __init__(
        self,
        model: TaskModel[Any],
        material: Material,
        seed: int,
        directory: Path | None,
        processes: Processes,
        listener: Callable[[int], Listener] | None = None,
    ) -> None:
        settings = material.settings
        self.model, self.material, self.seed = model, material, seed
        self.directory, self.processes, self.listener = directory, processes, listener
        assert settings.batch_size is not None  # filled from the preset
        self.plan = BatchPlan(
            material.examples.lengths, settings.batch_size, seed, self._example_weights()
        )
        self.steps = steps_of(settings, self.plan)
        self.trained_parameters = 0

    def tune(self, *, resume: bool = False) -> Progress:
        """Train to the end; the model then has its best weights.

        Args:
            resume: Whether to go on from the states in the directory.

        Raises:
            TrainingError: It diverged again and again, and no weights were judged before.
            KeyboardInterrupt: Ctrl-C; the state is kept.
            SystemExit: SIGTERM; the state is kept.
        """
        settings, task = self.material.settings, self.material.task
        first_weights = weights_digest(self.model)
        tuned = TunedModel(self.model, Precision(settings.precision))
        batches, chosen = self._first_batches()
        if task is not FinetuneTask.MASKED_LM:
            self._start_head(tuned, batches, chosen)
        scales = outlier_scales(self.model, batches)
        choose_learning(self.model, settings, torch.Generator().manual_seed(self.seed))
        if settings.lora_rank is not None:
            shrink_low_rank(self.model, scales)
        self.trained_parameters = sum(x.numel() for x in tuned.weights.values())
        tuned.train()
        workload = TaskWorkload(
            tuned,
            self.material.examples,
            task,
            self._objective(),
            settings.r_drop,
            self.seed,
            self._masking(),
        )
        optimizer = self._optimizer(tuned)
        limit_steps(optimizer, workload.weights, scales)
        loop = TrainingLoop(
            workload,
            optimizer,
            self._schedule(),
            self.plan,
            self._loop_settings(),
            evaluate=lambda: self._judge(tuned),
            directory=self.directory,
            fingerprint=f"{self.material.digest} {first_weights} seed {self.seed}",
            processes=self.processes,
            listener=self.listener(self.steps) if self.listener else None,
        )
        with gradients_by_rows(self._table_of_few_rows()):
            progress = loop.run(resume=resume)
        tuned.fold()
        merge_lora(self.model)
        self.model.eval()
        return progress

    def judge(self) -> Evaluation:
        """Judge the ordinary model by the dev items.

        Where thresholds are tuned, they are chosen anew for the weights as they are, and put into
        the model's configuration.
        """
        material, settings = self.material, self.material.settings
        evaluation = evaluate_items(
            material.task,
            self._ordinary(),
            material.tokenizer,
            material.dev,
            options=judging_options(settings, tune_thresholds=settings.tune_thresholds),
            parameters=material.parameters,
        )
        if settings.tune_thresholds and evaluation.thresholds is not None:
            store_thresholds(self.model.config, evaluation.thresholds)
        if settings.tune_thresholds:
            store_null_threshold(self.model.config, evaluation.null_threshold)
        return evaluation

    def _ordinary(self) -> TaskModel[Any]:
        """Return the model, or one with its low-rank updates in the weights."""
        if not has_lora(self.model):
            return self.model
        model = type(self.model)(self.model.config)
        model.load_state_dict(merged_state_dict(self.model))
        return model.eval()

    def _judge(self, tuned: TunedModel) -> Score:
        tuned.fold()
        evaluation = self.judge()
        tuned.train()
        sign = 1 if metric_words(evaluation.headline).higher_is_better else -1
        return Score(sign * evaluation.score, evaluation.metrics)

    def _start_head(self, tuned: TunedModel, batches: list[Any], chosen: IntArray) -> None:
        """Standardise the head; one that was trained for other numbers is brought near these."""
        targets = None
        if self.material.task is FinetuneTask.REGRESSION:
            numbers = np.asarray(self.material.examples.targets, np.float64)
            targets = torch.from_numpy(numbers)
        tuned.start_head(batches, targets, self._prior())
        if targets is None or self._has_new_head():
            return
        was_far = tuned.fit_head(batches, targets[chosen], self.seed)
        if was_far and self.processes.is_first:
            get_logger(__name__).warning(
                "The model's head was trained for numbers that are far from those of the data: "
                "what it gives was shifted and scaled to them."
            )

    def _has_new_head(self) -> bool:
        projection = self.model.task.projection
        assert projection is not None  # all tasks but that of masked words have one
        return f"{projection.name}.weight" in self.model.newly_initialized_weights

    def _first_batches(self) -> tuple[list[Any], IntArray]:
        """Return sequences of the first steps, and the numbers of their examples."""
        examples, lengths = self.material.examples, self.material.examples.lengths
        chosen: list[int] = []
        tokens, step = 0, 0
        while tokens < _TOKENS_LOOKED_AT and step < self.plan.steps_per_epoch:
            batch = self.plan.batch(step)
            chosen += [int(number) for number in batch]
            tokens += int(lengths[batch].sum())
            step += 1
        numbers = np.array(chosen)
        parts = micro_batches(numbers, lengths, self.material.settings.micro_tokens)
        return [pack_examples([examples[int(n)] for n in part]) for part in parts], numbers

    def _objective(self) -> Objective:
        settings, task = self.material.settings, self.material.task
        name = "positive_weights" if task is FinetuneTask.MULTI_LABEL else "class_weights"
        weights = self._label_weights()
        given = {} if weights is None else {name: weights}
        return build_objective(task, label_smoothing=settings.label_smoothing, **given)

    def _label_weights(self) -> Tensor | None:
        if self.material.settings.class_weights != "balanced":
            return None
        counts = self._label_counts()
        if self.material.task is FinetuneTask.MULTI_LABEL:
            return balanced_positive_weights(counts, len(self.material.examples))
        return balanced_class_weights(counts)

    def _prior(self) -> Tensor | None:
        """Return what the head says of the labels before it has read anything."""
        settings, task = self.material.settings, self.material.task
        if task not in _COUNTED or settings.sampling == "balanced":
            return None
        counts, weights = self._label_counts(), self._label_weights()
        if task is FinetuneTask.MULTI_LABEL:
            examples = len(self.material.examples)
            return label_prior(counts, examples, weights, settings.label_smoothing)
        return class_prior(counts, weights, settings.label_smoothing)

    def _masking(self) -> Masking | None:
        if self.material.task is not FinetuneTask.MASKED_LM:
            return None
        return Masking.of(self.material.tokenizer, self.model.config.vocab_size)

    def _label_counts(self) -> Any:
        targets, labels = self.material.examples.targets, self.model.config.num_labels
        if self.material.task is FinetuneTask.MULTI_LABEL:
            return targets.reshape(-1, labels).sum(axis=0)
        return np.bincount(targets[targets >= 0], minlength=labels)

    def _example_weights(self) -> Any:
        if self.material.settings.sampling != "balanced":
            return None
        return balanced_example_weights(np.asarray(self.material.examples.targets))

    def _table_of_few_rows(self) -> torch.nn.Embedding | None:
        """Return the word table where a step reads some of its rows and AdamW moves them."""
        settings, table = self.material.settings, self.model.base_model.embeddings.word_embeddings
        fits = (
            self.material.task is not FinetuneTask.MASKED_LM  # scores all words
            and settings.optimizer == OptimizerName.ADAMW
            and self.processes.count == 1  # which add whole gradients up
            and self.model.device.type == "cpu"
        )
        return table if fits and type(table) is torch.nn.Embedding else None

    def _optimizer(self, tuned: TunedModel) -> torch.optim.Optimizer:
        settings = self.material.settings
        assert settings.learning_rate is not None  # filled from the preset
        assert settings.weight_decay is not None
        groups = parameter_groups(
            self.model,
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            layer_decay=settings.layer_decay,
            head_lr=settings.head_learning_rate,
            heads=[tuned.head] if tuned.head is not None else [],
        )
        trained = {id(weight) for weight in tuned.weights.values()}
        for group in groups:
            group["params"] = [pair for pair in group["params"] if id(pair[1]) in trained]
        return build_optimizer(settings.optimizer, [group for group in groups if group["params"]])

    def _schedule(self) -> Schedule:
        settings = self.material.settings
        assert settings.warmup is not None  # filled from the preset
        warmup = min(warmup_steps(min(settings.warmup, 0.999), self.steps), self.steps - 1)
        return Schedule(self.steps, warmup, settings.schedule)

    def _loop_settings(self) -> LoopSettings:
        settings = self.material.settings
        assert settings.clip is not None  # filled from the preset
        most = max(1, self.steps // _LEAST_EVALUATIONS)
        return LoopSettings(
            steps=self.steps,
            clip=settings.clip or math.inf,
            micro_tokens=settings.micro_tokens,
            evaluate_every=settings.evaluate_every or min(self.plan.steps_per_epoch, most),
            checkpoint_every=settings.checkpoint_every,
            remember_every=remember_every(self.steps),
            report_every=max(1, min(50, self.steps // 100)),
            patience=settings.patience,
            seed=self.seed,
            ends_with_best=True,
        )
