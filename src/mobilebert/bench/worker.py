"""Processes that runners live in: what one of them loads, spoils or crashes meets no other.

Runtimes bring thread pools, memory allocators and settings of the processor with them. So each
runner has a process of its own, which sleeps while another one is measured.
"""

import multiprocessing
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.bench.cold import empty_caches
from mobilebert.bench.runners import Runner
from mobilebert.bench.ways import Call, Way
from mobilebert.bench.work import Caches, Work
from mobilebert.errors import MobileBertError

__all__ = ["RunnerFailure", "Worker", "in_own_process"]

Array = npt.NDArray[Any]

# A runner that says nothing for so long is given up. Compiling takes about a minute.
PATIENCE = 400.0

_LONGEST_REASON = 300


class RunnerFailure(Exception):
    """A runner cannot be used, for the reason in the message."""


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let processes started meanwhile ignore Ctrl-C, which is for the one that started them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


class _Process:
    """A process that answers requests over a pipe."""

    def __init__(self, serve: Callable[..., None], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, *arguments), daemon=True)
        with _interrupts_held():
            self._process.start()
        theirs.close()

    def receive(self, patience: float) -> Any:
        try:
            if not self._connection.poll(patience):
                raise RunnerFailure(f"said nothing for {patience:.0f} s")
            fine, value = self._connection.recv()
        except (EOFError, OSError):
            self._process.join(1)
            raise RunnerFailure(f"its process ended ({self._process.exitcode})") from None
        if not fine:
            raise RunnerFailure(value)
        return value

    def ask(self, request: Any, patience: float) -> Any:
        try:
            self._connection.send(request)
        except OSError:
            pass  # it has ended: so says `receive`
        return self.receive(patience)

    def close(self) -> None:
        self._connection.close()
        self._process.kill()
        self._process.join()


class Worker:
    """A runner in its own process.

    Args:
        runner: The runner.
        folder: The model's folder.
        patience: Seconds to wait for an answer.
    """

    def __init__(self, runner: Runner, folder: Path, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._process = _Process(_serve_runner, runner, folder)

    def load(self, work: Work, way: Way) -> tuple[list[Array], float]:
        """Make the work ready and do it once.

        Returns:
            An array for each text, and the seconds that this first time took.

        Raises:
            RunnerFailure: It could not.
        """
        found: tuple[list[Array], float] = self._process.ask((_load, work, way), self._patience)
        return found

    def times(self, calls: int, caches: Caches) -> tuple[list[float], dict[str, float]]:
        """Do the loaded work some times.

        Args:
            calls: How often.
            caches: What is done about the processor's caches.

        Returns:
            Seconds of each call, and what else was found out about the last one.

        Raises:
            RunnerFailure: It could not.
        """
        found: tuple[list[float], dict[str, float]] = self._process.ask(
            (_times, calls, caches), self._patience
        )
        return found

    def close(self) -> None:
        """End the process."""
        self._process.close()


def in_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a process that ends with it.

    Raises:
        RunnerFailure: It raised an error or its process ended.
    """
    process = _Process(_serve_once, function, arguments)
    try:
        return process.receive(PATIENCE)
    finally:
        process.close()


# What follows runs in the other process.


class _State:
    """What a runner's process remembers between requests."""

    def __init__(self, runner: Runner, folder: Path) -> None:
        self.runner, self.folder = runner, folder
        self.call: Call | None = None


def _timed(call: Call) -> tuple[Any, float]:
    start = time.perf_counter()
    result = call.run()
    seconds = time.perf_counter() - start
    return result, seconds if call.seconds is None else call.seconds(result)


def _load(state: _State, work: Work, way: Way) -> tuple[list[Array], float]:
    state.call = None  # the memory of the work before
    state.call = state.runner.load(state.folder, work, way)
    result, seconds = _timed(state.call)
    return [np.asarray(array, np.float32) for array in state.call.outputs(result)], seconds


def _times(state: _State, calls: int, caches: Caches) -> tuple[list[float], dict[str, float]]:
    assert state.call is not None
    seconds, result = [], None
    if caches is Caches.WARM:
        state.call.run()
    for _ in range(calls):
        if caches is Caches.COLD:
            empty_caches()
        result, taken = _timed(state.call)
        seconds.append(taken)
    return seconds, state.call.facts(result)


def _quiet() -> None:
    """Send what libraries say about themselves nowhere."""
    warnings.simplefilter("ignore")
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)


def _reason(error: BaseException) -> str:
    if isinstance(error, MobileBertError):
        return str(error)
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"[:_LONGEST_REASON]


def _serve_runner(connection: Connection, runner: Runner, folder: Path) -> None:
    _quiet()
    state = _State(runner, folder)
    while True:
        try:
            function, *arguments = connection.recv()
        except (EOFError, OSError):
            os._exit(0)  # nobody asks any more; some runtimes hang when they are taken down
        connection.send(_attempt(function, state, *arguments))


def _serve_once(
    connection: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    _quiet()
    connection.send(_attempt(function, *arguments))


def _attempt(function: Callable[..., Any], *arguments: Any) -> tuple[bool, Any]:
    """Call a function; whatever it raises is a reason, not the end of the process."""
    try:
        return True, function(*arguments)
    except Exception as error:
        return False, _reason(error)
