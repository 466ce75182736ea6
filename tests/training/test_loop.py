import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from mobilebert.errors import CheckpointError, InputError, TrainingError
from mobilebert.training.loop import BEST_FILE, STATE_FILE, Score
from mobilebert.training.saved_state import read_snapshots
from tolerances import TWO_PROCESSES
from training.toy_workload import Line, loop


def assert_same(one, other):
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


def differ(one, other):
    return any(not torch.equal(tensor, other[name]) for name, tensor in one.items())


def trained(**options):
    line = Line(dropout=0.3)
    loop(line, **options).run()
    return line.values()


def test_it_learns():
    line = Line()
    progress = loop(line, steps=600).run()
    assert progress.step == 600
    assert line.weights["b"].item() == pytest.approx(3, abs=0.05)
    losses = [entry["loss"] for entry in progress.history if "loss" in entry]
    assert losses[-1] < 0.01 * losses[0]


def test_weights_that_nothing_reads_stay():
    assert torch.equal(trained()["unused"], torch.ones(2))


def test_parts_of_a_batch_change_nothing():
    whole, parts = Line(), Line()
    loop(whole, batch_size=16).run()
    loop(parts, batch_size=16, micro_tokens=10).run()
    for name, tensor in whole.values().items():
        torch.testing.assert_close(parts.values()[name], tensor, **TWO_PROCESSES)


def test_the_seed_decides_dropout():
    assert_same(trained(seed=1), trained(seed=1))
    assert differ(trained(seed=1), trained(seed=2))


def test_a_loop_behind_another_goes_on_with_batches_and_dropout():
    whole, parts = Line(dropout=0.3), Line(dropout=0.3)
    loop(whole, steps=40).run()
    optimizer = torch.optim.AdamW(list(parts.weights.values()), lr=0.05)
    loop(parts, steps=25, optimizer=optimizer).run()
    progress = loop(parts, steps=15, offset=25, optimizer=optimizer).run()
    assert_same(whole.values(), parts.values())
    last = progress.history[-1]
    assert (last["step"], last["epoch"]) == (15, 4.0)  # 10 steps are an epoch


def test_the_random_numbers_of_others_stay_as_they_were():
    torch.manual_seed(4)
    wanted = torch.rand(3)
    torch.manual_seed(4)
    trained()
    assert torch.equal(torch.rand(3), wanted)


class Loses:
    """A listener that makes a weight NaN behind a step, once."""

    def __init__(self, line, step):
        self.line, self.step = line, step

    @torch.no_grad()
    def moved(self, progress, rate):
        if progress.step == self.step:
            self.step = None
            self.line.weights["w"].fill_(float("nan"))

    def happened(self, entry):
        pass


@pytest.mark.parametrize("step", [10, 13])
def test_a_state_with_lost_weights_is_not_kept(tmp_path, step):
    line = Line()
    listener = Loses(line, step)
    progress = loop(line, remember_every=5, listener=listener, directory=tmp_path).run()
    (went_back,) = [e for e in progress.history if e.get("event") == "went back"]
    assert went_back["to"] == step - step % 5 - (5 if step % 5 == 0 else 0)
    assert all(weight.isfinite().all() for weight in line.values().values())


def test_lost_weights_are_not_what_is_gone_back_to():
    """States in memory are as good as those on disk."""
    line = Line()
    progress = loop(line, steps=60, checkpoint_every=1000, listener=Loses(line, 50)).run()
    (went_back,) = [e for e in progress.history if e.get("event") == "went back"]
    assert went_back["to"] == 0
    assert progress.step == 60


def test_any_number_is_better_than_none():
    scores = iter([float("nan"), 0.25, float("nan"), 0.125])
    line = Line()
    progress = loop(
        line, evaluate=lambda: Score(next(scores), {}), evaluate_every=10, steps=40
    ).run()
    assert (progress.best_score, progress.best_step) == (0.25, 20)


class Stops(Exception):
    pass


class StopsAt:
    """A listener that ends the program at a step, as a crash would."""

    def __init__(self, step):
        self.step = step

    def moved(self, progress, rate):
        if progress.step == self.step:
            raise Stops

    def happened(self, entry):
        pass


@pytest.mark.parametrize("step", [1, 9, 10, 11, 39])
def test_a_run_goes_on_as_if_nothing_had_happened(tmp_path, step):
    options = {"directory": tmp_path, "fingerprint": "f", "checkpoint_every": 5}
    wanted = trained(checkpoint_every=5)
    with pytest.raises(Stops):
        trained(listener=StopsAt(step), **options)
    line = Line(dropout=0.3)
    # The first weights come from the state, not from what the model had.
    with torch.no_grad():
        line.weights["w"].fill_(7)
    progress = loop(line, **options).run(resume=True)
    assert_same(line.values(), wanted)
    assert [e for e in progress.history if e.get("event") == "resumed"]
    # Another state must give other weights.
    state = tmp_path / STATE_FILE
    assert read_snapshots(state, "f")[0].progress.step == 40
    other = Line(dropout=0.3)
    loop(other, **(options | {"seed": 9})).run()
    assert differ(other.values(), wanted)


def test_a_finished_run_is_left_as_it_is(tmp_path):
    options = {"directory": tmp_path, "fingerprint": "f"}
    wanted = trained(**options)
    line = Line(dropout=0.3)
    loop(line, **options).run(resume=True)
    assert_same(line.values(), wanted)


def test_a_state_of_another_run_is_refused(tmp_path):
    trained(directory=tmp_path, fingerprint="one")
    with pytest.raises(InputError, match="other data, settings, another model or another"):
        loop(Line(), directory=tmp_path, fingerprint="two").run(resume=True)


def test_a_damaged_state_is_refused(tmp_path):
    trained(directory=tmp_path)
    state = tmp_path / STATE_FILE
    state.write_bytes(state.read_bytes()[:50])
    with pytest.raises(CheckpointError, match=r"state\.safetensors"):
        loop(Line(), directory=tmp_path).run(resume=True)


def test_a_step_without_a_number_is_taken_back_and_the_rate_halved(tmp_path):
    line = Line(poison={12: 1})
    progress = loop(line, directory=tmp_path, remember_every=5).run()
    (event,) = [entry for entry in progress.history if "event" in entry]
    assert event["to"] == 10
    assert event["reason"] == "step 13: the loss is nan; first seen in w"
    assert progress.rate_scale == 0.5
    assert progress.step == 40
    assert all(torch.isfinite(tensor).all() for tensor in line.values().values())
    rates = [entry["rate"] for entry in progress.history if "rate" in entry]
    assert rates[0] == 0.05
    assert rates[-1] == 0.025


def test_a_step_that_never_works_ends_with_the_last_good_weights():
    line = Line(poison={12: 99})
    with pytest.raises(TrainingError, match=r"1/64 of the learning rate .* step 10\."):
        loop(line, remember_every=5).run()
    wanted = Line()
    loop(wanted, steps=10).run()
    assert_same(line.values(), wanted.values())


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_run_that_is_given_up_ends_with_the_best_weights(tmp_path, on_disk):
    options = {"evaluate_every": 5, "remember_every": 5, "ends_with_best": True, "fingerprint": "f"}
    options |= {"directory": tmp_path} if on_disk else {}
    line, wanted = Line(poison={12: 99}), Line()
    judge = Judge(0.9, 0.5)
    progress = loop(line, evaluate=judge, **options).run()
    assert (progress.step, progress.best_step) == (10, 5)
    events = [entry["event"] for entry in progress.history if "event" in entry]
    assert events == ["went back"] * 6 + ["gave up"]
    reason = progress.history[-1]["reason"]
    assert reason.startswith("it diverges even with 1/64 of the learning rate; step 13: the loss")
    loop(wanted, steps=5).run()
    assert_same(line.values(), wanted.values())
    if on_disk:  # it is not tried again
        again = Line()
        loop(again, evaluate=Judge(), **options).run(resume=True)
        assert_same(again.values(), wanted.values())


@pytest.mark.parametrize("scores", [(), (float("nan"), float("nan"))])
def test_a_run_without_best_weights_is_given_up_with_an_error(scores):
    judge = Judge(*scores) if scores else None
    options = {"evaluate_every": 5, "remember_every": 5, "ends_with_best": True}
    with pytest.raises(TrainingError, match=r"step 10\."):
        loop(Line(poison={12: 99}), evaluate=judge, **options).run()


def test_a_loss_that_grows_is_noticed():
    line = Line()
    optimizer = torch.optim.SGD(list(line.weights.values()), lr=5.0)
    progress = loop(line, steps=300, optimizer=optimizer, clip=1e9, remember_every=20).run()
    events = [entry["reason"] for entry in progress.history if "event" in entry]
    assert any("the loss has grown to" in reason for reason in events)
    assert progress.rate_scale < 1
    losses = [entry["loss"] for entry in progress.history if "loss" in entry]
    assert losses[-1] < losses[0]


class Judge:
    """Scores in a given order."""

    def __init__(self, *values):
        self.values = list(values)

    def __call__(self):
        value = self.values.pop(0)
        return Score(value, {"accuracy": value})


@pytest.mark.parametrize("on_disk", [False, True])
def test_the_best_weights_are_taken(tmp_path, on_disk):
    options = {"directory": tmp_path} if on_disk else {}
    line = Line()
    judge = Judge(0.1, 0.9, 0.5, 0.9)
    progress = loop(line, evaluate=judge, evaluate_every=10, **options).run()
    assert progress.best_step == 20
    wanted, other = Line(), Line()
    loop(wanted, steps=20).run()
    loop(other, steps=40).run()
    assert_same(line.values(), wanted.values())
    assert differ(line.values(), other.values())
    assert (tmp_path / BEST_FILE).exists() == on_disk
    scores = [e["metrics"]["accuracy"] for e in progress.history if "metrics" in e]
    assert scores == [0.1, 0.9, 0.5, 0.9]


def test_it_stops_when_nothing_is_gained():
    judge = Judge(0.5, 0.9, 0.8, 0.7)
    progress = loop(Line(), steps=400, evaluate=judge, evaluate_every=10, patience=2).run()
    assert progress.step == 40
    assert not judge.values


def test_a_disk_that_is_full_keeps_the_last_state(tmp_path, monkeypatch):
    trained(directory=tmp_path, steps=10, fingerprint="f")
    before = (tmp_path / STATE_FILE).read_bytes()

    def full(tensors, path, metadata):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mobilebert.training.saved_state.save_file", full)
    with pytest.raises(CheckpointError, match="No space left on device"):
        loop(Line(), directory=tmp_path, fingerprint="f").run()
    assert (tmp_path / STATE_FILE).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE]


PROGRAM = """
import sys, json, signal, time
from pathlib import Path
# Whoever started the tests may ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
import torch
torch.set_num_threads(1)
from training.toy_workload import Line, loop
line = Line(dropout=0.3)
class Slow:
    def moved(self, progress, rate):
        print(progress.step, flush=True)
        time.sleep(0.005)
    def happened(self, entry): pass
options = {"directory": Path(sys.argv[1]), "fingerprint": "f", "checkpoint_every": 7}
loop(line, steps=150, listener=Slow(), **options).run(resume=True)
print(json.dumps({name: x.tolist() for name, x in line.values().items()}))
"""


def program(directory):
    tests = str(Path(__file__).parents[1])
    code = f"import sys; sys.path.insert(0, {tests!r})\n{PROGRAM}"
    return subprocess.Popen(
        [sys.executable, "-c", code, str(directory)], stdout=subprocess.PIPE, text=True
    )


def wait_for_step(process, step):
    for line in process.stdout:
        if line.strip() == str(step):
            return
    raise AssertionError("ended early")


def test_killed_at_random_steps_it_ends_with_the_same_weights(tmp_path):
    drawn = np.random.default_rng(int(time.time()))
    places = np.sort(drawn.choice(np.arange(1, 140), 2, replace=False))
    for step in places:
        process = program(tmp_path)
        first = int(process.stdout.readline())
        wait_for_step(process, max(int(step), first + 1))
        process.kill()
        process.communicate()
    process = program(tmp_path)
    output, _ = process.communicate()
    found = json.loads(output.splitlines()[-1])
    line = Line(dropout=0.3)
    loop(line, steps=150, checkpoint_every=7).run()
    assert found == {name: x.tolist() for name, x in line.values().items()}, places


def test_two_processes_do_what_one_does(tmp_path):
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", TWO, str(Path(__file__).parents[1]), str(tmp_path)],
            env=os.environ | group | {"RANK": str(rank), "WORLD_SIZE": "2"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for group in [{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}]
        for rank in (0, 1)
    ]
    first, second = (json.loads(run.communicate()[0]) for run in runs)
    assert first == second
    line = Line()
    loop(line, steps=30, batch_size=5).run()
    for name, tensor in line.values().items():
        found = torch.tensor(first[name])
        torch.testing.assert_close(found, tensor, **TWO_PROCESSES)
        if name != "unused":
            assert not torch.allclose(found, tensor + 1e-3, **TWO_PROCESSES)


TWO = """
import sys, json
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
torch.set_num_threads(1)
from training.toy_workload import Line, loop
from mobilebert.training.processes import joined_processes
from mobilebert.training.loop import Score
with joined_processes() as processes:
    assert processes.count == 2
    line = Line()
    judge = lambda: Score(0.5, {}) if processes.is_first else 1 / 0
    options = {"evaluate": judge, "directory": Path(sys.argv[2])}
    # 37 rows in batches of 5: the last batch leaves one process without rows now and then.
    loop(line, steps=30, batch_size=5, processes=processes, **options).run()
from mobilebert.training.saved_state import read_snapshots
snapshot, _ = read_snapshots(Path(sys.argv[2]) / "state.safetensors", "")
print(json.dumps({n: snapshot.tensors["weights/" + n].tolist() for n in line.weights}))
"""


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, -2), (signal.SIGTERM, 143)])
def test_a_signal_keeps_the_step(tmp_path, number, status):
    process = program(tmp_path)
    wait_for_step(process, 30)
    process.send_signal(number)
    output, _ = process.communicate()
    last = int(output.splitlines()[-1]) if output else 30
    assert process.returncode == status
    assert read_snapshots(tmp_path / STATE_FILE, "f")[0].progress.step == last < 150


def test_a_signal_while_the_last_step_is_judged_is_not_lost(tmp_path):
    def evaluate():
        signal.raise_signal(signal.SIGTERM)
        return Judge(0.5)()

    options = {"directory": tmp_path, "fingerprint": "f", "steps": 20}
    with pytest.raises(SystemExit) as ended:
        loop(Line(), evaluate=evaluate, evaluate_every=20, **options).run()
    assert ended.value.code == 143
    progress = loop(Line(), evaluate=Judge(), evaluate_every=20, **options).run(resume=True)
    assert progress.step == progress.best_step == 20


def test_it_goes_back_to_what_is_in_memory():
    line = Line(poison={70: 1})
    progress = loop(line, steps=90, checkpoint_every=1000).run()
    (event,) = [entry for entry in progress.history if "event" in entry]
    assert event["to"] == 50
