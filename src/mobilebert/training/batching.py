"""Which examples make up which batch: a pure function of seed and step.

Nothing has to be stored to go on where a run was interrupted: the batches of a step are computed
again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["BatchPlan", "FloatArray", "micro_batches"]

IntArray = npt.NDArray[np.integer[Any]]
FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class BatchPlan:
    """The batches of every step.

    In each epoch examples are shuffled and cut into batches, so which ones meet is chance alone:
    nothing is padded to the longest of a batch (`torch.packed`), and batches of similar lengths
    would be batches of similar texts.

    Attributes:
        lengths: Tokens of each example, [examples].
        batch_size: Examples of a batch; the last one of an epoch may have fewer.
        seed: Of the order.
        weights: How often an example is drawn, relative to others, [examples]. With them an epoch
            draws as many examples as there are, with replacement; without, each one once.
        passes: How often an epoch has an example on the mean, [examples]: that often, up to the
            whole number below or above. None for once.
    """

    lengths: IntArray
    batch_size: int
    seed: int
    weights: FloatArray | None = None
    passes: FloatArray | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        return -(-self.examples_per_epoch // self.batch_size)

    @property
    def examples_per_epoch(self) -> int:
        """Examples that an epoch has, those that it has twice counted twice."""
        if self.passes is None:
            return len(self.lengths)
        return max(1, round(float(self.passes.sum())))

    def batch(self, step: int) -> IntArray:
        """Return the examples of a step, longest first.

        Args:
            step: Counted from 0 over all epochs.
        """
        epoch, place = divmod(step, self.steps_per_epoch)
        return self._epoch(epoch)[place]

    def _epoch(self, epoch: int) -> list[IntArray]:
        return _epoch_batches(self, epoch)


@lru_cache(maxsize=2)
def _epoch_batches(plan: BatchPlan, epoch: int) -> list[IntArray]:
    draw = np.random.default_rng([plan.seed, epoch])
    count = plan.examples_per_epoch
    if plan.passes is not None:
        order = draw.permutation(_passed(plan.passes, count, draw))
    elif plan.weights is None:
        order = draw.permutation(count)
    else:
        order = draw.choice(count, size=count, p=plan.weights / plan.weights.sum())
    batches = [order[i : i + plan.batch_size] for i in range(0, count, plan.batch_size)]
    # Stable, so that equal lengths stay in the drawn order on every platform.
    return [part[np.argsort(-plan.lengths[part], kind="stable")] for part in batches]


def _passed(passes: FloatArray, count: int, draw: np.random.Generator) -> IntArray:
    """Return the examples of an epoch, by systematic sampling (Madow 1949) in a drawn order."""
    order = draw.permutation(len(passes))
    ends = np.cumsum(passes[order])
    # Equal distances, from anywhere: an example has as many as its part of the way is long.
    places = (np.arange(count) + draw.random()) * (ends[-1] / count)
    # Rounding may put the last one at the end of the way.
    passed: IntArray = order[np.searchsorted(ends[:-1], places, side="right")]
    return passed


def micro_batches(examples: IntArray, lengths: IntArray, tokens: int) -> Iterator[IntArray]:
    """Cut a batch into parts that fit into memory.

    Args:
        examples: The examples of a batch.
        lengths: Tokens of each example of the data, [examples of the data].
        tokens: How many tokens a part may have; a longer example is a part of its own.

    Yields:
        The examples of each part, in order.
    """
    start, taken = 0, 0
    for place, example in enumerate(examples):
        length = int(lengths[example])
        if place > start and taken + length > tokens:
            yield examples[start:place]
            start, taken = place, 0
        taken += length
    if start < len(examples):
        yield examples[start:]
