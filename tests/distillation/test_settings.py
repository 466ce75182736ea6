"""What a run is told reaches what it computes with."""

import pytest

from distillation.small_pair import distilled, student, teacher
from mobilebert.distillation import distill as module, workload as workload_module
from mobilebert.distillation.choices import StatisticsOf, TransferFactors, TransferForm
from mobilebert.distillation.layer_mapping import LayerMapping
from mobilebert.distillation.workload import Objectives, TransferWorkload
from mobilebert.training.settings import Precision
from pretraining.small_fixtures import prepared, tokenizer, tokenizer_dir

__all__ = ["distilled", "prepared", "student", "teacher", "tokenizer", "tokenizer_dir"]


@pytest.fixture
def told(distilled, monkeypatch):
    """Run two steps of auxiliary transfer, and return its workload and its losses."""
    made = []

    class Told(TransferWorkload):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            made.append(self)

    monkeypatch.setattr(module, "TransferWorkload", Told)

    def told(**options):
        steps = {"strategy": "auxiliary", "transfer_steps": 1, "distillation_steps": 1}
        result = distilled(**steps, **options)
        (workload,) = made
        return workload, [entry["loss"] for entry in result.history if "loss" in entry]

    return told


def test_objectives_of_the_code(told):
    factors = TransferFactors(feature_map=2.0, mean=3.0, variance=4.0, attention=5.0)
    given = {f"{name}_factor": value for name, value in vars(factors).items()}
    workload, _ = told(statistics="all-maps", temperature=2.0, hard_share=0.25, **given)
    assert workload.objectives == Objectives(
        form=TransferForm.CODE, statistics=StatisticsOf.ALL_MAPS, temperature=2.0
    )
    assert workload.stage.factors == factors
    assert workload.stage.hard_share == 0.25


def test_objectives_of_the_paper(told):
    workload, _ = told(form="paper")
    assert workload.objectives == Objectives(form=TransferForm.PAPER)


@pytest.mark.parametrize(("rule", "layers"), [("last-of-group", (0, 1)), ("1,1", (1, 1))])
def test_layers_are_mapped(told, rule, layers):
    workload, losses = told(layer_mapping=rule)
    assert workload.mapping == LayerMapping(layers, 2)
    assert len(losses) == 2


@pytest.mark.parametrize("precision", Precision)
def test_steps_are_computed_in_the_precision(told, monkeypatch, precision):
    taken, arithmetic = [], workload_module.arithmetic

    def noted(precision, device):
        taken.append(precision)
        return arithmetic(precision, device)

    monkeypatch.setattr(workload_module, "arithmetic", noted)
    workload, losses = told(precision=str(precision))
    assert set(taken) == {workload.precision} == {precision}
    assert len(losses) == 2
