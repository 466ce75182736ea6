"""What a person sees of long work."""

import io
import re
import sys
import time

import pytest

from mobilebert.training import progress_bar
from mobilebert.training.saved_state import Progress

EVALUATION = {"step": 3, "epoch": 0.5, "metrics": {"accuracy": 0.75, "loss": 0.25}}
WENT_BACK = {"step": 3, "epoch": 0.5, "event": "went back", "to": 0, "reason": "it diverged"}
LOSSES = {"step": 3, "epoch": 0.5, "loss": 0.25, "rate": 1e-5}
LINES = [
    "step 3, epoch 0.50: accuracy 0.75, loss 0.25",
    "step 3, epoch 0.50: went back (it diverged)",
]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize(("total", "wanted"), [(4000, "4000/4000"), (None, "4000row")])
def test_rows_are_counted_on_a_terminal(monkeypatch, shown, total, wanted):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(progress_bar, "_SOON", 0.0)
    with progress_bar.counting(total, "encoding", shown=shown) as done:
        for count in range(1, 4001):
            done(count)
    written = sys.stderr.getvalue()
    assert (wanted in written) == shown


def test_what_takes_no_time_gets_no_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(progress_bar, "_SOON", 1e9)
    with progress_bar.counting(10, "encoding", shown=True) as done:
        done(10)
    assert sys.stderr.getvalue() == ""


def test_a_file_gets_no_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(progress_bar, "_SOON", 0.0)
    with progress_bar.counting(10, "encoding", shown=True) as done:
        done(10)
    assert sys.stderr.getvalue() == ""


def run_shown(monkeypatch, stream, steps, entries=(), total=100, label=""):
    """What a bar writes of some steps, and of what happens behind them."""
    monkeypatch.setattr(sys, "stderr", stream)
    bar = progress_bar.ProgressBar(total, label)
    for number, step in enumerate(steps):
        time.sleep(0.12)  # it is drawn ten times a second at most
        bar.moved(Progress(step=step, smoothed_loss=0.5 if number else None), 1e-5)
    for entry in entries:
        bar.happened(entry)
    bar.close()
    return stream.getvalue()


def drawings(written, total=100):
    """Step, time left in seconds, and what stands behind the speed, of each time it was drawn."""
    found = re.findall(rf"(\d+)/{total} \[[\d:]+<([\d:?]+), +[\d.?]+\w+/\w+([^\]]*)\]", written)
    return [
        (int(step), None if left == "?" else 60 * int(left[:2]) + int(left[3:]), behind)
        for step, left, behind in found
    ]


def test_steps_have_loss_rate_and_time_left(monkeypatch):
    *shown, _ = drawings(run_shown(monkeypatch, Terminal(), [1, 2, 3]))
    assert [step for step, *_ in shown] == [0, 1, 2, 3]
    assert [behind for *_, behind in shown] == [
        "",
        ", loss -, rate 1e-05",
        ", loss 0.5, rate 1e-05",
        ", loss 0.5, rate 1e-05",
    ]
    # A step took 0.12 s, or longer on a busy machine.
    assert all(left >= 11 for _, left, _ in shown[1:])


@pytest.mark.parametrize(("label", "prefix"), [("", ""), ("seed 3", "seed 3: ")])
def test_evaluations_and_events_are_lines_above_the_bar(monkeypatch, label, prefix):
    entries = [EVALUATION, LOSSES, WENT_BACK]
    written = run_shown(monkeypatch, Terminal(), [1], entries, label=label)
    lines = [line.rsplit("\r", 1)[-1].rstrip() for line in written.split("\n")]
    assert lines[:2] == [f"{prefix}{line}" for line in LINES]
    (bar,) = filter(None, lines[2:])
    assert bar.startswith(f"{prefix}  1%|")


def test_without_a_terminal_there_are_lines_alone(monkeypatch):
    entries = [EVALUATION, LOSSES, WENT_BACK]
    written = run_shown(monkeypatch, io.StringIO(), [1, 3, 2], entries, label="seed 3")
    assert written.splitlines() == [f"seed 3: {line}" for line in LINES]


def test_steps_of_an_earlier_session_say_nothing_of_the_time_left(monkeypatch):
    shown = drawings(run_shown(monkeypatch, Terminal(), [901, 902, 903], total=1000), total=1000)
    assert [step for step, *_ in shown] == [0, 901, 902, 903, 903]
    assert all(left >= 11 for _, left, _ in shown[2:])


def test_it_shows_that_a_run_went_back(monkeypatch):
    shown = drawings(run_shown(monkeypatch, Terminal(), [1, 2, 3, 1, 2]))
    assert [step for step, *_ in shown] == [0, 1, 2, 3, 1, 2, 2]
    assert all(left >= 11 for _, left, _ in shown[1:])
