"""Twins of the parity tests: with one weight slightly wrong, parity must fail.

A tensor that parity cannot see could be loaded, named or used wrongly without a test noticing. The
few that are invisible for a reason are listed with it.
"""

import functools
import re

import numpy as np
import pytest
import torch

from assertions import assert_close
from mobilebert import reference
from mobilebert.tasks import TASKS
from mobilebert.weights import weight_specs
from models import PEER_VARIANTS, VARIANTS
from parity.implementations import (
    config_for,
    flat_outputs,
    our_model,
    peer_model,
    tensors_for,
    torch_inputs,
)
from parity.inputs import inputs_for
from tolerances import FLOAT64, SMALL_MISTAKE


def row_kind(name):
    """Name a row of the specification without its layer: every layer has the same rows."""
    return re.sub(r"encoder\.layer\.\d+\.", "layer.", name.removeprefix("mobilebert."))


def invisible(config, name):
    """Give the reason why a tensor cannot change any output, or None."""
    if name.endswith("attention.self.key.bias"):
        # q . (k + b) = q . k + q . b: the same number for every key, which softmax takes away.
        return "softmax does not see what all keys share"
    if "bottleneck.attention." in name and config.use_bottleneck_attention:
        return "bottleneck attention reads bottleneck.input; the other one is only stored"
    if "embedding_transformation" in name and not (
        config.trigram_input or config.embedding_size != config.hidden_size
    ):
        return "words already have the width of the hidden states"
    return None


def slightly_wrong(tensor, seed=0):
    return tensor + SMALL_MISTAKE * np.random.default_rng(seed).standard_normal(tensor.shape)


def numpy_outputs(variant, task, changed):
    config = config_for(variant, task)
    tensors = tensors_for(variant, task) | changed
    inputs = inputs_for("padded_pairs", config, task)
    return reference.forward(tensors, config, task, pad_neighbor="pad_embedding", **inputs)


@torch.no_grad()
def torch_outputs(variant, task, changed, attention):
    inputs = torch_inputs(inputs_for("padded_pairs", config_for(variant, task), task))
    model = our_model(variant, task, attention)
    tensors = {name: torch.from_numpy(x) for name, x in changed.items()}
    return flat_outputs(torch.func.functional_call(model, tensors, kwargs=inputs))


IMPLEMENTATIONS = {
    "numpy": numpy_outputs,
    "eager": functools.partial(torch_outputs, attention="eager"),
    "sdpa": functools.partial(torch_outputs, attention="sdpa"),
}


@functools.cache
def right_outputs(variant, task):
    if variant not in PEER_VARIANTS:
        return numpy_outputs(variant, task, {})
    inputs = torch_inputs(inputs_for("padded_pairs", config_for(variant, task), task))
    with torch.no_grad():
        return flat_outputs(peer_model(variant, task)(**inputs))


def parity_holds(outputs, variant, task):
    try:
        for name, wanted in right_outputs(variant, task).items():
            assert_close(outputs[name], wanted, FLOAT64, name)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize(
    ("variant", "task"),
    # Pre-training has the most rows; every other head is the same on all variants.
    [(variant, "pretraining") for variant in VARIANTS]
    + [("mobilebert", task) for task in TASKS if task != "pretraining"],
)
def test_parity_sees_every_weight(variant, task, implementation):
    outputs_of = IMPLEMENTATIONS[implementation]
    assert parity_holds(outputs_of(variant, task, {}), variant, task)
    config = config_for(variant, task)
    unseen, expected = set(), set()
    for spec in weight_specs(config, task):
        if spec.tied_to is not None or spec.size == 0:
            continue  # not a tensor of its own, or without elements
        changed = {spec.name: slightly_wrong(tensors_for(variant, task)[spec.name])}
        if parity_holds(outputs_of(variant, task, changed), variant, task):
            unseen.add(row_kind(spec.name))
        if invisible(config, spec.name):
            expected.add(row_kind(spec.name))
    assert unseen == expected


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_parity_sees_the_padding_row(implementation):
    variant, task = "mobilebert", "sequence_classification"
    name = "mobilebert.embeddings.word_embeddings.weight"
    words = tensors_for(variant, task)[name].copy()
    row = config_for(variant, task).pad_token_id
    words[row] = slightly_wrong(words[row])
    outputs = IMPLEMENTATIONS[implementation](variant, task, {name: words})
    assert not parity_holds(outputs, variant, task)


def test_all_row_kinds_of_all_models_are_tried():
    tried = {
        row_kind(spec.name)
        for variant, task in [
            *((variant, "pretraining") for variant in VARIANTS),
            *(("mobilebert", task) for task in TASKS),
        ]
        for spec in weight_specs(config_for(variant, task), task)
    }
    every = {
        row_kind(spec.name)
        for variant in VARIANTS
        for task in TASKS
        for spec in weight_specs(config_for(variant, task), task)
    }
    assert tried == every


@pytest.mark.parametrize(
    ("variant", "fields"),
    [
        ("mobilebert", {"hidden_act": "gelu"}),
        ("gelu", {"hidden_act": "gelu_new"}),
        ("mobilebert", {"normalization_type": "layer_norm"}),
        ("no_opt", {"layer_norm_eps": 1e-9}),
        ("unshared_equal_widths", {"use_bottleneck_attention": True}),
    ],
)
def test_parity_sees_a_wrong_field(variant, fields):
    task = "pretraining"
    inputs = inputs_for("padded_pairs", config_for(variant, task), task)
    outputs = reference.forward(
        tensors_for(variant, task),
        config_for(variant, task, **fields),
        task,
        pad_neighbor="pad_embedding",
        **inputs,
    )
    assert not parity_holds(outputs, variant, task)


def test_parity_sees_a_wrong_epsilon_of_the_two_norms_without_one(monkeypatch):
    monkeypatch.setattr(reference, "TORCH_DEFAULT_EPS", 1e-12)
    assert not parity_holds(numpy_outputs("no_opt", "masked_lm", {}), "no_opt", "masked_lm")


def test_parity_sees_the_other_order_of_the_trigram(monkeypatch):
    def reversed_trigram(words, mask):
        following, current, previous = np.split(right_trigram(words, mask), 3, axis=-1)
        return np.concatenate([previous, current, following], axis=-1)

    right_trigram = reference.trigram
    monkeypatch.setattr(reference, "trigram", reversed_trigram)
    variant, task = "mobilebert", "feature_extraction"
    assert not parity_holds(numpy_outputs(variant, task, {}), variant, task)


def test_parity_sees_a_wrong_pad_neighbor():
    variant, task = "mobilebert", "feature_extraction"
    inputs = inputs_for("padded_pairs", config_for(variant, task), task)
    outputs = reference.forward(
        tensors_for(variant, task), config_for(variant, task), task, pad_neighbor="zero", **inputs
    )
    assert not parity_holds(outputs, variant, task)
