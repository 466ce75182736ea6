"""Stages that lose their numbers go back, and say where."""

import pytest
import torch

from distillation.small_pair import distilled, student, teacher
from mobilebert.distillation import distill as module
from mobilebert.distillation.workload import TransferWorkload
from mobilebert.training.loop import BatchLoss
from pretraining.small_fixtures import prepared, tokenizer, tokenizer_dir

__all__ = ["distilled", "prepared", "student", "teacher", "tokenizer", "tokenizer_dir"]

STEPS = 12  # of each stage
SETTINGS = {"transfer_steps": 2 * STEPS, "distillation_steps": STEPS}
# The eighth step of a layer's stage and of that of the words, counted over all.
EIGHTH = {"layer-01": STEPS + 7, "distillation": 2 * STEPS + 7}
BROKEN = "mobilebert.encoder.layer.0.output.dense.bias"


@pytest.fixture
def poisoned(monkeypatch):
    """Let something happen once, before the loss of a step and to it."""

    def poison(step, *, factor=1.0, before=lambda workload: None):
        left = [step]

        class Poisoned(TransferWorkload):
            def loss(self, examples, step):
                if step not in left:
                    return super().loss(examples, step)
                left.clear()
                before(self)
                found = super().loss(examples, step)
                return BatchLoss(found.total * factor, found.units, found.parts)

        monkeypatch.setattr(module, "TransferWorkload", Poisoned)

    return poison


def returns(result):
    return [entry for entry in result.history if entry.get("event") == "went back"]


def assert_went_back(result, stage, reason):
    (back,) = returns(result)
    assert back["stage"] == stage
    assert back["reason"].startswith(f"step 8: {reason}")
    assert back["to"] < 8
    assert "went back once" in result.summary()
    ends = {entry["stage"]: entry["step"] for entry in result.history}
    assert ends == dict.fromkeys(("layer-00", "layer-01", "distillation"), STEPS)


@pytest.mark.parametrize("stage", EIGHTH)
@pytest.mark.parametrize(
    ("factor", "reason"), [(float("nan"), "the loss is nan"), (50.0, "the loss has grown to")]
)
def test_a_step_is_taken_back(distilled, poisoned, stage, factor, reason):
    poisoned(EIGHTH[stage], factor=factor)
    assert_went_back(distilled(**SETTINGS), stage, reason)


@pytest.mark.parametrize(("spike", "count"), [(1.5, 1), (100.0, 0)])
def test_the_spike_that_is_too_much_is_the_users(distilled, poisoned, spike, count):
    # The running mean grows to 1.7 of what it was: not to twice what guessing costs.
    poisoned(EIGHTH["distillation"], factor=8.0)
    assert len(returns(distilled(spike=spike, **SETTINGS))) == count


@pytest.mark.parametrize("stage", EIGHTH)
def test_a_weight_that_overflows_is_named(distilled, poisoned, stage):
    @torch.no_grad()
    def overflow(workload):
        workload.weights[BROKEN][0] = torch.inf

    poisoned(EIGHTH[stage], before=overflow)
    result = distilled(**SETTINGS)
    assert_went_back(result, stage, "the loss is ")
    assert returns(result)[0]["reason"].endswith(f"first seen in the weight {BROKEN}")
    assert all(torch.isfinite(weight).all() for weight in result.model.parameters())
