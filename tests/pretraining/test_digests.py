"""Runs that earlier code began go on: what they are told by does not change with the code."""

from types import SimpleNamespace

import pytest

from mobilebert import MobileBertConfig
from mobilebert.distillation.settings import DistillSettings
from mobilebert.pretraining.material import Material
from mobilebert.pretraining.settings import PretrainSettings

CONFIGS = {
    "default": MobileBertConfig(),
    "teacher": MobileBertConfig.preset(
        "ib-bert-mini", vocab_size=100, num_labels=3, embedding_size=128, num_hidden_layers=8
    ),
}
SETTINGS = {
    "pretrain": PretrainSettings(),
    "distill": DistillSettings().filled({}),
    "model-garden": DistillSettings(
        progressive_form="model-garden", embedding_norm="same-kind"
    ).filled({}),
}
# Of the first runs. A new field of settings or configurations is to be left out of digests where
# it has its default (material.py), or these runs are refused.
DIGESTS = {
    ("pretrain", "default"): "ecf0a45bb929be0ceb1e1f95d57e2490af4664a00b4ca949b27e9837263a30c9",
    ("pretrain", "teacher"): "baacf9dfb14a9e021923c584028acda2054b2a0cbb020c246ace3df2487f12b0",
    ("distill", "default"): "b15018f26153bc4b27b3c71ebb580329ac0945efafc986ed84c483860a76187e",
    ("distill", "teacher"): "028f65c6167f494497cb99c13f72e905ccc3fcfe9db0ee055bd306b715204f4e",
    ("model-garden", "default"): "170966717c969f584046e3ab8daad8883095d7b0dbdf56e3cb42e6c1c825a87b",
    ("model-garden", "teacher"): "8cfc23eaee2e50500782be33d4cdba3baac58331f20a945cd1038ec8735ff069",
}


def digest(settings, config):
    data = SimpleNamespace(corpus=SimpleNamespace(digest=lambda: "of the corpus"))
    return Material(None, data, None, settings, "cpu").digest(config, "of weights")


@pytest.mark.parametrize(("settings", "config"), DIGESTS)
def test_a_digest_is_that_of_earlier_code(settings, config):
    assert digest(SETTINGS[settings], CONFIGS[config]) == DIGESTS[settings, config]


@pytest.mark.parametrize(
    "changed", [{"hidden_size": 256}, {"eos_token_id": 3}, {"prefix": ""}, {"own": None}], ids=str
)
def test_another_configuration_has_another_digest(changed):
    found = digest(PretrainSettings(), MobileBertConfig(**changed))
    assert found != DIGESTS["pretrain", "default"]
