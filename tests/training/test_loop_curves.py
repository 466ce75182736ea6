"""What the loop tells of a run: parts of a loss, and a loss that leaves where it had come to."""

import pytest
import torch

from mobilebert.training.loop import BatchLoss
from training.toy_workload import ROWS, Line, loop


class Split(Line):
    """The same loss, told as twice its first half and the rest."""

    part_names = ("low", "high")

    def loss(self, examples, step):
        low = [n for n in examples if n < ROWS // 2]
        high = [n for n in examples if n >= ROWS // 2]
        sums = {
            name: super(Split, self).loss(rows, step)
            for name, rows in zip(("low", "high"), (low, high), strict=True)
        }
        return BatchLoss(
            sum(part.total for part in sums.values()),
            float(len(examples)),
            {name: (float(part.total.detach()), part.units) for name, part in sums.items()},
        )


def losses(line, **options):
    return [x for x in loop(line, **options).run().history if "loss" in x]


@pytest.mark.parametrize("micro_tokens", [10, 1000])
def test_parts_are_means_of_their_own(micro_tokens):
    # A rate of 0: each epoch of 10 steps has every row once, at the first weights.
    told = losses(Split(), steps=20, report_every=10, rate=0.0, micro_tokens=micro_tokens)
    line = Line()
    for entry in told:
        parts = {"low": line.y[: ROWS // 2], "high": line.y[ROWS // 2 :]}
        for name, wanted in parts.items():
            assert entry["parts"][name] == pytest.approx(float((wanted**2).mean()), rel=1e-5)
        assert entry["parts"]["low"] != pytest.approx(entry["parts"]["high"], rel=1e-2)
        assert entry["loss"] == pytest.approx(float((line.y**2).mean()), rel=1e-5)


class Shown:
    """A listener that keeps the rates it is told."""

    def __init__(self):
        self.rates = []

    def moved(self, progress, rate):
        self.rates.append(rate)

    def happened(self, entry):
        pass


def test_the_rate_that_is_shown_is_that_of_the_curve():
    line, shown = Line(), Shown()
    rates = {"w": 0.01, "b": 0.05, "unused": 0.02}
    groups = [{"params": [line.weights[name]], "lr": rate} for name, rate in rates.items()]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    told = losses(line, optimizer=optimizer, schedule=lambda step: 0.5, listener=shown)
    assert {*shown.rates} == {entry["rate"] for entry in told} == {0.025}


def test_a_loss_of_one_part_is_told_as_one():
    assert all("parts" not in entry for entry in losses(Line()))


class Jumps(Line):
    """Costs ten times as much from one step on."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def loss(self, examples, step):
        found = super().loss(examples, step)
        factor = 10.0 if step >= self.step else 1.0
        return BatchLoss(found.total * factor, found.units)


def test_a_loss_that_leaves_where_it_had_come_to_is_taken_back():
    # Behind 200 steps the loss is far below where it began, so that ten times as much is less.
    calm = loop(Jumps(200), steps=210).run()
    assert not [x for x in calm.history if "event" in x]
    # No rate makes it less: it is gone on with, and told.
    risen = loop(Jumps(200), steps=400, spike=3.0).run()
    reasons = [x["reason"] for x in risen.history if x.get("event") == "went back"]
    assert reasons
    assert all("it had come to" in reason for reason in reasons)
    assert risen.rate_scale == 0.5 ** len(reasons)
    assert risen.step == 400


def test_a_loss_that_wanders_is_left_alone():
    progress = loop(Line(), steps=300, spike=3.0).run()
    assert not [x for x in progress.history if "event" in x]
    assert progress.lowest_loss < progress.first_loss
