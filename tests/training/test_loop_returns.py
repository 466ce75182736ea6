"""What a run goes back to, and with what it goes on."""

import dataclasses

import pytest
import torch

from mobilebert.training.loop import Score
from mobilebert.training.loop_settings import remember_every
from training.test_loop import Judge, Stops, StopsAt, assert_same
from training.toy_workload import Line, loop


@pytest.mark.parametrize("step", [12, 13, 17])
def test_an_interrupted_run_goes_back_to_where_it_would_have_gone(tmp_path, step):
    """Whatever state is on disk, and however often they are written."""
    wanted = Line({16: 2}, dropout=0.3)
    whole = loop(wanted, remember_every=10, checkpoint_every=100).run()
    line = Line({16: 2}, dropout=0.3)
    options = {"directory": tmp_path, "remember_every": 10, "checkpoint_every": 3}
    with pytest.raises(Stops):
        loop(line, listener=StopsAt(step), **options).run()
    progress = loop(line, **options).run(resume=True)
    back = [entry for entry in progress.history if entry.get("event") == "went back"]
    assert back == [entry for entry in whole.history if entry.get("event") == "went back"]
    assert [entry["to"] for entry in back] == [10, 10]
    assert_same(line.values(), wanted.values())


class Told(Line):
    """Its losses are multiplied by what is told of a step, and its faults are counted."""

    def __init__(self, factors):
        super().__init__()
        self.factors, self.asked = dict(factors), []
        with torch.no_grad():
            self.y.fill_(3)  # a loss that hardly falls

    def loss(self, examples, step):
        found = super().loss(examples, step)
        return dataclasses.replace(found, total=found.total * self.factors.get(step, 1.0))

    def fault(self, examples, step):
        self.asked.append(len(examples))
        return ""


class Calms:
    """A listener behind which nothing is multiplied once the run went back, but for a step."""

    def __init__(self, line, steps=None, but=None):
        self.line, self.steps, self.but = line, [] if steps is None else steps, but

    def moved(self, progress, rate):
        self.steps.append(progress.step)
        if progress.rate_scale < 1:
            self.line.factors = {k: x for k, x in self.line.factors.items() if k == self.but}

    def happened(self, entry):
        pass


def went_back(line, **options):
    options = {"rate": 1e-6, "steps": 60, "remember_every": 10, "spike": 1.5} | options
    progress = loop(line, **options).run()
    assert progress.step == 60
    return [entry["to"] for entry in progress.history if entry.get("event") == "went back"]


def test_a_state_on_the_way_up_is_not_gone_back_to():
    # The running mean has 1.34 of what it was behind step 20, and 1.52 behind step 23.
    line = Told(dict.fromkeys(range(16, 60), 2.0))
    steps = []
    assert went_back(line, listener=Calms(line, steps)) == [10]
    assert max(steps[: steps.index(10) + 14]) > 20
    assert line.asked == []  # all are numbers: there is no layer to look for


def test_a_step_that_is_too_much_whatever_the_rate_is_taken_in_the_end():
    line = Told({10: 1.7, 11: 15.0})
    # The first step behind the state has 1.7 of the lowest mean by itself.
    assert went_back(line, listener=Calms(line, but=10)) == [10, 10]


def test_a_lost_number_is_looked_for_in_parts_of_the_batch():
    line = Told({12: float("nan")})
    assert went_back(line, batch_size=16, micro_tokens=10, listener=Calms(line)) == [10]
    assert len(line.asked) > 3
    assert sum(line.asked) == 16


def test_gradients_of_weights_that_rest_now_count_nowhere():
    line, wanted = Line(), Line()
    line.weights["unused"].grad = torch.full((2,), 1e6)
    for one in (line, wanted):
        learned = [one.weights["w"], one.weights["b"]]
        loop(one, optimizer=torch.optim.SGD(learned, lr=0.05)).run()
    assert_same(line.values(), wanted.values())


def test_the_best_weights_are_those_that_are_kept(tmp_path):
    """Though the run goes back behind the step that had them."""
    scores = iter([0.8, 0.9, 0.85, 0.7, 0.7])
    line = Line({17: 1})
    options = {"evaluate_every": 8, "remember_every": 10, "steps": 24, "directory": tmp_path}
    progress = loop(line, evaluate=lambda: Score(next(scores), {}), **options).run()
    back = [entry["to"] for entry in progress.history if entry.get("event") == "went back"]
    assert back == [10]
    assert (progress.best_step, progress.best_score) == (16, 0.9)


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_step_that_is_judged_again_has_the_weights_that_were_best(tmp_path, on_disk):
    """Though the run ends at that step, with others."""
    scores = iter([0.5, 0.9, 0.1])
    line = Line({17: 1})
    options = {"directory": tmp_path} if on_disk else {}
    options |= {"evaluate_every": 8, "remember_every": 10, "patience": 1}
    progress = loop(line, evaluate=lambda: Score(next(scores), {}), **options).run()
    assert (progress.step, progress.best_step, progress.best_score) == (16, 16, 0.9)
    wanted = Line()
    loop(wanted, steps=16).run()
    assert_same(line.values(), wanted.values())


def test_a_run_that_is_given_up_tells_of_the_evaluation_whose_weights_it_keeps():
    options = {"evaluate_every": 6, "remember_every": 10, "ends_with_best": True}
    progress = loop(Line({13: 99}), evaluate=Judge(0.5, *[0.9] * 7), **options).run()
    assert (progress.step, progress.best_step) == (10, 12)
    assert [entry["step"] for entry in progress.history if "metrics" in entry] == [6, 12]
    assert progress.history[-1]["event"] == "gave up"


@pytest.mark.parametrize(
    ("every", "step", "scores", "end"),
    [
        (8, 17, [0.5, 0.4, 0.4, 0.6], 24),
        # What is judged best behind the state is found after all evaluations before.
        (4, 13, [0.5, 0.4, 0.9, 0.3, 0.2], 16),
    ],
)
def test_evaluations_that_come_again_use_up_no_patience(every, step, scores, end):
    left = list(scores)
    options = {"evaluate_every": every, "remember_every": 10, "patience": 2, "steps": 24}
    progress = loop(Line({step: 1}), evaluate=lambda: Score(left.pop(0), {}), **options).run()
    assert progress.step == end
    assert progress.best_score == max(scores)
    assert not left


def without_spike(factors, **calms):
    line = Told(factors)
    return went_back(line, spike=None, listener=Calms(line, **calms))


def test_one_target_far_out_is_no_divergence():
    # The batch costs a hundred times as much however often the run would go back.
    line = Told({12: 100.0, 13: 100.0})
    progress = loop(line, rate=1e-6, steps=60, remember_every=10).run()
    assert not [entry for entry in progress.history if "event" in entry]
    assert progress.rate_scale == 1
    # Nor is it where it comes first behind a return.
    assert without_spike({10: 100.0, 12: float("nan")}, but=10) == [10]


def test_what_costs_much_for_good_is_divergence():
    assert without_spike(dict.fromkeys(range(12, 60), 100.0)) == [10]


def test_a_step_that_costs_too_much_is_not_gone_back_to():
    # The running mean stays below what guessing costs.
    assert without_spike({9: 10.0, 12: float("nan")}) == [0]
    assert without_spike({8: 10.0, 12: float("nan")}) == [10]


@pytest.mark.parametrize(("steps", "every"), [(1, 1), (3, 1), (40, 10), (200, 50), (9000, 50)])
def test_short_runs_have_something_to_go_back_to(steps, every):
    assert remember_every(steps) == every
