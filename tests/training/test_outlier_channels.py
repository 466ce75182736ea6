import pytest
import torch

from mobilebert.torch import MobileBertForSequenceClassification
from mobilebert.torch.packed import pack
from mobilebert.training.outlier_channels import limit_steps, outlier_scales
from models import random_tensors, small_config
from training.toy_workload import Line

BATCHES = [pack([[2, 5, 9, 3], [2, 7, 3]]), pack([[2, 4, 4, 8, 3]])]
LAYER = "mobilebert.encoder.layer.1"


@pytest.fixture
def model():
    config = small_config()
    arrays = random_tensors(config, "sequence_classification")
    state = {name: torch.tensor(array) for name, array in arrays.items()}
    return MobileBertForSequenceClassification.from_pretrained(
        None, config=config, state_dict=state
    )


def test_an_ordinary_model_has_no_such_channels(model):
    assert outlier_scales(model, BATCHES) == {}


def test_what_reads_a_large_channel_is_found(model):
    model.get_parameter("mobilebert.encoder.layer.0.output.bottleneck.LayerNorm.bias").data[3] = 1e6
    scales = outlier_scales(model.train(), BATCHES)
    assert model.training
    scale = scales[f"{LAYER}.bottleneck.input.dense.weight"]
    assert scale.argmax() == 3
    assert 1e4 < scale[3] < 1e7
    assert (scale > 1).sum() == 1
    assert f"{LAYER}.attention.self.value.weight" in scales
    assert not any(name.startswith("mobilebert.encoder.layer.0.bottleneck") for name in scales)


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD])
def test_steps_are_divided_by_the_size_of_what_is_read(kind):
    ordinary, limited = Line(), Line()
    scales = {"w": torch.tensor([1.0, 1000.0, 1.0], dtype=torch.float64), "gone": torch.ones(1)}
    for line in (ordinary, limited):
        optimizer = kind(list(line.weights.values()), lr=0.1, weight_decay=0.0)
        if line is limited:
            limit_steps(optimizer, line.weights, scales)
        line.loss(torch.arange(5), 0).total.backward()
        optimizer.step()
    steps, small = ordinary.weights["w"].detach(), limited.weights["w"].detach()
    torch.testing.assert_close(small, steps / torch.tensor([1.0, 1000.0, 1.0]))
    assert torch.equal(ordinary.weights["b"], limited.weights["b"])
    assert not torch.allclose(small, steps)
