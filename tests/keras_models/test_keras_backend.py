"""Keras behind the pipelines: from checkpoints and objects, eagerly and by a recorded graph.

That the backend answers like the others and independently of the batch is tested with them, in
tests/pipelines.
"""

import logging
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import mobilebert
import mobilebert.torch as torch_models
from assertions import assert_close
from mobilebert.backend import TokenBatch
from mobilebert.errors import CheckpointError, InputError, WeightsError
from mobilebert.hub import BUNDLED_MODEL
from mobilebert.keras import MODEL_CLASSES, TFMobileBertForMaskedLM, programs
from mobilebert.keras.backend import KerasBackend, device_of
from mobilebert.numpy_backend import NumpyBackend
from mobilebert.pipelines import pipeline
from mobilebert.pipelines.sources import ModelSource, load_model
from mobilebert.tasks import PIPELINE_TASKS, TASKS
from models import random_batch, random_tensors, small_config
from pipelines.random_checkpoints import OVERRIDES, write_checkpoint
from pipelines.test_batching import INPUTS, TEXTS, assert_same
from tf_models import build
from tolerances import BFLOAT16, FLOAT32, FLOAT64


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    root = tmp_path_factory.mktemp("checkpoints")
    # Recording a graph takes time by the layer.
    shallow = {"num_hidden_layers": 1, "num_feedforward_networks": 2}
    return {
        task: write_checkpoint(root / task, spec, **(shallow | OVERRIDES.get(task, {})))
        for task, spec in PIPELINE_TASKS.items()
    }


@pytest.fixture
def graph_at_once(monkeypatch):
    """No batch runs without a graph."""
    monkeypatch.setattr(programs, "EAGER_RUNS", 0)


def batch_for(config, length=11, choices=0):
    return TokenBatch(*random_batch(config, 3, length, 0, choices))


POSITIONS = np.array([[0, 2], [2, 1], [2, 9]])


def outputs(kind, task, positions=None, **options):
    config = small_config(num_hidden_layers=1)
    backend = kind(random_tensors(config, task), config, task, **options)
    return backend.run(batch_for(config, choices=2 if TASKS[task].choices else 0), positions)


def assert_equal_outputs(found, wanted, bound):
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert found[name].dtype.kind == "f"
        assert_close(found[name], array, bound)


@pytest.mark.parametrize("positions", [None, POSITIONS], ids=["everywhere", "some"])
@pytest.mark.parametrize("task", TASKS)
def test_outputs_are_those_of_the_reference(task, positions):
    wanted = outputs(NumpyBackend, task, positions, dtype="float64")
    assert_equal_outputs(outputs(KerasBackend, task, positions), wanted, FLOAT32)


@pytest.mark.parametrize(("dtype", "bound"), [("float64", FLOAT64), ("bfloat16", BFLOAT16)])
def test_other_dtypes(dtype, bound):
    wanted = outputs(NumpyBackend, "sequence_classification", dtype="float64")
    found = outputs(KerasBackend, "sequence_classification", dtype=dtype)
    assert_equal_outputs(found, wanted, bound)
    assert found["logits"].dtype == {"float64": np.float64, "bfloat16": np.float32}[dtype]


@pytest.mark.usefixtures("graph_at_once")
@pytest.mark.parametrize("task", ["pretraining", "multiple_choice"])
def test_one_graph_serves_all_shapes(task, monkeypatch):
    config = small_config(num_hidden_layers=1, num_feedforward_networks=2)
    backend = KerasBackend(random_tensors(config, task), config, task)
    reference = NumpyBackend(random_tensors(config, task), config, task, dtype="float64")
    recorded, forward = [], type(backend)._forward
    monkeypatch.setattr(
        KerasBackend, "_forward", lambda *args: recorded.append(1) or forward(*args)
    )
    backend._set(backend.model, backend.task, "cpu:0", "zero")
    for length in (3, 11, 12):
        batch = batch_for(config, length, choices=2 if TASKS[task].choices else 0)
        positions = None if TASKS[task].choices else np.array([[0, length - 1]])
        assert_equal_outputs(
            backend.run(batch, positions), reference.run(batch, positions), FLOAT32
        )
    assert len(recorded) == 1


def test_a_graph_follows_after_some_batches(monkeypatch, checkpoints):
    monkeypatch.setattr(programs, "EAGER_RUNS", 2)
    answerer = pipeline("fill-mask", checkpoints["fill-mask"], backend="keras")
    functions = []
    function = tf.function
    monkeypatch.setattr(
        tf, "function", lambda *args, **kw: functions.append(1) or function(*args, **kw)
    )
    answers = [answerer(text) for text in TEXTS]
    assert len(functions) == 1
    assert_same(answers, [answerer(text) for text in TEXTS])


def test_a_graph_sees_new_values_and_new_variables(graph_at_once, checkpoints, monkeypatch):
    directory = checkpoints["text-classification"]
    model = mobilebert.TFMobileBertForSequenceClassification.from_pretrained(directory)
    answerer = pipeline(model=model, top_k=None)
    answers = [answerer("a text")]
    bias = model.classifier.bias
    bias.assign(bias + np.array([0.0, 3.0, 0.0], np.float32))
    answers.append(answerer("a text"))
    new = keras.layers.Dense(3, bias_initializer="ones")
    new.build((None, model.config.hidden_size))
    model.classifier = new
    answers.append(answerer("a text"))
    assert answers[0] != answers[1] != answers[2]
    monkeypatch.setattr(programs, "EAGER_RUNS", 1)
    assert_same(answers[2], pipeline(model=model, top_k=None)("a text"))


@pytest.mark.parametrize("task", PIPELINE_TASKS)
def test_an_object_answers_as_its_checkpoint(task, checkpoints):
    kind = getattr(mobilebert, f"TF{PIPELINE_TASKS[task].class_name}")
    model = kind.from_pretrained(checkpoints[task])
    (item, *_), options = INPUTS[task]
    by_object = pipeline(task, model, **options)
    assert by_object.model.name == "keras"
    assert str(model.pad_neighbor) == "pad_embedding"
    by_name = pipeline(task, checkpoints[task], framework="tf", **options)
    assert by_name.model.name == "keras"
    assert by_object(item) == by_name(item)
    assert_same(
        by_object(item), pipeline(task, checkpoints[task], backend="numpy", **options)(item)
    )


def test_features_of_an_object_with_a_head_are_its_encoders(checkpoints):
    directory = checkpoints["text-classification"]
    model = mobilebert.TFMobileBertForSequenceClassification.from_pretrained(directory)
    found = pipeline("feature-extraction", model)
    wanted = pipeline("feature-extraction", directory, dtype="float32")("a b")
    assert_same(found("a b"), wanted)
    assert tf.is_tensor(found("a b", return_tensors=True))
    assert tf.is_tensor(found("a b", return_tensors="tf"))
    assert isinstance(found("a b", return_tensors="np"), np.ndarray)
    # Without pooler, too.
    directory = checkpoints["fill-mask"]
    model = TFMobileBertForMaskedLM.from_pretrained(directory)
    found = pipeline("feature-extraction", model)("a b")
    wanted = pipeline("feature-extraction", directory, dtype="float32")("a b")
    assert_same(found, wanted)


def test_wrong_combinations_of_object_and_options(checkpoints):
    directory = checkpoints["question-answering"]
    model = mobilebert.TFMobileBertForQuestionAnswering.from_pretrained(directory)
    for options in ({"backend": "torch"}, {"framework": "pt"}):
        with pytest.raises(InputError, match="A Keras model runs on backend='keras', not 'torch'"):
            pipeline("question-answering", model, **options)
    with pytest.raises(InputError, match="A Keras model runs on backend='keras', not 'numpy'"):
        pipeline("question-answering", model, backend="numpy")
    with pytest.raises(InputError, match="TFMobileBertForMaskedLM, not a TFMobileBertForQ"):
        pipeline("fill-mask", model)
    with pytest.raises(InputError, match="keeps the dtype it was built with, float32"):
        pipeline("question-answering", model, dtype=tf.float64)
    with pytest.raises(InputError, match="A MobileBERT model is needed, not a Dense"):
        pipeline("question-answering", keras.layers.Dense(1), directory)
    for same in ({"device": "cpu"}, {"device": -1}, {"dtype": tf.float32}, {"dtype": "auto"}):
        pipeline("question-answering", model, **same)
    torch_model = torch_models.MobileBertForQuestionAnswering.from_pretrained(directory)
    with pytest.raises(InputError, match="A PyTorch model runs on backend='torch', not 'keras'"):
        pipeline("question-answering", torch_model, framework="tf")


def test_the_framework_is_the_backend(checkpoints):
    directory = checkpoints["fill-mask"]
    for framework, backend in (("pt", "torch"), ("tf", "keras")):
        assert pipeline(model=directory, framework=framework).model.name == backend
        assert pipeline(model=directory, framework=framework, backend=backend)
    with pytest.raises(InputError, match="framework='tf' is backend='keras', not 'torch'"):
        pipeline(model=directory, framework="tf", backend="torch")
    with pytest.raises(InputError, match="framework must be pt or tf, not 'jax'"):
        pipeline(model=directory, framework="jax")


def test_an_untrained_object_is_refused():
    model = mobilebert.TFMobileBertForTokenClassification.from_pretrained(BUNDLED_MODEL)
    with pytest.raises(WeightsError, match="not trained"):
        pipeline("ner", model)
    assert pipeline("ner", model, allow_untrained=True)("hi") is not None


def test_a_mixed_precision_object_computes_as_it_is(checkpoints):
    model = mobilebert.TFMobileBertForSequenceClassification.from_pretrained(
        checkpoints["text-classification"], dtype="mixed_bfloat16"
    )
    found = pipeline(model=model, dtype="bfloat16").model.run(batch := batch_for(model.config))
    wanted = pipeline(model=checkpoints["text-classification"]).model.run(batch)
    assert_equal_outputs(found, wanted, BFLOAT16)


@pytest.mark.parametrize("device", [None, "cpu", "CPU:0", "/device:CPU:0", -1, "-1"])
def test_the_cpu(device):
    assert device_of(device) == "cpu:0"


@pytest.mark.parametrize("device", [0, 3, "gpu", "cuda:1", "/GPU:0", "cpu:7"])
def test_an_accelerator_that_is_not_there_warns(device, caplog):
    with caplog.at_level(logging.WARNING, logger="mobilebert"):
        assert device_of(device) == "cpu:0"
    assert "running on the CPU" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": -2}, "-2 is no device"),
        ({"device": "moon"}, "'moon' is no device; write cpu, gpu, gpu:1"),
        ({"dtype": "float16"}, "The keras backend computes in float32 or float64 or bfloat16, not"),
        ({"dtype": "int8"}, "not in 'int8'"),
    ],
)
def test_impossible_choices(options, message, checkpoints):
    with pytest.raises(InputError, match=message):
        pipeline("fill-mask", checkpoints["fill-mask"], backend="keras", **options)


def test_files_of_tensorflow_are_found():
    """Its users have them; other backends say what to do with a tf_model.h5."""
    place = Path(__file__).parents[1] / "checkpoint/golden/question_answering_layer_norm"
    expected = np.load(place / "expected.npz")
    ids = expected["input_ids"]
    batch = TokenBatch(ids, np.ones_like(ids), expected["token_type_ids"])
    found = load_model(place, "question-answering", ModelSource(backend="keras")).run(batch)
    assert list(found) == ["start_logits", "end_logits"]
    for name, array in found.items():
        assert_close(array, expected[name], FLOAT32, name)
    with pytest.raises(CheckpointError, match="TensorFlow weights are read with"):
        load_model(place, "question-answering", ModelSource(backend="numpy"))


def test_missing_weights_are_named():
    config = small_config()
    tensors = random_tensors(config, "sequence_classification")
    del tensors["classifier.bias"]
    with pytest.raises(WeightsError, match=r"missing or of another shape: classifier\.bias"):
        KerasBackend(tensors, config, "sequence_classification")


@pytest.mark.usefixtures("graph_at_once")
def test_ids_and_lengths_are_checked_before_the_graph():
    backend = KerasBackend.from_model(build("feature_extraction"))
    assert isinstance(backend.model, MODEL_CLASSES["feature_extraction"])
    rows = TokenBatch.from_rows([[5, backend.config.vocab_size]])
    with pytest.raises(InputError, match="input_ids holds"):
        backend.run(rows)
    long = TokenBatch.from_rows([[5] * (backend.config.max_position_embeddings + 1)])
    with pytest.raises(InputError, match="positions; shorten it or truncate"):
        backend.run(long)
