"""The Keras classes compute what the numpy reference computes, on whatever Keras runs."""

import os

import keras
import numpy as np
import pytest

from assertions import assert_close, relative_error
from keras_backends.numpy_losses import LABELS, loss
from mobilebert.keras.variables import array_of, variables
from mobilebert.reference import encode, forward
from mobilebert.tasks import TASKS
from models import VARIANTS, random_tensors
from small_keras import batch_for, build
from tolerances import FLOAT32

EVERYTHING = {"output_hidden_states": True, "output_attentions": True}


def tensors_of(model):
    """The weights `build` has given the model, in float64."""
    drawn = random_tensors(model.config, model.task.name)
    return {name: x.astype(np.float64) for name, x in drawn.items()}


def test_keras_runs_on_what_it_was_told():
    assert keras.backend.backend() == os.environ.get("KERAS_BACKEND", "tensorflow")
    logits = build("masked_lm")(np.ones((1, 2), int)).logits
    assert type(logits).__module__.startswith((keras.backend.backend(), "jaxlib"))


# Every variant of every class; on TensorFlow tests/keras_models/ compares them all with PyTorch.
PAIRS = [
    (variant, task)
    for variant in VARIANTS
    for task in TASKS
    if keras.backend.backend() != "tensorflow" or variant == "mobilebert" or task == "pretraining"
]


@pytest.mark.parametrize(("variant", "task"), PAIRS)
def test_outputs_are_those_of_the_reference(variant, task):
    model = build(task, variant)
    # Four sequences for all tasks: JAX compiles every operation for every shape.
    batch = batch_for(model, rows=2 if TASKS[task].choices else 4, choices=2)
    tensors = tensors_of(model)
    for pad_neighbor in ("pad_embedding", "zero"):
        found = model(**batch, pad_neighbor=pad_neighbor)
        wanted = forward(tensors, model.config, task, **batch, pad_neighbor=pad_neighbor)
        for name, value in wanted.items():
            assert_close(found[name], value, FLOAT32, f"{name}, {pad_neighbor}")


@pytest.mark.parametrize("variant", ["mobilebert", "teacher", "no_bottleneck"])
def test_states_and_attentions_are_those_of_the_reference(variant):
    model = build(variant=variant)
    batch, config = batch_for(model), model.config
    factors = np.random.default_rng(1).random((config.num_hidden_layers, 4)).astype(np.float32)
    found = model(**batch, head_mask=factors, **EVERYTHING)
    wanted = encode(
        tensors_of(model), config, **batch, head_mask=factors, pad_neighbor="pad_embedding"
    )
    for name, arrays in zip(("hidden_states", "attentions"), wanted, strict=True):
        assert len(found[name]) == len(arrays)
        for number, array in enumerate(arrays):
            assert_close(found[name][number], array, FLOAT32, f"{name} {number}")


def test_rows_of_the_word_table_stand_for_their_ids():
    model = build("masked_lm")
    batch = batch_for(model)
    rows = array_of(model.get_input_embeddings().embeddings)[batch["input_ids"]]
    wanted = model(**batch).logits
    others = {name: x for name, x in batch.items() if name != "input_ids"}
    assert_close(model(inputs_embeds=rows, **others).logits, wanted, FLOAT32)


def test_a_changed_weight_is_noticed():
    """The twin: parity fails for a variable that is moved."""
    model = build("pretraining")
    batch = batch_for(model)
    wanted = forward(
        tensors_of(model), model.config, "pretraining", **batch, pad_neighbor="pad_embedding"
    )
    named = variables(model, model.weight_specs())
    for name in [*list(named)[::4], *list(named)[-3:]]:
        if name.endswith("self.key.bias"):
            continue  # shifts all scores of a query alike, so softmax does not see it
        variable = named[name][1]
        before = array_of(variable)
        variable.assign(before * 1.02 + 0.02)
        found = model(**batch)
        assert max(relative_error(found[n], wanted[n]) for n in wanted) > 5 * FLOAT32, name
        variable.assign(before)


def test_compiled_calls_agree(compiled):
    model = build("question_answering")
    tensors = {name: x.astype(np.int32) for name, x in batch_for(model).items()}
    found = compiled(lambda given: model(given, **EVERYTHING))(tensors)
    wanted = model(tensors, **EVERYTHING)
    assert type(found) is type(wanted)
    assert list(found) == list(wanted)
    assert_close(found.start_logits, wanted.start_logits, FLOAT32)
    for name in ("hidden_states", "attentions"):
        for number, value in enumerate(wanted[name]):
            assert_close(found[name][number], value, FLOAT32, f"{name} {number}")


@pytest.mark.parametrize("task", TASKS)
def test_predict_compiles_and_joins_batches(task):
    model = build(task, num_hidden_layers=1, num_feedforward_networks=2)
    batch = batch_for(model, rows=4)
    model.config.output_hidden_states = True
    found = model.predict(batch, batch_size=2, verbose=0)
    wanted = model(**batch)
    assert type(found) is type(wanted)
    for name in TASKS[task].emits:
        assert isinstance(found[name], np.ndarray)
        assert_close(found[name], wanted[name], FLOAT32, name)
    assert [x.shape for x in found.hidden_states] == [x.shape for x in wanted.hidden_states]


@pytest.mark.parametrize("case", LABELS)
def test_losses_are_those_of_the_definition(case):
    task, fields, labels, _ = LABELS[case]
    model = build(task, **fields)
    batch = batch_for(model)
    found = model(**batch, **labels).loss
    assert found.shape == ()
    outputs = forward(tensors_of(model), model.config, task, **batch, pad_neighbor="pad_embedding")
    assert_close(found, loss(case, outputs), FLOAT32)


def test_every_task_with_labels_has_a_loss_to_compare():
    tried = {task for task, *_ in LABELS.values()}
    assert tried == {name for name, row in TASKS.items() if row.labels}
