"""The Keras classes against the PyTorch classes and the numpy reference: the same weights."""

import numpy as np
import pytest
import tensorflow as tf
import torch

from assertions import assert_close, relative_error
from mobilebert.keras.variables import variables
from mobilebert.reference import forward
from mobilebert.tasks import TASKS
from models import VARIANTS, random_tensors
from parity.inputs import inputs_for, kinds_for
from tf_models import build, pair, tf_names, torch_labels
from tolerances import FLOAT32

EVERYTHING = {"output_hidden_states": True, "output_attentions": True}


def arrays(batch):
    return {n: x.astype(np.float32) if x.dtype.kind == "f" else x for n, x in batch.items()}


def run_torch(model, batch, **options):
    with torch.no_grad():
        return model(**{n: torch.as_tensor(x) for n, x in arrays(batch).items()}, **options)


def flat(output):
    """Every tensor of an output by name; states and attentions with their number."""
    found = {}
    for name, value in output.items():
        single = value if isinstance(value, tuple) else (value,)
        found |= {f"{name} {number}": np.asarray(x) for number, x in enumerate(single)}
    return found


def assert_same(found, wanted):
    found, wanted = flat(found), flat(wanted)
    assert list(found) == list(wanted)
    for name in wanted:
        assert_close(found[name], wanted[name], FLOAT32, name)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_outputs_are_those_of_pytorch_and_of_the_reference(variant, task):
    ours, theirs = pair(task, variant)
    batch = inputs_for("padded_pairs", ours.config, task)
    for pad_neighbor in ("pad_embedding", "zero"):
        options = EVERYTHING | {"pad_neighbor": pad_neighbor}
        found = ours(**batch, **options)
        assert_same(found, run_torch(theirs, batch, **options))
        tensors = random_tensors(ours.config, task, dtype=np.float32)
        tensors = {name: x.astype(np.float64) for name, x in tensors.items()}
        wanted = forward(tensors, ours.config, task, **batch, pad_neighbor=pad_neighbor)
        for name, value in wanted.items():
            assert_close(found[name], value, FLOAT32, name)


@pytest.mark.parametrize(
    ("task", "kind"),
    [(task, kind) for task in ("masked_lm", "multiple_choice") for kind in kinds_for(task)],
)
def test_every_kind_of_input(task, kind):
    ours, theirs = pair(task)
    batch = arrays(inputs_for(kind, ours.config, task))
    assert_same(ours(**batch, **EVERYTHING), run_torch(theirs, batch, **EVERYTHING))


@pytest.mark.parametrize("task", TASKS)
def test_a_changed_weight_is_noticed(task):
    """The twin: parity fails for a variable that is moved."""
    ours, theirs = pair(task)
    batch = inputs_for("padded_pairs", ours.config, task)
    wanted = flat(run_torch(theirs, batch))
    named = variables(ours, ours.weight_specs())
    # Every variable under one task; elsewhere a sample and the task's own, which come last.
    chosen = list(named) if task == "masked_lm" else [*list(named)[::9], *list(named)[-3:]]
    for name in chosen:
        variable = named[name][1]
        if name.endswith("self.key.bias"):
            continue  # shifts all scores of a query alike, so softmax does not see it
        before = np.asarray(tf.convert_to_tensor(variable.value))
        variable.assign(before * 1.02 + 0.02)
        found = flat(ours(**batch))
        assert max(relative_error(found[n], wanted[n]) for n in wanted) > 5 * FLOAT32, name
        variable.assign(before)


ROWS, LENGTH = 3, 11
_RNG = np.random.default_rng(13)


def tokens(labels):
    drawn = _RNG.integers(0, labels, size=(ROWS, LENGTH))
    drawn[:, ::3] = -100
    return drawn


# (task, fields of the configuration, labels)
CASES = {
    "masked_lm": ("masked_lm", {}, {"labels": tokens(97)}),
    "pretraining": (
        "pretraining",
        {},
        {"labels": tokens(97), "next_sentence_label": np.array([0, 1, 1])},
    ),
    "next sentence": ("next_sentence_prediction", {}, {"labels": np.array([0, 1, -100])}),
    "tokens": ("token_classification", {}, {"labels": tokens(5)}),
    "choices": ("multiple_choice", {}, {"labels": np.array([2, 0, 1])}),
    "classes": ("sequence_classification", {}, {"labels": np.array([2, 0, 1])}),
    "classes, as a column": ("sequence_classification", {}, {"labels": np.array([[2], [0], [1]])}),
    "several labels": (
        "sequence_classification",
        {},
        {"labels": np.array([[1.0, 0, 1], [0, 0, 0], [0, 1, 0]])},
    ),
    "number": ("sequence_classification", {"num_labels": 1}, {"labels": np.array([0.3, -2, 9])}),
    "numbers": (
        "sequence_classification",
        {"problem_type": "regression"},
        {"labels": _RNG.standard_normal((ROWS, 3))},
    ),
    "span": (
        "question_answering",
        {},
        {"start_positions": np.array([0, 4, 11]), "end_positions": np.array([3, -1, 400])},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_losses_and_gradients_are_those_of_pytorch(case):
    task, fields, labels = CASES[case]
    ours, theirs = pair(task, num_labels=fields.get("num_labels", 5 if case == "tokens" else 3))
    for model in (ours, theirs):
        model.config.problem_type = fields.get("problem_type")
    batch = inputs_for("padded_pairs", ours.config, task)
    as_torch = {name: torch.as_tensor(x) for name, x in batch.items()}
    wanted = theirs(**as_torch, **torch_labels(labels)).loss
    wanted.backward()
    with tf.GradientTape() as tape:
        found = ours(**batch, **tf_names(task, labels)).loss
    assert found.shape == ()
    assert_close(found, wanted.item(), FLOAT32, "loss")
    named = variables(ours, ours.weight_specs())
    gradients = tape.gradient(found, [variable.value for _, variable in named.values()])
    parameters = dict(theirs.named_parameters())
    for (name, (spec, variable)), gradient in zip(named.items(), gradients, strict=True):
        expected = parameters[name].grad
        value = np.zeros(variable.shape) if gradient is None else tf.convert_to_tensor(gradient)
        value = np.asarray(value).T if spec.kind == "linear_weight" else np.asarray(value)
        expected = np.zeros(spec.shape) if expected is None else expected.numpy()
        assert_close(value, expected, FLOAT32, name)


def test_every_task_with_labels_is_tried():
    assert {task for task, _, _ in CASES.values()} == {t for t, row in TASKS.items() if row.labels}


@pytest.mark.parametrize("case", CASES)
def test_nothing_to_learn_from_gives_zero(case):
    task, _, labels = CASES[case]
    if next(iter(labels.values())).dtype.kind == "f":
        assert task == "sequence_classification"  # numbers and independent labels always count
        return
    model = build(task, num_labels=5)
    ignored = {name: np.full_like(x, -100) for name, x in labels.items()}
    batch = inputs_for("padded_pairs", model.config, task)
    assert float(model(**batch, **tf_names(task, ignored)).loss) == 0
