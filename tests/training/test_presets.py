"""Defaults of fine-tuning."""

import pytest

from mobilebert.config import MobileBertConfig
from mobilebert.datasets.items import FinetuneTask
from mobilebert.presets import preset_fields
from mobilebert.training.presets import ModelSize, finetune_preset, model_size

SIZES = {
    name: MobileBertConfig(**preset_fields(name)) for name in ("mobilebert", "mobilebert-mini")
}


def test_the_size_goes_by_the_layers():
    assert model_size(SIZES["mobilebert"]) is ModelSize.PUBLISHED
    assert model_size(SIZES["mobilebert-mini"]) is ModelSize.SMALL


def test_question_answering_is_as_published():
    found = finetune_preset(FinetuneTask.QUESTION_ANSWERING, SIZES["mobilebert"])
    assert found == {
        "learning_rate": 4e-5,
        "epochs": 5,
        "batch_size": 32,
        "max_length": 384,
        "max_steps": None,
        "dropout": None,
        "warmup": 0.1,
        "weight_decay": 0.01,
        "clip": 1.0,
        "dev_rows": None,
    }


@pytest.mark.parametrize("task", FinetuneTask)
def test_published_models_stay_in_the_range_of_the_paper(task):
    found = finetune_preset(task, SIZES["mobilebert"])
    assert 1e-5 <= found["learning_rate"] <= 1e-4
    assert 2 <= found["epochs"] <= 10
    assert found["batch_size"] in (16, 32, 48)
    small = finetune_preset(task, SIZES["mobilebert-mini"])
    assert small["learning_rate"] > found["learning_rate"]
    assert small | {"learning_rate": 0} == found | {"learning_rate": 0}


@pytest.mark.parametrize("task", FinetuneTask)
def test_quick_runs_are_short(task):
    whole, quick = (finetune_preset(task, SIZES["mobilebert-mini"], quick=q) for q in (False, True))
    assert whole["max_steps"] is None
    assert whole["dev_rows"] is None
    # Judged five times, each at most a fourth of the work of learning from it.
    assert 5 * quick["dev_rows"] < 4 * quick["max_steps"] * quick["batch_size"]
    assert quick["max_steps"] * quick["batch_size"] * quick["max_length"] < 700_000
    assert quick["max_length"] <= whole["max_length"]
    assert quick["batch_size"] <= whole["batch_size"]


def test_sequences_fit_the_model():
    config = MobileBertConfig(max_position_embeddings=100)
    assert finetune_preset(FinetuneTask.TEXT_CLASSIFICATION, config)["max_length"] == 100
