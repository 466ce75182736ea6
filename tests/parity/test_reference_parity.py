"""The numpy reference against transformers: every variant, every task, every kind of input."""

import numpy as np
import pytest
import torch

from assertions import assert_close
from mobilebert.reference import encode, forward
from mobilebert.tasks import TASKS
from models import PEER_VARIANTS
from parity.implementations import config_for, flat_outputs, peer_model, tensors_for, torch_inputs
from parity.inputs import inputs_for, kinds_for
from tolerances import FLOAT32, FLOAT64


def numpy_outputs(variant, task, inputs, dtype=np.float64):
    tensors = {name: x.astype(dtype) for name, x in tensors_for(variant, task).items()}
    config = config_for(variant, task)
    inputs = dict(inputs)
    if (factors := inputs.get("head_mask")) is not None:
        shape = (config.num_hidden_layers, config.num_attention_heads)
        inputs["head_mask"] = np.broadcast_to(factors, shape).astype(dtype)
    return forward(tensors, config, task, pad_neighbor="pad_embedding", **inputs)


@torch.no_grad()
def peer_outputs(variant, task, inputs, dtype=torch.float64):
    return flat_outputs(peer_model(variant, task, dtype)(**torch_inputs(inputs, dtype)))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("variant", PEER_VARIANTS)
def test_reference_equals_transformers_in_float64(variant, task):
    for kind in kinds_for(task, reference=True):
        inputs = inputs_for(kind, config_for(variant, task), task)
        wanted = peer_outputs(variant, task, inputs)
        found = numpy_outputs(variant, task, inputs)
        assert found.keys() == wanted.keys()
        for name in wanted:
            assert_close(found[name], wanted[name], FLOAT64, f"{kind}: {name}")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("variant", PEER_VARIANTS)
def test_reference_equals_transformers_in_float32(variant, task):
    inputs = inputs_for("padded_pairs", config_for(variant, task), task)
    wanted = peer_outputs(variant, task, inputs, torch.float32)
    found = numpy_outputs(variant, task, inputs, np.float32)
    for name in wanted:
        assert found[name].dtype == np.float32
        assert_close(found[name], wanted[name], FLOAT32, name)


@pytest.mark.parametrize("variant", PEER_VARIANTS)
def test_hidden_states_and_attentions_equal_transformers(variant):
    task = "feature_extraction"
    config = config_for(variant, task)
    for kind in kinds_for(task, reference=True):
        inputs = inputs_for(kind, config, task)
        with torch.no_grad():
            wanted = peer_model(variant, task)(
                **torch_inputs(inputs), output_hidden_states=True, output_attentions=True
            )
        if (factors := inputs.get("head_mask")) is not None:
            shape = (config.num_hidden_layers, config.num_attention_heads)
            inputs["head_mask"] = np.broadcast_to(factors, shape)
        hidden, attentions = encode(
            tensors_for(variant, task), config, pad_neighbor="pad_embedding", **inputs
        )
        for number, (ours, theirs) in enumerate(zip(hidden, wanted.hidden_states, strict=True)):
            assert_close(ours, theirs, FLOAT64, f"{kind}: hidden state {number}")
        for number, (ours, theirs) in enumerate(zip(attentions, wanted.attentions, strict=True)):
            assert_close(ours, theirs, FLOAT64, f"{kind}: attention {number}")
