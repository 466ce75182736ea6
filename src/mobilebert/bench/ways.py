"""The ways in which a runner may do a piece of work; each peer is taken at its best."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.bench.work import Work

__all__ = ["Call", "Forward", "PaddedBatch", "Way", "over_batches", "padded_batches", "ways_of"]

Array = npt.NDArray[Any]

# Padded ids and mask [B, S] to the last hidden state [B, S, H], of whatever type the runtime has.
Forward = Callable[[Array, Array], Any]

BATCH_SIZES = (8, 16, 1)


@dataclass(frozen=True)
class Way:
    """How the work is divided.

    Attributes:
        threads: Threads of one call.
        streams: Calls at the same time. Runtimes with a performance hint are told: latency for
            one, throughput for more.
        batch_size: Texts of one call, neighbours by length.
    """

    threads: int
    streams: int
    batch_size: int

    @property
    def padded(self) -> bool:
        """Whether texts of different lengths may meet in a batch."""
        return self.batch_size > 1

    def __str__(self) -> str:
        shown = f"{self.threads} threads" if self.threads > 1 else "1 thread"
        if self.streams > 1:
            shown = f"{self.streams} streams of {shown}"
        return f"{shown}, batches of {self.batch_size}" if self.batch_size > 1 else shown


@dataclass(frozen=True)
class PaddedBatch:
    """Texts of one call.

    Attributes:
        rows: Which texts.
        ids: Padded ids, [B, S].
        mask: 1 for tokens and 0 for padding, [B, S].
    """

    rows: tuple[int, ...]
    ids: Array
    mask: Array


def ways_of(work: Work, processors: int) -> tuple[Way, ...]:
    """List the ways in which a work can be done; the most likely to be fast come first.

    Args:
        work: The work.
        processors: How many may be used.
    """
    count = len(work.lengths)
    sizes = [size for size in BATCH_SIZES if size < count]
    if not work.mixed:
        sizes.insert(0, count)
    elif count <= 64:
        sizes.append(count)
    ways = [Way(processors, 1, size) for size in sizes]
    if processors > 1:
        ways += [Way(1, processors, size) for size in sizes if size * processors <= count]
        if count == 1:
            ways.append(Way(1, 1, 1))
    return tuple(ways)


def padded_batches(texts: Sequence[Array], batch_size: int) -> list[PaddedBatch]:
    """Sort texts by length, longest first, and pad neighbours to batches.

    Args:
        texts: Ids of each text.
        batch_size: Texts of a batch, at most.
    """
    order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
    batches = []
    for start in range(0, len(order), batch_size):
        rows = tuple(order[start : start + batch_size])
        shape = (len(rows), len(texts[rows[0]]))
        ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for place, row in enumerate(rows):
            ids[place, : len(texts[row])] = texts[row]
            mask[place, : len(texts[row])] = 1
        batches.append(PaddedBatch(rows, ids, mask))
    return batches


@dataclass(frozen=True)
class Call:
    """Work that is ready to be done, again and again.

    Attributes:
        run: Does the work; what it returns is given to `outputs`.
        outputs: One array for each text, out of what `run` returned; not part of the time.
        facts: What else `run` found out, such as memory.
        seconds: The time as `run` took it, for work that starts with a process.
    """

    run: Callable[[], Any]
    outputs: Callable[[Any], list[Array]]
    facts: Callable[[Any], dict[str, float]] = lambda _: {}
    seconds: Callable[[Any], float] | None = None


def over_batches(
    forward: Forward, texts: Sequence[Array], way: Way, to_array: Callable[[Any], Array]
) -> Call:
    """Make the work of a runtime that takes padded batches.

    Sorting and padding are done beforehand and cost the runtime nothing.

    Args:
        forward: One batch; called from several threads at once if the way has several streams.
        texts: Ids of each text.
        way: How to divide them.
        to_array: A float array from what `forward` returns.
    """
    batches = padded_batches(texts, way.batch_size)
    pool = ThreadPoolExecutor(way.streams) if way.streams > 1 else None

    def one(batch: PaddedBatch) -> Any:
        return forward(batch.ids, batch.mask)

    def run() -> list[Any]:
        return [one(batch) for batch in batches] if pool is None else list(pool.map(one, batches))

    def outputs(found: list[Any]) -> list[Array]:
        placed: dict[int, Array] = {}
        for batch, result in zip(batches, found, strict=True):
            states = to_array(result)
            for place, row in enumerate(batch.rows):
                placed[row] = states[place, : len(texts[row])]
        return [placed[row] for row in range(len(texts))]

    return Call(run, outputs)
