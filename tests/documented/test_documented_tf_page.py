"""The TensorFlow part of the documented page, with `mobilebert` in the place of `transformers`.

The numbers are those of transformers' PyTorch classes: its TensorFlow classes cannot be imported
beside Keras 3. Their source can be read, and has signatures and fields.
"""

import ast
import dataclasses
import importlib
import inspect
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import transformers

import mobilebert
from assertions import assert_close
from documented import blocks
from documented.blocks import HEADS
from documented.tf_blocks import TF_ANY_CHECKPOINT, TF_HEADS
from mobilebert.hub import BUNDLED_MODEL, BUNDLED_MODELS
from mobilebert.tasks import TASKS
from parity.inputs import inputs_for
from tf_models import build
from tolerances import BUNDLED_LOGITS, PRINTED_SCORE

DIRECTORY = str(BUNDLED_MODELS[BUNDLED_MODEL])
MODELS = "models.mobilebert.modeling_tf_mobilebert"
OUTPUTS = "modeling_tf_outputs"


def assert_same_results(found, wanted):
    assert found.keys() <= wanted.keys()
    for name, value in found.items():
        peer = wanted[name]
        if isinstance(value, tf.Tensor) and value.dtype.is_floating:
            assert_close(value, peer.detach().numpy(), BUNDLED_LOGITS, name)
        elif isinstance(value, tf.Tensor):
            assert np.array_equal(value, peer.numpy()), name
        elif isinstance(value, float):  # printed with two digits
            assert value == pytest.approx(peer, abs=PRINTED_SCORE), name
        else:
            assert value == peer, name


def peer_block(block):
    return getattr(blocks, block.__name__)


@pytest.mark.parametrize("block", TF_ANY_CHECKPOINT, ids=lambda block: block.__name__)
def test_blocks_give_the_same_numbers(block):
    wanted = peer_block(block)(transformers, DIRECTORY)
    assert_same_results(block(mobilebert, BUNDLED_MODEL), wanted)


@pytest.mark.parametrize("block", TF_HEADS, ids=lambda block: block.__name__)
def test_blocks_with_fine_tuned_heads_give_the_same_numbers(block, checkpoint_for):
    name = checkpoint_for(*HEADS[peer_block(block)])
    assert_same_results(block(mobilebert, name), peer_block(block)(transformers, name))


def test_a_different_head_is_seen(checkpoint_for):
    # The twin of the tests above.
    block = TF_HEADS[0]
    task, labels = HEADS[peer_block(block)]
    wanted = peer_block(block)(transformers, checkpoint_for(task, labels))
    with pytest.raises(AssertionError):
        assert_same_results(block(mobilebert, checkpoint_for(task, labels + 1)), wanted)


def test_configuration_block():
    configuration = mobilebert.MobileBertConfig(num_hidden_layers=1)  # fewer, to be quick
    model = mobilebert.TFMobileBertModel(configuration)
    assert model.config is configuration


@pytest.mark.parametrize("task", TASKS)
def test_documented_names_are_at_the_top(task):
    row = TASKS[task]
    for name in (row.class_name, row.auto_name):
        assert getattr(mobilebert, f"TF{name}").__name__ == f"TF{name}"
    loaded = getattr(mobilebert, f"TF{row.auto_name}").from_config(build(task).config)
    assert type(loaded) is getattr(mobilebert, f"TF{row.class_name}")


# What the page, or the source behind it, names with its module.
QUALIFIED_NAMES = (
    *(f"{MODELS}.TF{row.class_name}" for row in TASKS.values()),
    f"{MODELS}.TFMobileBertForPreTrainingOutput",
    f"{MODELS}.TFMobileBertMainLayer",
    f"{MODELS}.TFMobileBertPreTrainedModel",
    f"{OUTPUTS}.TFBaseModelOutput",
    *(
        f"{OUTPUTS}.TF{row.output_name}"
        for row in TASKS.values()
        if not row.output_name.startswith("MobileBert")
    ),
)


@pytest.mark.parametrize("name", QUALIFIED_NAMES)
def test_documented_names_have_their_qualified_place(name):
    module, _, last = name.rpartition(".")
    ours = getattr(importlib.import_module(f"mobilebert.{module}"), last)
    assert ours is getattr(mobilebert, last)
    assert last in peer_classes(module)


# Signatures and fields


def peer_classes(module):
    """The classes that a module of transformers defines, as syntax trees."""
    path = Path(transformers.__file__).parent / f"{module.replace('.', '/')}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def peer_parameters(module, class_name, method):
    """(name, default) of every parameter after `self`; inspect's word where there is no default."""
    function = next(
        node
        for node in peer_classes(module)[class_name].body
        if isinstance(node, ast.FunctionDef) and node.name == method
    )
    names = [argument.arg for argument in function.args.args]
    defaults = [ast.literal_eval(value) for value in function.args.defaults]
    required = [inspect.Parameter.empty] * (len(names) - len(defaults))
    return list(zip(names, required + defaults, strict=True))[1:]


def positional(function):
    parameters = list(inspect.signature(function).parameters.values())
    return [(p.name, p.default) for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD][1:]


CALLED = (*(f"TF{row.class_name}" for row in TASKS.values()), "TFMobileBertMainLayer")


@pytest.mark.parametrize("name", CALLED)
def test_arguments_have_the_documented_order_and_defaults(name):
    for method in ("call", "__init__"):
        found = positional(getattr(getattr(mobilebert, name), method))
        assert found == peer_parameters(MODELS, name, method)


def test_data_sets_are_prepared_with_the_documented_arguments():
    wanted = peer_parameters("modeling_tf_utils", "TFPreTrainedModel", "prepare_tf_dataset")
    assert positional(mobilebert.TFMobileBertPreTrainedModel.prepare_tf_dataset) == wanted


@pytest.mark.parametrize("task", TASKS)
def test_output_classes_have_the_documented_fields(task):
    name = f"TF{TASKS[task].output_name}"
    own = "MobileBert" in name
    node = peer_classes(MODELS if own else OUTPUTS)[name]
    wanted = [field.target.id for field in node.body if isinstance(field, ast.AnnAssign)]
    assert [field.name for field in dataclasses.fields(getattr(mobilebert, name))] == wanted


@pytest.mark.parametrize("task", TASKS)
def test_positional_calls_mean_the_same(task):
    """Attentions come before hidden states, also for the bare model; labels come after."""
    model = build(task)
    batch = inputs_for("padded_pairs", model.config, task)
    ids, mask, types = (batch[n] for n in ("input_ids", "attention_mask", "token_type_ids"))
    labels = [None] * len(TASKS[task].labels)
    found = model(ids, mask, types, None, None, None, True, False, True, *labels, False)
    wanted = model(**batch, output_attentions=True)
    assert list(found) == list(wanted) == [*TASKS[task].emits, "attentions"]
    for name in TASKS[task].emits:
        assert np.array_equal(found[name], wanted[name])
