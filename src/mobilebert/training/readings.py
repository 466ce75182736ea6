"""How the head of each task meets its targets in a packed batch.

Dimensions: B sequences, T tokens of all sequences together, E examples, C logits, M rows.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mobilebert.corpora.masking import Masking, mask_tokens
from mobilebert.datasets.items import FinetuneTask
from mobilebert.torch.losses import IGNORED
from mobilebert.torch.packed import PackedBatch
from mobilebert.training.examples import Example
from mobilebert.training.objectives import choice_scores, span_scores

__all__ = ["Reading", "Wanted", "reading_of"]


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a batch.

    Attributes:
        targets: What is right, as the objective of the task takes it.
        rows: The tokens whose scores are needed, [M]; None for what the head reads by itself.
    """

    targets: Tensor
    rows: Tensor | None = None


class Reading(ABC):
    """Targets of a batch, and its scores in their shape."""

    def drawn(self, example: Example, generator: np.random.Generator) -> Example:
        """Return the example as it is read this time."""
        return example

    @abstractmethod
    def wanted(self, examples: Sequence[Example], batch: PackedBatch) -> Wanted:
        """Collect the targets of some examples."""

    @abstractmethod
    def guessing(self, example: Example, labels: int) -> float:
        """Return the loss of knowing nothing about an example, for each unit."""

    def shaped(self, scores: Tensor, examples: Sequence[Example]) -> Tensor:
        """Bring what the head gives, [M, C], into the shape of the targets."""
        return scores


class _OneForEach(Reading):
    """A class, labels or a standardised number for each example: scores [E, C].

    Args:
        guess: Loss of guessing; by default that of one of so many classes.
    """

    def __init__(self, guess: float | None = None) -> None:
        self._guess = guess

    def guessing(self, example: Example, labels: int) -> float:
        return math.log(labels) if self._guess is None else self._guess

    def wanted(self, examples: Sequence[Example], batch: PackedBatch) -> Wanted:
        targets = torch.from_numpy(np.stack([example.target for example in examples]))
        return Wanted(targets if targets.is_floating_point() else targets[:, 0].long())


class _Tags(Reading):
    """A tag for each word's first token: scores [M, C], of those alone."""

    def guessing(self, example: Example, labels: int) -> float:
        return math.log(labels)

    def wanted(self, examples: Sequence[Example], batch: PackedBatch) -> Wanted:
        tags = torch.from_numpy(np.concatenate([example.target for example in examples])).long()
        rows = (tags != IGNORED).nonzero()[:, 0]
        return Wanted(tags[rows], rows)


class _Span(Reading):
    """First and last token of the answer: scores [E, 2, longest], targets [E, 2]."""

    def guessing(self, example: Example, labels: int) -> float:
        return math.log(len(example.ids))

    def wanted(self, examples: Sequence[Example], batch: PackedBatch) -> Wanted:
        targets = torch.from_numpy(np.stack([example.target for example in examples]))
        return Wanted(targets.long())

    def shaped(self, scores: Tensor, examples: Sequence[Example]) -> Tensor:
        """[T, 2] -> [E, 2, longest]."""
        return span_scores(scores, torch.tensor([len(example.ids) for example in examples]))


class _Choice(Reading):
    """The right choice: scores [E, most choices]."""

    def guessing(self, example: Example, labels: int) -> float:
        return math.log(len(example.sequences))

    def wanted(self, examples: Sequence[Example], batch: PackedBatch) -> Wanted:
        return Wanted(torch.tensor([int(example.target[0]) for example in examples]))

    def shaped(self, scores: Tensor, examples: Sequence[Example]) -> Tensor:
        """[B, 1] -> [E, most choices]."""
        return choice_scores(scores, torch.tensor([len(example.sequences) for example in examples]))


class _Words(_Tags):
    """Masked words, drawn anew each time: scores [M, V], of those alone.

    Args:
        masking: How they are drawn.
    """

    def __init__(self, masking: Masking) -> None:
        self._masking = masking

    def guessing(self, example: Example, labels: int) -> float:
        return math.log(len(self._masking.special))

    def drawn(self, example: Example, generator: np.random.Generator) -> Example:
        masked = mask_tokens(example.ids, self._masking, generator)
        targets = np.full(len(example.ids), IGNORED)
        targets[masked.places] = masked.wanted
        return replace(example, ids=masked.ids, target=targets)


_READINGS: dict[FinetuneTask, Reading] = {
    FinetuneTask.TEXT_CLASSIFICATION: _OneForEach(),
    FinetuneTask.MULTI_LABEL: _OneForEach(math.log(2)),
    FinetuneTask.REGRESSION: _OneForEach(1.0),
    FinetuneTask.TOKEN_CLASSIFICATION: _Tags(),
    FinetuneTask.QUESTION_ANSWERING: _Span(),
    FinetuneTask.MULTIPLE_CHOICE: _Choice(),
}


def reading_of(task: FinetuneTask, masking: Masking | None = None) -> Reading:
    """Return how the head of a task meets its targets.

    Args:
        task: The task.
        masking: How words are masked, for a task that masks them.
    """
    if task is FinetuneTask.MASKED_LM:
        assert masking is not None  # that of the tokenizer
        return _Words(masking)
    return _READINGS[task]
