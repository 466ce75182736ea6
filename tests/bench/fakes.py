"""Runners that compute nothing, for the bench room: quick, slow, wrong, failing and dying ones."""

import os
import time

import numpy as np

from mobilebert.bench.runners import Runner
from mobilebert.bench.ways import Call
from mobilebert.bench.work import Work
from mobilebert.bench.worker import RunnerFailure
from models import small_config

WORK = Work("two texts", (3, 5))


def expected(work):
    """What right runners return: for each text its length and ones."""
    return [np.full((length, 4), length, float) for length in work.lengths]


def load_right(folder, work, way):
    return Call(lambda: None, lambda _: expected(work))


def load_wrong(folder, work, way):
    return Call(lambda: None, lambda _: [array + 1 for array in expected(work)])


def load_failing(folder, work, way):
    raise ValueError("no such thing\nand more lines")


def load_dying(folder, work, way):
    os._exit(3)


def load_sleeping(folder, work, way):
    time.sleep(60)


def load_failing_later(folder, work, way):
    calls = []

    def run():
        calls.append(1)
        if len(calls) > 6:
            raise MemoryError("no more")

    return Call(run, lambda _: expected(work))


def load_by_way(folder, work, way):
    """Seconds as the way has threads; one stream of batches of 8 is best."""
    seconds = 0.001 * way.threads + (0 if way.batch_size == 8 else 0.5)
    return Call(lambda: None, lambda _: expected(work), seconds=lambda _: seconds)


def runner(name, load=load_right, dtype="float32", **options):
    return Runner(name, dtype, load, **options)


class InThisProcess:
    """Stands for `Worker`, without a process."""

    def __init__(self, runner, folder):
        self.runner, self.folder, self.closed = runner, folder, False

    def load(self, work, way):
        self.call = self._attempt(self.runner.load, self.folder, work, way)
        result = self._attempt(self.call.run)
        return self.call.outputs(result), self._seconds(result)

    def times(self, calls, caches):
        return [self._seconds(self._attempt(self.call.run)) for _ in range(calls)], {}

    def close(self):
        self.closed = True

    def _seconds(self, result):
        return 0.001 if self.call.seconds is None else self.call.seconds(result)

    def _attempt(self, function, *arguments):
        try:
            return function(*arguments)
        except Exception as error:
            raise RunnerFailure(str(error)) from None


def bench_config():
    """A model of the default architecture, small, with the bundled vocabulary."""
    return small_config(vocab_size=30522, max_position_embeddings=64)
