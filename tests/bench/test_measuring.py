"""Who is measured, who is refused, and what a failure leaves behind."""

from dataclasses import replace

import numpy as np
import pytest

from bench import fakes
from bench.fakes import WORK, InThisProcess, expected, runner
from mobilebert.bench.measuring import Effort, State, Workshop, largest_error, measure
from mobilebert.bench.runners import BOUNDS, Cost
from mobilebert.bench.work import Caches, Work
from mobilebert.bench.worker import RunnerFailure, Worker, in_own_process

EFFORT = Effort(rounds=4, seconds=5.0, least_rounds=2, turn_seconds=0.002, settle_seconds=0.0)


def records(tmp_path, *runners, work=WORK, effort=EFFORT):
    workshop = Workshop(tmp_path, InThisProcess)
    try:
        found = measure(work, runners, expected(work), 2, workshop, effort)
    finally:
        workshop.close()
    return {record["runner"]: record for record in found}


def test_a_runner_is_measured(tmp_path):
    record = records(tmp_path, runner("good"))["good"]
    assert record["state"] == "measured"
    assert record["error"] == 0
    assert record["median"] == record["least"] == record["p90"] == 0.001
    assert record["calls"] == 4 * 2  # rounds, and calls of a turn


def test_a_wrong_runner_is_not_timed(tmp_path):
    found = records(tmp_path, runner("good"), runner("wrong", fakes.load_wrong))
    assert found["wrong"]["state"] == State.WRONG
    assert "differ from the float64 reference by 0.33 > 0.0001" in found["wrong"]["reason"]
    assert "median" not in found["wrong"]
    assert found["good"]["state"] == State.MEASURED


def test_a_bound_belongs_to_an_element_type(tmp_path):
    """The twin: what is wrong in float32 is not looked at with the bound of another type."""
    wide = runner("wide", fakes.load_wrong, dtype="int8")
    assert records(tmp_path, wide)["wide"]["state"] == State.WRONG
    assert BOUNDS["float32"] < BOUNDS["bfloat16"] < BOUNDS["int8"]


def test_a_failure_is_a_row(tmp_path):
    found = records(tmp_path, runner("bad", fakes.load_failing), runner("good"))
    assert found["bad"]["state"] == State.FAILED
    assert found["bad"]["reason"].startswith("no such thing")
    assert found["good"]["calls"] == 8


def test_a_failure_in_a_round_leaves_no_times(tmp_path):
    found = records(tmp_path, runner("bad", fakes.load_failing_later), runner("good"))
    assert found["bad"]["state"] == State.FAILED
    assert "median" not in found["bad"]
    assert found["good"]["state"] == State.MEASURED


def test_what_is_not_installed_is_a_row(tmp_path):
    absent = runner("absent", modules=("a_library_that_nobody_has",))
    record = records(tmp_path, absent)["absent"]
    assert record["state"] == State.MISSING
    assert "a_library_that_nobody_has" in record["reason"]
    assert "pip install 'mobilebert[bench]'" in record["reason"]


@pytest.mark.parametrize(
    ("cost", "compiled", "dearest", "state"),
    [
        (Cost.COMPILATION, (), Cost.COMPILATION, State.LEFT_OUT),
        (Cost.COMPILATION, ("int8",), Cost.COMPILATION, State.LEFT_OUT),
        (Cost.COMPILATION, ("float32",), Cost.COMPILATION, State.MEASURED),
        (Cost.COMPILATION, ("float32",), Cost.SECONDS, State.LEFT_OUT),
        (Cost.EXPORT, (), Cost.SECONDS, State.LEFT_OUT),
        (Cost.EXPORT, (), Cost.EXPORT, State.MEASURED),
    ],
)
def test_costly_runners_are_kept_for_some_works(tmp_path, cost, compiled, dearest, state):
    work, effort = replace(WORK, compiled=compiled), replace(EFFORT, dearest=dearest)
    found = records(tmp_path, runner("dear", cost=cost), work=work, effort=effort)
    assert found["dear"]["state"] == state


def test_a_peer_is_taken_in_its_best_way(tmp_path):
    work = Work("", (8,) * 16)
    record = records(tmp_path, runner("peer", fakes.load_by_way), work=work)["peer"]
    assert record["way"] == "2 streams of 1 thread, batches of 8"
    assert record["median"] == 0.001
    assert len(record["probes"]) > 2


def test_a_hopeless_peer_need_not_try_everything(tmp_path):
    work = Work("", (8,) * 16)
    slow = runner("slow", fakes.load_by_way)
    quick = runner("quick")  # 0.001 s; the first way of the other takes 0.502 s
    found = records(tmp_path, slow, quick, work=work)
    assert len(found["slow"]["probes"]) == 1
    assert found["slow"]["calls"] == EFFORT.least_rounds
    assert found["quick"]["calls"] > found["slow"]["calls"]


def test_errors_are_of_tokens():
    wanted = [np.array([[1000.0, 1.0], [1.0, 0.5]])]
    found = [np.array([[1000.0, 1.0], [1.0, 0.6]])]
    assert largest_error(found, wanted) == pytest.approx(0.1)
    assert largest_error([found[0][:1]], wanted) == np.inf
    assert largest_error([found[0] * np.nan], wanted) == np.inf
    assert largest_error([], wanted) == np.inf


# Processes of their own.


def test_a_runner_works_in_its_own_process(tmp_path):
    worker = Worker(runner("good"), tmp_path)
    try:
        outputs, seconds = worker.load(WORK, None)
        assert [output.shape for output in outputs] == [(3, 4), (5, 4)]
        assert seconds >= 0
        times, facts = worker.times(3, Caches.WARM)
        assert len(times) == 3
        assert facts == {}
    finally:
        worker.close()


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        (fakes.load_failing, "ValueError: no such thing$"),
        (fakes.load_dying, r"its process ended \(3\)"),
        (fakes.load_sleeping, "said nothing for 2 s"),
    ],
)
def test_no_runner_takes_the_bench_with_it(tmp_path, load, reason):
    worker = Worker(runner("bad", load), tmp_path, patience=2.0 if "2 s" in reason else 60.0)
    try:
        with pytest.raises(RunnerFailure, match=reason):
            worker.load(WORK, None)
    finally:
        worker.close()


def test_a_process_for_one_call():
    assert in_own_process(max, 2, 3) == 3
    with pytest.raises(RunnerFailure, match="ZeroDivisionError"):
        in_own_process(divmod, 1, 0)


def test_a_process_ends_when_nobody_asks_any_more(tmp_path):
    worker = Worker(runner("good"), tmp_path)
    worker.load(WORK, None)
    process = worker._process
    process._connection.close()
    process._process.join(30)
    assert process._process.exitcode == 0
    worker.close()
