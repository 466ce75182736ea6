"""Runs that lose their numbers go back, and say where."""

from typing import ClassVar

import pytest
import torch

from mobilebert.errors import TrainingError
from mobilebert.pretraining import pretrain as module
from mobilebert.pretraining.workload import PretrainingWorkload
from mobilebert.training.loop import BatchLoss

SETTINGS = {"steps": 30, "batch_size": 16, "learning_rate": 3e-3}
SETTINGS |= {"evaluate_every": 10}


class Poisoned(PretrainingWorkload):
    """Loses numbers at some steps, as often as it says."""

    bad: ClassVar[dict[int, int]] = {}
    factor = float("nan")

    def loss(self, examples, step):
        found = super().loss(examples, step)
        if not self.bad.get(step):
            return found
        self.bad[step] -= 1
        return BatchLoss(found.total * self.factor, found.units, found.parts)


@pytest.fixture
def poisoned(monkeypatch):
    def poison(bad, factor=float("nan")):
        kind = type("Kind", (Poisoned,), {"bad": dict(bad), "factor": factor})
        monkeypatch.setattr(module, "PretrainingWorkload", kind)

    return poison


@pytest.fixture
def run(prepared, tokenizer_dir, config_file, tmp_path):
    def run(**options):
        given = {"data": prepared, "tokenizer": tokenizer_dir} | SETTINGS | options
        return module.pretrain(config_file, output=tmp_path / "model", **given)

    return run


def test_a_step_without_numbers_is_taken_back(run, poisoned):
    poisoned({12: 1})
    result = run()
    back = [entry for entry in result.history if entry.get("event") == "went back"]
    assert len(back) == 1
    assert "step 13: the loss is nan" in back[0]["reason"]
    assert back[0]["to"] == 7  # a quarter of the run
    assert result.history[-1]["step"] == 30
    assert "went back once" in result.summary()


def test_a_spike_is_taken_back(run, poisoned):
    # The running mean grows to 1.7 of what it was, which is less than where it began.
    steps = dict.fromkeys(range(20, 27), 1)
    poisoned(steps, factor=2.5)
    result = run()
    back = [entry for entry in result.history if entry.get("event") == "went back"]
    assert back
    assert "it had come to" in back[0]["reason"]
    poisoned(steps, factor=2.5)
    calm = run(spike=100.0, overwrite=True)
    assert not [x for x in calm.history if x.get("event") == "went back"]


def test_a_run_that_never_works_ends_with_a_sentence(run, poisoned, tmp_path):
    poisoned({12: 99})
    with pytest.raises(TrainingError, match="Training diverges even with 1/64"):
        run()
    assert (tmp_path / "model/training").exists()  # the last good state is kept


def test_a_weight_that_overflows_is_named(run, poisoned, monkeypatch):
    kind = module.PretrainingWorkload

    class Breaks(kind):
        def loss(self, examples, step):
            if step == 12 and not self.broken:
                Breaks.broken = True
                with torch.no_grad():
                    self.weights["mobilebert.encoder.layer.1.output.dense.bias"][0] = torch.inf
            return super().loss(examples, step)

    Breaks.broken = False
    monkeypatch.setattr(module, "PretrainingWorkload", Breaks)
    result = run()
    back = [entry for entry in result.history if entry.get("event") == "went back"]
    assert "layer.1.output.dense.bias" in back[0]["reason"]
