"""The PyTorch backend against the numpy one."""

import logging

import numpy as np
import pytest
import torch

from assertions import assert_close
from mobilebert.backend import TokenBatch, backend_class
from mobilebert.errors import InputError, WeightsError
from mobilebert.numpy_backend import NumpyBackend
from mobilebert.tasks import TASKS
from mobilebert.torch.backend import TorchBackend, device_of
from models import VARIANTS, random_batch, random_tensors, small_config
from tolerances import BFLOAT16, FLOAT32, FLOAT64
from torch_models import Calls, build


def batch_of(config, task):
    return TokenBatch(*random_batch(config, choices=4 if TASKS[task].choices else 0))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_it_answers_as_the_numpy_backend(variant, task):
    config = small_config(variant)
    tensors = random_tensors(config, task, dtype=np.float64)
    batch = batch_of(config, task)
    wanted = NumpyBackend(tensors, config, task, dtype="float64").run(batch)
    found = TorchBackend(tensors, config, task, dtype="float64").run(batch)
    assert list(found) == list(wanted) == list(TASKS[task].emits)
    for name in wanted:
        assert found[name].dtype == np.float64
        assert_close(found[name], wanted[name], FLOAT64, name)


@pytest.mark.parametrize("task", ["masked_lm", "pretraining"])
def test_only_the_wanted_positions_are_scored(task):
    config = small_config()
    tensors, batch = random_tensors(config, task), batch_of(config, task)
    positions = np.array([[0, 3], [2, 1], [0, 10]])
    backend = TorchBackend(tensors, config, task)
    with Calls() as calls:
        found = backend.run(batch, positions)
    wanted = NumpyBackend(tensors, config, task).run(batch, positions)
    assert calls.shapes["addmm"] == [(3, 97)]
    for name in wanted:
        assert_close(found[name], wanted[name], FLOAT32, name)


def test_a_model_object_is_run_and_keeps_its_own_setting():
    model = build("token_classification").train()
    batch = batch_of(model.config, "token_classification")
    backend = TorchBackend.from_model(model)
    assert not model.training
    tensors = {name: x.numpy() for name, x in model.state_dict().items()}
    wanted = NumpyBackend(tensors, model.config, "token_classification").run(batch)
    assert_close(backend.run(batch)["logits"], wanted["logits"], FLOAT32)
    assert model.pad_neighbor == "pad_embedding"
    other = TorchBackend.from_model(model, pad_neighbor="pad_embedding").run(batch)
    assert not np.allclose(other["logits"], wanted["logits"], atol=1e-3)
    with pytest.raises(InputError, match="MobileBERT model is needed"):
        TorchBackend.from_model(torch.nn.Linear(2, 2))


@pytest.mark.parametrize("dtype", ["bfloat16", torch.float16, "float32"])
def test_answers_of_narrow_weights_are_float32(dtype):
    config = small_config()
    tensors, batch = random_tensors(config, "masked_lm"), batch_of(config, "masked_lm")
    found = TorchBackend(tensors, config, "masked_lm", dtype=dtype).run(batch)["logits"]
    assert found.dtype == np.float32
    wanted = NumpyBackend(tensors, config, "masked_lm").run(batch)["logits"]
    assert_close(found, wanted, BFLOAT16)


def test_wrong_input_and_weights_are_refused():
    config = small_config()
    tensors, batch = random_tensors(config), batch_of(config, "feature_extraction")
    backend = TorchBackend(tensors, config, "feature_extraction")
    far = TokenBatch(batch.input_ids + 97, batch.attention_mask, batch.token_type_ids)
    with pytest.raises(InputError, match="vocabulary has 97 rows"):
        backend.run(far)
    name = "encoder.layer.1.intermediate.dense.bias"
    with pytest.raises(WeightsError, match=name):
        TorchBackend({**tensors, name: np.ones(3)}, config, "feature_extraction")
    del tensors[name]
    with pytest.raises(WeightsError, match=name):
        TorchBackend(tensors, config, "feature_extraction")


def test_it_is_found_by_name():
    assert backend_class("torch") is TorchBackend


def test_devices(caplog):
    cpu = torch.device("cpu")
    assert device_of(None) == device_of(-1) == device_of("cpu") == device_of(cpu) == cpu
    with pytest.raises(InputError, match="no device"):
        device_of("fast one")
    with caplog.at_level(logging.WARNING, logger="mobilebert"):
        assert device_of(1000) == cpu
        assert device_of("cuda:1000") == cpu
    assert caplog.text.count("running on the CPU") == 2
