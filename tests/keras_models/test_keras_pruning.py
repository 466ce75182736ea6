"""Fewer heads, and what cannot be changed."""

import numpy as np
import pytest
import torch

from assertions import assert_close, relative_error
from keras_models.changing import inputs, results, run_torch, shapes, wanted_shapes
from mobilebert.errors import InputError
from mobilebert.tasks import TASKS
from tf_models import build, pair
from tolerances import FLOAT32


@pytest.mark.parametrize(
    ("task", "variant"), [*((task, "mobilebert") for task in TASKS), ("masked_lm", "no_bottleneck")]
)
def test_pruned_models_are_those_of_pytorch(task, variant):
    ours, theirs = pair(task, variant, num_feedforward_networks=1)
    batch = inputs(ours)
    masked = ours(**batch, head_mask=np.array([[1, 1, 1, 0], [0, 0, 1, 1]], np.float32))
    for model in (ours, theirs):
        model.prune_heads({0: [3], -1: [0]})
        model.prune_heads({1: [1, 0], 0: []})
    assert ours.config.pruned_heads == theirs.config.pruned_heads == {0: [3], 1: [0, 1]}
    assert shapes(ours) == wanted_shapes(ours)
    found = ours(**batch, output_attentions=True)
    wanted = run_torch(theirs, batch, output_attentions=True)
    assert [x.shape for x in found.attentions] == [tuple(x.shape) for x in wanted.attentions]
    for name, value in results(wanted).items():
        assert_close(results(found)[name], value, FLOAT32, name)
        # A head that is gone adds what a head of probability 0 does: nothing.
        assert_close(results(masked)[name], value, FLOAT32, name)


def test_a_head_mask_goes_on_counting_heads_as_the_unpruned_model_does():
    ours, theirs = pair()
    for model in (ours, theirs):
        model.prune_heads({0: [1], 1: [0, 3]})
    batch, mask = inputs(ours), np.array([0.5, 1, 0.25, 2], dtype=np.float32)
    wanted = run_torch(theirs, batch, head_mask=torch.as_tensor(mask))
    assert_close(ours(**batch, head_mask=mask).pooler_output, wanted.pooler_output, FLOAT32)


def test_another_pruned_head_is_noticed():
    """The twin: the outputs are those of the heads named and of no others."""
    ours, theirs = pair()
    ours.prune_heads({0: [3]})
    theirs.prune_heads({0: [2]})
    batch = inputs(ours)
    wanted = results(run_torch(theirs, batch))["last_hidden_state"]
    assert relative_error(ours(**batch).last_hidden_state, wanted) > 5 * FLOAT32


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        ({2: [0]}, "no layer 2; layers are 0 to 1"),
        ({-3: [0]}, "no layer -3"),
        ({0: [4]}, "no head 4; heads are 0 to 3"),
        ({0: [0, 1, 2, 3]}, "Layer 0 would lose all its 4 heads"),
        ({0: 1}, "Heads are named by layer"),
        ([0, 1], "Heads are named by layer"),
    ],
)
def test_impossible_pruning_changes_nothing(heads, message):
    model = build()
    before = shapes(model)
    with pytest.raises(InputError, match=message):
        model.prune_heads({1: [0], **heads} if isinstance(heads, dict) else heads)
    assert model.config.pruned_heads == {}
    assert shapes(model) == before


@pytest.mark.parametrize("change", ["resize_token_embeddings", "prune_heads"])
def test_adapters_and_quantised_layers_keep_their_shape(change):
    """A later layer is adapted: the earlier ones are left alone too."""
    argument = {"resize_token_embeddings": 100, "prune_heads": {0: [1], 1: [1]}}[change]
    model = build("masked_lm", "untied")
    model.mobilebert.encoder.layer[1].attention.self.value.enable_lora(2)
    before = [tuple(variable.shape) for variable in model.weights]
    with pytest.raises(InputError, match=r"resize and prune before quantize\(\) and enable_lora"):
        getattr(model, change)(argument)
    assert model.config.vocab_size == 97
    assert model.config.pruned_heads == {}
    assert [tuple(variable.shape) for variable in model.weights] == before
