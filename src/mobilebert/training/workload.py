"""What the training loop makes small: the loss of a tuned model on examples of its task."""

from collections.abc import Mapping
from statistics import fmean

import numpy as np
import torch
from torch import Tensor

from mobilebert.corpora.masking import Masking
from mobilebert.datasets.items import FinetuneTask
from mobilebert.training.batching import IntArray
from mobilebert.training.examples import Example, ExampleSet
from mobilebert.training.loop import BatchLoss
from mobilebert.training.objectives import LabelObjective, Objective, r_drop
from mobilebert.training.readings import reading_of
from mobilebert.training.tuned_model import TunedModel, pack_examples

__all__ = ["TaskWorkload"]

# Examples whose mean tells what guessing costs.
_LOOKED_AT = 100


class TaskWorkload:
    """Examples of a task, and the model that learns them.

    Args:
        tuned: The model.
        examples: The examples.
        task: Their task.
        objective: The loss.
        divergence_weight: Of the difference between two passes with dropout (R-Drop); 0 for one
            pass.
        seed: Of masks.
        masking: How words are masked, for the task that masks them.

    Attributes:
        weights: What is trained, by name.
        guessing: Loss of a model that knows nothing, for each unit.
        part_names: None: there is one objective.
    """

    part_names: tuple[str, ...] = ()

    def __init__(
        self,
        tuned: TunedModel,
        examples: ExampleSet,
        task: FinetuneTask,
        objective: Objective,
        divergence_weight: float = 0.0,
        seed: int = 0,
        masking: Masking | None = None,
    ) -> None:
        self.tuned, self.examples, self.objective = tuned, examples, objective
        self.divergence_weight = divergence_weight
        self.weights: Mapping[str, Tensor] = tuned.weights
        self._reading = reading_of(task, masking)
        self._seed = seed
        # Numbers are compared in units of how much they vary, so that the user's unit is no matter.
        self._unit = None
        if task is FinetuneTask.REGRESSION and tuned.head is not None:
            self._unit = tuned.head.target_spread
        # Smoothing and a second pass need the scores themselves.
        plain = divergence_weight == 0 and getattr(objective, "label_smoothing", 0.0) == 0
        self._masks_words = task is FinetuneTask.MASKED_LM and plain
        looked_at = [examples[number] for number in range(min(len(examples), _LOOKED_AT))]
        labels = tuned.model.config.num_labels
        self.guessing = fmean(self._reading.guessing(one, labels) for one in looked_at)
        if isinstance(objective, LabelObjective) and objective.positive_weights is not None:
            # Of all examples: of a hundred a rare label has none.
            shares = examples.targets.reshape(-1, labels).mean(axis=0, dtype=np.float64)
            self.guessing *= objective.weight_of(torch.from_numpy(shares))

    def loss(self, examples: IntArray, step: int) -> BatchLoss:
        """Return the loss of some examples."""
        chosen = self._chosen(examples, step)
        batch = pack_examples(chosen)
        wanted = self._reading.wanted(chosen, batch)
        if self._masks_words and wanted.rows is not None and len(wanted.rows):
            mean = self.tuned.masked_lm_loss(batch, wanted.rows, wanted.targets)
            return BatchLoss(mean * len(wanted.rows), float(len(wanted.rows)))
        targets = self._in_units(wanted.targets)

        def scores() -> Tensor:
            given = self._reading.shaped(self.tuned.logits(batch, wanted.rows), chosen)
            return self._in_units(given)

        if self.divergence_weight:
            weight = self.divergence_weight
            total, units = r_drop(self.objective, scores(), scores(), targets, weight)
        else:
            total, units = self.objective.loss(scores(), targets)
        return BatchLoss(total, float(units))

    def fault(self, examples: IntArray, step: int) -> str:
        """Name the layer that gives no numbers."""
        return self.tuned.fault(pack_examples(self._chosen(examples, step)))

    def _chosen(self, examples: IntArray, step: int) -> list[Example]:
        return [
            self._reading.drawn(
                self.examples[int(number)], np.random.default_rng([self._seed, step, int(number)])
            )
            for number in examples
        ]

    def _in_units(self, values: Tensor) -> Tensor:
        return values if self._unit is None else values / self._unit
