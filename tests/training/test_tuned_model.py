import numpy as np
import pytest
import torch

from mobilebert.torch.packed import pack
from mobilebert.training.settings import Precision
from mobilebert.training.tuned_model import TunedModel
from torch_models import build


@pytest.fixture
def batch():
    return pack([np.arange(1, 9), np.arange(3, 15)])


@pytest.fixture
def tuned(batch):
    found = TunedModel(build("sequence_classification", num_labels=2), Precision.FLOAT32)
    found.start_head([batch], None)
    return found


def test_nothing_is_named_where_all_is_well(tuned, batch):
    assert tuned.fault(batch) == ""


def test_the_head_is_named(tuned, batch):
    tuned.head.first.spread.fill_(1e-45)
    assert tuned.fault(batch) == "the head"


def test_a_layer_is_named(tuned, batch):
    with torch.no_grad():
        tuned.model.base_model.encoder.layer[1].output.bottleneck.dense.weight.fill_(3e38)
    assert tuned.fault(batch) == "layer 1"


def test_a_weight_is_named(tuned, batch):
    with torch.no_grad():
        tuned.model.base_model.encoder.layer[1].output.dense.bias[3] = torch.nan
    assert tuned.fault(batch) == "the weight mobilebert.encoder.layer.1.output.dense.bias"


def test_a_regression_is_fitted_where_it_is_far(batch):
    tuned = TunedModel(build("sequence_classification", num_labels=1), Precision.FLOAT32)
    with torch.no_grad():
        told = tuned.model.eval()(torch.arange(1, 9)[None]).logits[0, 0]
        told = torch.stack([told, tuned.model(torch.arange(3, 15)[None]).logits[0, 0]])
    tuned.start_head([batch], told)
    before = {name: weight.clone() for name, weight in tuned.head.named_parameters()}
    assert not tuned.fit_head([batch], told, seed=0)
    assert all(torch.equal(x, before[name]) for name, x in tuned.head.named_parameters())
    assert tuned.fit_head([batch], told + 1000, seed=0)
    assert any(not torch.equal(x, before[name]) for name, x in tuned.head.named_parameters())
