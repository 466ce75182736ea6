"""A model while it is tuned: the forward pass without padding, and the head that starts right.

Dimensions: B sequences, T tokens of all sequences together, H hidden_size, C logits, M rows.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mobilebert.tasks import Reads
from mobilebert.torch.packed import (
    PackedBatch,
    encode_packed,
    masked_lm_loss,
    masked_lm_scores,
    pack,
)
from mobilebert.torch.task_model import TaskModel
from mobilebert.training.arithmetic import arithmetic, first_lost
from mobilebert.training.examples import Example
from mobilebert.training.head import StandardizedHead, standardize_head
from mobilebert.training.settings import Precision

__all__ = ["TunedModel", "pack_examples"]


def pack_examples(examples: Sequence[Example]) -> PackedBatch:
    """Put the sequences of some examples one behind the other."""
    ids: list[np.ndarray[Any, Any]] = []
    types: list[np.ndarray[Any, Any]] = []
    for example in examples:
        borders = np.cumsum(example.sequences)[:-1]
        ids.extend(np.split(example.ids, borders))
        types.extend(np.split(example.types, borders))
    return pack(ids, types)


class TunedModel:
    """A model with a head that reads standardised features.

    Args:
        model: A model with a head.
        precision: Element type of the arithmetic.
    """

    def __init__(self, model: TaskModel[Any], precision: Precision) -> None:
        self.model = model
        self.precision = precision
        self.head: StandardizedHead | None = None

    @property
    def reads_first_tokens(self) -> bool:
        """Whether the head reads the first token of each sequence alone."""
        projection = self.model.task.projection
        return projection is not None and projection.reads is Reads.POOLED

    @property
    def weights(self) -> dict[str, Tensor]:
        """What may be trained, by name: the model's, with the head's in place of its own."""
        named = dict(self.model.named_parameters())
        if self.head is not None:
            for module in self.head.names:
                for part in ("weight", "bias"):
                    named.pop(f"{module}.{part}", None)
            named |= {f"standardized.{name}": x for name, x in self.head.named_parameters()}
        return {name: parameter for name, parameter in named.items() if parameter.requires_grad}

    def start_head(
        self,
        batches: Sequence[PackedBatch],
        targets: Tensor | None,
        prior: Tensor | None = None,
    ) -> None:
        """Standardise the head by the features of the first batches.

        Args:
            batches: Some sequences of the data.
            targets: Numbers a regression is to give, [N]; None for other tasks.
            prior: What a fresh head says before it has read anything, [C].

        Raises:
            InputError: The features hold infinity or NaN.
        """
        self.head = standardize_head(
            self.model,
            self._read(batches, training=False),
            targets=targets,
            prior=prior,
            bfloat16=self.precision is Precision.BFLOAT16,
        )

    def fit_head(self, batches: Sequence[PackedBatch], targets: Tensor, seed: int) -> bool:
        """Shift and scale the numbers of a trained regression, if they are far from other targets.

        Args:
            batches: Some sequences of the data.
            targets: What is wanted of them, [N].
            seed: Of dropout.

        Returns:
            Whether they were.
        """
        head = self.head
        assert head is not None  # it was started
        if not head.eval().is_far(self._read(batches, training=False), targets):
            return False
        device = self.model.device
        with torch.random.fork_rng(devices=[] if device.type == "cpu" else [device]):
            torch.manual_seed(seed)
            head.train().fit_(self._read(batches, training=True), targets)
        return True

    @torch.no_grad()
    def _read(self, batches: Sequence[PackedBatch], *, training: bool) -> Tensor:
        """Return what the head reads of some sequences, with dropout or without."""
        was_training = self.model.training
        self.model.train(training)
        features = torch.cat([self.features(batch) for batch in batches])
        self.model.train(was_training)
        return features

    def train(self) -> None:
        """Let dropout act."""
        self.model.train()
        if self.head is not None:
            self.head.train()

    def features(self, batch: PackedBatch, rows: Tensor | None = None) -> Tensor:
        """Return what the head reads, [M, H].

        Args:
            batch: The sequences.
            rows: Which tokens; first ones or all, as the head reads, by default.
        """
        if rows is None and self.reads_first_tokens:
            rows = batch.first
        with self._arithmetic():
            return encode_packed(self.model, batch, rows=rows).last_hidden_state

    def logits(self, batch: PackedBatch, rows: Tensor | None = None) -> Tensor:
        """Return the scores of the sequences, or of tokens, [M, C]."""
        features = self.features(batch, rows)
        if self.head is not None:
            scores: Tensor = self.head(features)
            return scores
        with self._arithmetic():
            return masked_lm_scores(self.model, features)

    def masked_lm_loss(self, batch: PackedBatch, rows: Tensor, wanted: Tensor) -> Tensor:
        """Return the mean cross-entropy of masked words, without keeping all their scores.

        Args:
            batch: The sequences.
            rows: Which tokens, [M], at least one.
            wanted: Their ids, [M].
        """
        with self._arithmetic():
            return masked_lm_loss(self.model, self.features(batch, rows), wanted)

    def fold(self) -> None:
        """Give the ordinary model the function of the standardised head."""
        if self.head is not None:
            self.head.fold_()

    def _arithmetic(self) -> AbstractContextManager[None]:
        return arithmetic(self.precision, self.model.device)

    def fault(self, batch: PackedBatch) -> str:
        """Name the first place where numbers are lost.

        Args:
            batch: The sequences of a step that failed.

        Returns:
            A layer, the head, or a parameter; empty if nothing is found.
        """

        def states() -> Sequence[Tensor]:
            with self._arithmetic():
                return (
                    encode_packed(self.model, batch, output_hidden_states=True).hidden_states or ()
                )

        scores = (lambda: self.logits(batch)) if self.head is not None else None
        return first_lost(self.weights, states, scores)
