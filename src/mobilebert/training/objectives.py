"""What training makes small: for every task a loss of scores and targets, and its R-Drop form.

A loss is a sum and the number of units it is a sum over. Sums and numbers of parts of a batch, in
one process or several, add up to those of the batch, which means do not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from mobilebert.datasets.items import FinetuneTask
from mobilebert.errors import InputError
from mobilebert.torch.losses import IGNORED, summed_cross_entropy

__all__ = [
    "ClassObjective",
    "LabelObjective",
    "NumberObjective",
    "Objective",
    "Summed",
    "build_objective",
    "choice_scores",
    "r_drop",
    "span_scores",
]


class Summed(NamedTuple):
    """A sum of losses.

    Attributes:
        total: The sum, a number with gradients.
        units: How many units it is a sum over, weighted ones by their weight; a number.
    """

    total: Tensor
    units: Tensor

    def mean(self) -> Tensor:
        """Return the mean loss; 0, with zero gradients, where nothing counts."""
        return self.total / torch.where(self.units > 0, self.units, 1)


class Objective(Protocol):
    """The loss of a task."""

    def loss(self, scores: Tensor, targets: Tensor) -> Summed:
        """Return the loss of scores against targets."""
        ...

    def divergence(self, first: Tensor, second: Tensor, targets: Tensor) -> Tensor:
        """Return how far two passes differ, summed over the units that `loss` counts."""
        ...


@dataclass(frozen=True, eq=False)
class ClassObjective:
    """Cross-entropy: one of several classes, tags, words, positions or choices.

    Scores are [..., C]; one of -inf is no possible class (`span_scores`, `choice_scores`). Targets
    are class numbers, [...]; -100 does not count.

    Attributes:
        class_weights: How much a target of each class counts, [C]; 1 by default. The mean is the
            weighted one.
        label_smoothing: Share of the target that is spread over all possible classes (Szegedy et
            al. 2016, arXiv:1512.00567, section 7).
    """

    class_weights: Tensor | None = None
    label_smoothing: float = 0.0

    def loss(self, scores: Tensor, targets: Tensor) -> Summed:
        """Return the loss of scores [..., C] against class numbers [...].

        Raises:
            InputError: Another number of targets than of scores, or a target that is no class.
        """
        scores = _widened(scores)
        weights = self._weights(scores)
        total, units = summed_cross_entropy(scores, targets, "targets", weights)
        if self.label_smoothing:
            share = self.label_smoothing
            total = (1 - share) * total + share * self._spread(scores, targets)
        return Summed(total, units)

    def _spread(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Sum of the cross-entropies against targets spread evenly over the possible classes."""
        possible = scores != float("-inf")
        logs = F.log_softmax(scores, -1).masked_fill(~possible, 0)
        if (weights := self._weights(scores)) is not None:
            logs = logs * weights
        by_unit = -logs.sum(-1) / possible.sum(-1)
        return by_unit.masked_fill(targets == IGNORED, 0).sum()

    def divergence(self, first: Tensor, second: Tensor, targets: Tensor) -> Tensor:
        """Sum of the symmetric Kullback-Leibler divergences of the classes' probabilities."""
        logs, other_logs = (F.log_softmax(_widened(x), -1) for x in (first, second))
        impossible = first == float("-inf")
        logs, other_logs = (x.masked_fill(impossible, 0) for x in (logs, other_logs))
        # Where a class is impossible both logarithms are equal now, so that it adds 0.
        by_unit = ((logs.exp() - other_logs.exp()) * (logs - other_logs)).sum(-1) / 2
        if (weights := self._weights(by_unit)) is not None:
            by_unit = by_unit * weights[targets.long().clamp(min=0)]
        return by_unit.masked_fill(targets == IGNORED, 0).sum()

    def _weights(self, like: Tensor) -> Tensor | None:
        return None if self.class_weights is None else self.class_weights.to(like)


@dataclass(frozen=True, eq=False)
class LabelObjective:
    """Binary cross-entropy: each of several labels for itself.

    Scores are [B, C]; targets are 1, 0, or -100 where it is not known, [B, C]. A unit is a label
    of an example.

    Attributes:
        positive_weights: How much the loss of a label that is there counts, [C]; 1 by default.
            It changes the sum, not the number of units.
        label_smoothing: Share of the target that is spread over "is there" and "is not".
    """

    positive_weights: Tensor | None = None
    label_smoothing: float = 0.0

    def loss(self, scores: Tensor, targets: Tensor) -> Summed:
        """Return the loss of scores [B, C] against targets [B, C].

        Raises:
            InputError: Another shape of the targets.
        """
        _check_shape(scores, targets)
        scores, known = _widened(scores), targets != IGNORED
        wanted = targets.to(scores) * (1 - self.label_smoothing) + self.label_smoothing / 2
        weights = None if self.positive_weights is None else self.positive_weights.to(scores)
        by_label = F.binary_cross_entropy_with_logits(
            scores, wanted, pos_weight=weights, reduction="none"
        )
        return Summed(by_label.masked_fill(~known, 0).sum(), known.sum())

    def weight_of(self, shares: Tensor) -> float:
        """Return what a unit weighs in the mean, with which weights make guessing dearer.

        Args:
            shares: Share of the examples that have each label, [C].
        """
        if self.positive_weights is None:
            return 1.0
        wanted = shares * (1 - self.label_smoothing) + self.label_smoothing / 2
        weights = self.positive_weights.to(wanted)
        return float((weights * wanted + (1 - wanted)).mean())

    def divergence(self, first: Tensor, second: Tensor, targets: Tensor) -> Tensor:
        """Sum of the symmetric Kullback-Leibler divergences of the labels' probabilities."""
        first, second = _widened(first), _widened(second)
        # For two Bernoulli distributions the logarithms' differences are those of the scores.
        by_label = (first.sigmoid() - second.sigmoid()) * (first - second) / 2
        return by_label.masked_fill(targets == IGNORED, 0).sum()


@dataclass(frozen=True)
class NumberObjective:
    """Squared error: a number. Scores are [B] or [B, 1], targets [B]."""

    def loss(self, scores: Tensor, targets: Tensor) -> Summed:
        """Return the loss of scores [B] or [B, 1] against numbers [B].

        Raises:
            InputError: Another number of targets than of scores.
        """
        scores = _widened(scores.reshape(targets.shape) if _fits(scores, targets) else scores)
        _check_shape(scores, targets)
        total = F.mse_loss(scores, targets.to(scores), reduction="sum")
        return Summed(total, torch.tensor(targets.numel(), device=total.device))

    def divergence(self, first: Tensor, second: Tensor, targets: Tensor) -> Tensor:
        """Sum of the squared differences.

        The squared error is twice the negative log-likelihood of a normal distribution of
        variance 1, and this twice the divergence of two of them.
        """
        return F.mse_loss(_widened(first), _widened(second), reduction="sum")


def _fits(scores: Tensor, targets: Tensor) -> bool:
    return scores.numel() == targets.numel()


def _check_shape(scores: Tensor, targets: Tensor) -> None:
    if scores.shape != targets.shape:
        raise InputError(
            f"The targets have shape {tuple(targets.shape)}, but the scores have shape "
            f"{tuple(scores.shape)}; both have to be the same."
        )


def _widened(scores: Tensor) -> Tensor:
    """Return 16-bit scores as float32: sums of many losses need more digits."""
    return scores.to(torch.promote_types(scores.dtype, torch.float32))


def r_drop(
    objective: Objective, first: Tensor, second: Tensor, targets: Tensor, weight: float
) -> Summed:
    """Return the loss of two passes with different dropout that are also to agree.

    Liang et al. 2021 (arXiv:2106.14448), equations 1 to 3: ``-log p1 - log p2 + weight (KL(p1|p2)
    + KL(p2|p1)) / 2``. Half of it, so that it compares with the loss of one pass, and so that
    clipping means the same.

    Args:
        objective: The task's.
        first: Scores of the one pass.
        second: Scores of the other.
        targets: The targets of both.
        weight: Of the divergence, alpha in the paper; at least 0.
    """
    one, other = objective.loss(first, targets), objective.loss(second, targets)
    divergence = objective.divergence(first, second, targets)
    return Summed((one.total + other.total + weight * divergence) / 2, one.units)


def span_scores(scores: Tensor, lengths: Tensor) -> Tensor:
    """Arrange the scores of packed positions as classes: of starts, and of ends.

    Args:
        scores: Of each position as start and as end, [T, 2].
        lengths: Positions of each sequence, T in all, [B].

    Returns:
        Scores of the longest sequence's positions, [B, 2, S]; -inf after a sequence's end. Their
        targets are [B, 2]; the mean loss is the mean of those of start and end.
    """
    return _padded(scores, lengths).transpose(1, 2)


def choice_scores(scores: Tensor, counts: Tensor) -> Tensor:
    """Arrange the scores of choices as classes.

    Args:
        scores: Of all choices of all examples, one after the other, [N] or [N, 1].
        counts: Choices of each example, N in all, [B].

    Returns:
        Scores, [B, largest count]; -inf after the last choice of an example.
    """
    return _padded(scores.reshape(-1), counts)


def _padded(values: Tensor, lengths: Tensor) -> Tensor:
    """[T, ...] -> [B, S, ...], filled up with -inf."""
    longest = int(lengths.max())
    is_there = torch.arange(longest, device=values.device) < lengths.to(values.device)[:, None]
    padded = values.new_full((*is_there.shape, *values.shape[1:]), float("-inf"))
    return padded.index_put((is_there,), values)


_OBJECTIVES: dict[FinetuneTask, tuple[Callable[..., Objective], tuple[str, ...]]] = {
    FinetuneTask.TEXT_CLASSIFICATION: (ClassObjective, ("class_weights", "label_smoothing")),
    FinetuneTask.MULTI_LABEL: (LabelObjective, ("positive_weights", "label_smoothing")),
    FinetuneTask.REGRESSION: (NumberObjective, ()),
    FinetuneTask.TOKEN_CLASSIFICATION: (ClassObjective, ("class_weights", "label_smoothing")),
    FinetuneTask.QUESTION_ANSWERING: (ClassObjective, ("label_smoothing",)),
    FinetuneTask.MULTIPLE_CHOICE: (ClassObjective, ("label_smoothing",)),
    FinetuneTask.MASKED_LM: (ClassObjective, ("label_smoothing",)),
}


def build_objective(
    task: FinetuneTask,
    *,
    class_weights: Tensor | None = None,
    positive_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Objective:
    """Return the loss of a task.

    Args:
        task: The task.
        class_weights: How much a target of each class counts, [C].
        positive_weights: How much the loss of a label that is there counts, [C]; for tasks with
            several labels.
        label_smoothing: At least 0, below 1; 0 for none.

    Raises:
        InputError: A setting that the task does not have, or a number outside its range.
    """
    if not 0 <= label_smoothing < 1:
        raise InputError(
            f"label_smoothing is {label_smoothing}; allowed are numbers of at least 0, below 1."
        )
    for name, weights in (("class_weights", class_weights), ("positive_weights", positive_weights)):
        if weights is not None and not bool((weights.isfinite() & (weights >= 0)).all()):
            raise InputError(f"{name} holds {weights.tolist()}; allowed are numbers of at least 0.")
    given: dict[str, Any] = {}
    if class_weights is not None:
        given["class_weights"] = class_weights
    if positive_weights is not None:
        given["positive_weights"] = positive_weights
    if label_smoothing:
        given["label_smoothing"] = label_smoothing
    build, known = _OBJECTIVES[task]
    for name in given:
        if name not in known:
            raise InputError(
                f"The task {task} has no {name}; it has {', '.join(known) or 'no such setting'}."
            )
    return build(**given)
