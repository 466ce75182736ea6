"""Activations by name against transformers: every name that has no numbers of its own."""

import pickle

import pytest
import torch
from transformers.activations import ACT2CLS, ACT2FN

import tolerances
from assertions import assert_close
from mobilebert.activations import ACTIVATION_NAMES, canonical_activation, numpy_activation
from mobilebert.torch.activations import torch_activation

WITH_PARAMETERS = {"prelu", "xielu"}
NAMES = sorted(ACT2CLS.keys() - WITH_PARAMETERS)
X = torch.linspace(-12, 12, 601, dtype=torch.float64)


@pytest.mark.parametrize("name", NAMES)
def test_activations_are_the_peers(name):
    wanted = ACT2FN[name](X)
    assert_close(torch_activation(name)(X), wanted, tolerances.FLOAT64, name)
    assert_close(numpy_activation(name)(X.numpy()), wanted, tolerances.FLOAT64, name)


def test_every_name_is_compared_and_can_be_pickled():
    assert {canonical_activation(name) for name in NAMES} == set(ACTIVATION_NAMES)
    for name in ACTIVATION_NAMES:
        activation = torch_activation(name)
        assert_close(pickle.loads(pickle.dumps(activation))(X), activation(X), 0, name)
