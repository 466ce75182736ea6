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
