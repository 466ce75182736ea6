"""Several processes that make shards, fed with units as they have time for them.

Each shard depends on nothing but its unit, so the number of processes changes nothing in what is
written. Few units wait at a time, so memory does not grow with the text.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for
from multiprocessing.queues import Queue
from typing import Any

from mobilebert.corpora.making import ShardMaker
from mobilebert.corpora.manifest import ShardRecord
from mobilebert.corpora.units import Unit
from mobilebert.errors import TrainingError

__all__ = ["make_shards"]

# Units that are read while others are worked on.
_AHEAD = 1

_maker: ShardMaker | None = None


def make_shards(
    units: Iterable[Unit], arguments: tuple[Any, ...], processes: int
) -> Iterator[tuple[int, ShardRecord]]:
    """Make the shards of units.

    Args:
        units: The units; read as they are needed.
        arguments: Those of `ShardMaker`, for each process.
        processes: How many; one is this process.

    Yields:
        Characters of a unit and its shard, in the order in which they are finished.

    Raises:
        CheckpointError: A shard cannot be written.
        TrainingError: A process was ended from outside.
    """
    if processes == 1:
        maker = ShardMaker(*arguments)
        for unit in units:
            yield unit.size, maker.make(unit)
        return
    context = multiprocessing.get_context("spawn")
    # A tokenizer is more than a pipe takes at once: given to the start of a process that ends
    # before it reads, it would be waited for forever. A queue writes from a thread.
    given = context.Queue()
    for _ in range(processes):
        given.put(arguments)
    pool = ProcessPoolExecutor(processes, context, _start, (given,))
    waiting: dict[Future[ShardRecord], int] = {}
    try:
        for unit in units:
            waiting[pool.submit(_make, unit)] = unit.size
            if len(waiting) >= processes + _AHEAD:
                yield from _finished(waiting)
        while waiting:
            yield from _finished(waiting)
    except BrokenProcessPool:
        raise TrainingError(
            "A process that prepares data was ended, perhaps for want of memory. What is finished "
            "stays: the same command goes on; --processes 1 needs the least memory. In a script "
            "of your own, call this below `if __name__ == '__main__':`."
        ) from None
    finally:
        # What is being made is finished and noted, so that an interruption loses nothing.
        pool.shutdown(wait=True, cancel_futures=True)
        given.cancel_join_thread()


def _finished(waiting: dict[Future[ShardRecord], int]) -> Iterator[tuple[int, ShardRecord]]:
    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
    for future in done:
        yield waiting.pop(future), future.result()


def _start(given: "Queue[tuple[Any, ...]]") -> None:
    """Prepare a process: it works with one thread, and ends with the one that started it."""
    global _maker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that feeds this one
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _maker = ShardMaker(*given.get())


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)


def _make(unit: Unit) -> ShardRecord:
    assert _maker is not None  # made when the process started
    return _maker.make(unit)
