"""What the Keras classes load and write: every format, every variant, every class."""

import json
import logging
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import safetensors.numpy
import torch
import transformers

import mobilebert
from assertions import assert_close
from mobilebert.checkpoint import StoredTensor, save_checkpoint
from mobilebert.errors import (
    ArgumentError,
    CheckpointError,
    InputError,
    MissingExtraError,
    WeightsError,
)
from mobilebert.keras.variables import read
from mobilebert.presets import GOOGLE_DEFAULTS
from mobilebert.tasks import TASKS
from models import PEER_VARIANTS, VARIANTS, random_tensors, small_config
from parity.inputs import inputs_for
from tf1_files import google_variables, write_tf1
from tf_models import build
from tolerances import FLOAT32, TRUNCATED_SHARE
from torch_models import build as build_torch

GOLDEN = Path(__file__).parents[1] / "checkpoint" / "golden"
SHALLOW = {"num_hidden_layers": 1}
Classifier = mobilebert.TFMobileBertForSequenceClassification


def keras_class(task):
    return getattr(mobilebert, f"TF{TASKS[task].class_name}")


def torch_class(task):
    return getattr(mobilebert, TASKS[task].class_name)


def loaded(cls, place, **options):
    """Load a model whose checkpoint has everything and nothing else."""
    model, report = cls.from_pretrained(place, output_loading_info=True, **options)
    assert not any(report.values()), report
    return model


def weights(model):
    return read(model, model.weight_specs())


def assert_same_weights(model, wanted):
    found = weights(model)
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array, name)


def answers(model):
    """What a model of either framework answers to padded pairs."""
    batch = inputs_for("padded_pairs", model.config, task_of(model))
    if not isinstance(model, torch.nn.Module):
        return model(**batch)
    with torch.no_grad():
        return model.eval()(**{name: torch.as_tensor(x) for name, x in batch.items()})


def task_of(model):
    suffix = type(model).__name__.removeprefix("TF")
    return next(name for name, row in TASKS.items() if row.class_name == suffix)


def assert_same_answers(first, second):
    found, wanted = answers(first), answers(second)
    for name in TASKS[task_of(first)].emits:
        assert_close(found[name], wanted[name], FLOAT32, name)


def their_torch(task, config):
    """Build the PyTorch model of transformers, every tensor drawn at random."""
    cls = getattr(transformers, TASKS[task].class_name)
    model = cls(transformers.MobileBertConfig.from_dict(config.to_dict()))
    state = {name: torch.from_numpy(x) for name, x in random_tensors(config, task).items()}
    missing = model.load_state_dict(state, strict=False).missing_keys
    assert all("decoder" in name for name in missing)
    model.tie_weights()
    return model


FORMS = {
    "one file": {},
    "shards": {"max_shard_size": "40KB"},
    "bin": {"safe_serialization": False},
    "bin shards": {"safe_serialization": False, "max_shard_size": "40KB"},
    "variant": {"variant": "other"},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("writer", ["ours", "theirs", "keras"])
def test_every_form_of_pytorchs_layout_is_read(tmp_path, writer, form):
    options = {"variant": "other"} if form == "variant" else {}
    make = {
        "ours": lambda: build_torch("pretraining", **SHALLOW),
        "theirs": lambda: their_torch("pretraining", small_config(**SHALLOW)),
        "keras": lambda: build("pretraining", **SHALLOW),
    }
    model = make[writer]()
    model.save_pretrained(tmp_path, **FORMS[form])
    files = {file.suffix for file in tmp_path.iterdir()} - {".json"}
    assert files == ({".bin"} if "bin" in form else {".safetensors"})
    assert (len(list(tmp_path.iterdir())) > 3) == ("shards" in form)
    wanted = random_tensors(small_config(**SHALLOW), "pretraining")
    for from_pt in (False, True) if writer == "ours" else (False,):
        found = loaded(keras_class("pretraining"), tmp_path, from_pt=from_pt, **options)
        assert_same_weights(found, wanted)


@pytest.mark.parametrize("task", TASKS)
def test_transformers_reads_what_we_write_and_we_what_it_writes(tmp_path, task):
    model = build(task, **SHALLOW)
    model.save_pretrained(tmp_path / "keras")
    theirs = getattr(transformers, TASKS[task].class_name)
    theirs, report = theirs.from_pretrained(tmp_path / "keras", output_loading_info=True)
    assert not any(report.values())
    assert theirs.config.architectures == [TASKS[task].class_name]
    assert_same_answers(model, theirs)
    theirs.save_pretrained(tmp_path / "theirs")
    assert_same_weights(loaded(keras_class(task), tmp_path / "theirs"), weights(model))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_goes_to_pytorch_and_back(tmp_path, variant):
    model = build("pretraining", variant, **SHALLOW)
    model.save_pretrained(tmp_path / "keras", max_shard_size="100KB")
    readers = [torch_class("pretraining")]
    if variant in PEER_VARIANTS:
        readers.append(transformers.MobileBertForPreTraining)
    for reader in readers:
        found = loaded(reader, tmp_path / "keras")
        assert_same_answers(model, found)
        found.save_pretrained(tmp_path / "torch")
        again = loaded(keras_class("pretraining"), tmp_path / "torch")
        assert_same_weights(again, weights(model))


def test_a_changed_number_is_noticed(tmp_path):
    """The twin: a loader that mixed tensors up would fail the comparisons above."""
    model = build("pretraining", **SHALLOW)
    model.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    tensors = safetensors.numpy.load_file(file)
    tensors["mobilebert.encoder.layer.0.ffn.0.output.LayerNorm.bias"][0] += 0.1
    safetensors.numpy.save_file(tensors, file, {"format": "pt"})
    with pytest.raises(AssertionError):
        assert_same_weights(loaded(keras_class("pretraining"), tmp_path), weights(model))
    with pytest.raises(AssertionError):
        assert_same_answers(model, loaded(torch_class("pretraining"), tmp_path))


def test_pruned_heads_travel(tmp_path):
    model = build("masked_lm", pruned_heads={0: [0, 2], 1: [3]})
    model.save_pretrained(tmp_path)
    assert_same_answers(model, loaded(transformers.MobileBertForMaskedLM, tmp_path))
    assert_same_weights(loaded(keras_class("masked_lm"), tmp_path), weights(model))


@pytest.mark.parametrize("auto", [f"TF{row.auto_name}" for row in TASKS.values()])
def test_auto_names_load_the_documented_classes(tmp_path, auto):
    task = next(name for name, row in TASKS.items() if f"TF{row.auto_name}" == auto)
    save_checkpoint(tmp_path, small_config(**SHALLOW), drawn(task), task=task)
    found = loaded(getattr(mobilebert, auto), tmp_path)
    assert type(found) is keras_class(task)
    assert_same_weights(found, drawn(task))


def drawn(task):
    return random_tensors(small_config(**SHALLOW), task)


# Files of TensorFlow

GOLDEN_CASES = {
    "pretraining_no_norm": "pretraining",
    "pretraining_tf_safetensors": "pretraining",
    "question_answering_layer_norm": "question_answering",
}


@pytest.mark.parametrize("case", GOLDEN_CASES)
def test_recorded_files_of_transformers_tensorflow_classes(tmp_path, case):
    """Found without `from_tf`, in a directory or by the file's name, and written as ours."""
    task, place = GOLDEN_CASES[case], GOLDEN / case
    (file,) = (f for f in place.iterdir() if f.suffix in (".h5", ".safetensors"))
    expected = np.load(place / "expected.npz")
    batch = {name: expected[name] for name in ("input_ids", "token_type_ids")}
    auto = getattr(mobilebert, f"TF{TASKS[task].auto_name}")
    models = [loaded(auto, place), loaded(auto, place, from_pt=True), loaded(auto, file)]
    models.append(loaded(keras_class(task), place, from_tf=True))
    models[0].save_pretrained(tmp_path)
    models.append(loaded(keras_class(task), tmp_path))
    for model in models:
        found = model(**batch)
        for name in TASKS[task].emits:
            assert_close(found[name], expected[name], FLOAT32, name)


@pytest.mark.parametrize(
    "variant", ["mobilebert", "tiny", "no_opt", "teacher", "raw_pooler", "plain_embedding"]
)
def test_googles_checkpoint(tmp_path, variant):
    config = small_config(variant, **SHALLOW)
    tensors = random_tensors(config, "pretraining", seed=5)
    prefix = tmp_path / "mobilebert_variables.ckpt"
    variables = google_variables(config, tensors)  # a table without numbers is not among them
    write_tf1(prefix, {name: array for name, array in variables.items() if array.size})
    if variant == "mobilebert":  # the release has a file of its own, without what is the default
        google = {name: getattr(config, name) for name in (*GOOGLE_DEFAULTS, "vocab_size")}
        (tmp_path / "mobilebert_config.json").write_text(json.dumps(google))
    else:
        config.to_json_file(tmp_path / "config.json")
    for place, options in ((tmp_path, {}), (tmp_path, {"from_tf": True}), (prefix, {})):
        found = loaded(keras_class("pretraining"), place, **options)
        assert_same_weights(found, tensors)


def test_which_file_goes_first(tmp_path):
    """safetensors, then what TensorFlow wrote; `from_pt` puts PyTorch's file before that."""
    place, task = GOLDEN / "pretraining_no_norm", "pretraining"
    (tmp_path / "tf_model.h5").write_bytes((place / "tf_model.h5").read_bytes())
    cls, config = keras_class(task), mobilebert.MobileBertConfig.from_pretrained(place)
    tensors = random_tensors(config, task)
    save_checkpoint(tmp_path, config, tensors, task=task, safe_serialization=False)
    from_h5, from_torch = weights(loaded(cls, place)), random_tensors(config, task)
    assert_same_weights(loaded(cls, tmp_path), from_h5)
    assert_same_weights(loaded(cls, tmp_path, from_pt=True), from_torch)
    assert_same_weights(loaded(cls, tmp_path, use_safetensors=False), from_h5)
    third = random_tensors(config, task, seed=1)
    save_checkpoint(tmp_path, config, third, task=task)
    for options in ({}, {"from_pt": True}, {"use_safetensors": True}):
        assert_same_weights(loaded(cls, tmp_path, **options), third)
    assert_same_weights(loaded(cls, tmp_path, from_tf=True), from_h5)
    assert_same_weights(loaded(cls, tmp_path, use_safetensors=False), from_h5)


def test_pytorch_is_needed_for_its_own_files_only(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    place = GOLDEN / "pretraining_no_norm"
    for file in place.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    model = loaded(keras_class("pretraining"), tmp_path)
    model.save_pretrained(tmp_path / "saved")
    loaded(keras_class("pretraining"), tmp_path / "saved")
    with pytest.raises(MissingExtraError, match=r"torch.*pip install 'mobilebert\[torch\]'"):
        keras_class("pretraining").from_pretrained(tmp_path, from_pt=True)


# Checkpoints of another class, number of labels, precision


@pytest.mark.parametrize(
    ("origin", "target"),
    [
        ("feature_extraction", "masked_lm"),
        ("feature_extraction", "multiple_choice"),
        ("pretraining", "sequence_classification"),
        ("pretraining", "feature_extraction"),
        ("masked_lm", "next_sentence_prediction"),
        ("question_answering", "token_classification"),
    ],
)
def test_a_checkpoint_of_another_class(tmp_path, caplog, origin, target):
    save_checkpoint(tmp_path, small_config(**SHALLOW), drawn(origin), task=origin)
    _, wanted = torch_class(target).from_pretrained(tmp_path, output_loading_info=True)
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="mobilebert"):
        model, report = keras_class(target).from_pretrained(tmp_path, output_loading_info=True)
    assert report == wanted
    assert model.newly_initialized_weights == tuple(report["missing_keys"])
    warned = [record.getMessage() for record in caplog.records]
    if report["missing_keys"]:
        (text,) = warned
        assert all(name in text for name in report["missing_keys"])
        assert "TRAIN" in text
    stored = {name.removeprefix("mobilebert."): x for name, x in drawn(origin).items()}
    for name, array in weights(model).items():
        if name in report["missing_keys"]:
            assert (not array.any()) == name.endswith("bias")
        else:
            np.testing.assert_array_equal(array, stored[name.removeprefix("mobilebert.")], name)


def test_another_number_of_labels(tmp_path):
    task = "sequence_classification"
    save_checkpoint(tmp_path, small_config(**SHALLOW), drawn(task), task=task)
    with pytest.raises(WeightsError, match=r"classifier\.weight has shape \[2, 32\], not \[7, 32"):
        Classifier.from_pretrained(tmp_path, num_labels=7)
    model, report = Classifier.from_pretrained(
        tmp_path, num_labels=7, ignore_mismatched_sizes=True, output_loading_info=True
    )
    assert report["mismatched_keys"] == [
        ("classifier.bias", (2,), (7,)),
        ("classifier.weight", (2, 32), (7, 32)),
    ]
    assert set(model.newly_initialized_weights) == {"classifier.weight", "classifier.bias"}
    found = weights(model)
    assert found["classifier.weight"].std() == pytest.approx(0.02 * TRUNCATED_SHARE, rel=0.2)
    assert not found["classifier.bias"].any()
    kept = {name: x for name, x in drawn(task).items() if not name.startswith("classifier")}
    for name, array in kept.items():
        np.testing.assert_array_equal(found[name], array, name)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_precisions_become_float32(tmp_path, dtype):
    """Half of the memory on disk is no reason to compute in half precision."""
    theirs = build_torch("masked_lm", dtype=getattr(torch, dtype), **SHALLOW)
    theirs.save_pretrained(tmp_path / "stored")
    model = loaded(keras_class("masked_lm"), tmp_path / "stored")
    assert {variable.dtype for variable in model.weights} == {"float32"}
    state = theirs.float().state_dict()
    for name, array in weights(model).items():
        np.testing.assert_array_equal(array, state[name].numpy(), name)
    model.save_pretrained(tmp_path / "again")
    assert mobilebert.MobileBertConfig.from_pretrained(tmp_path / "again").dtype == "float32"
    assert_same_answers(model, theirs)


def test_dtype_and_name_are_keras_own(tmp_path):
    save_checkpoint(tmp_path, small_config(**SHALLOW), drawn("masked_lm"), task="masked_lm")
    cls = keras_class("masked_lm")
    model = loaded(cls, tmp_path, dtype="mixed_bfloat16", name="mine")
    assert (model.dtype_policy.name, model.name) == ("mixed_bfloat16", "mine")
    assert_same_weights(model, drawn("masked_lm"))
    half = loaded(cls, tmp_path, dtype="float16")
    assert {variable.dtype for variable in half.weights} == {"float16"}
    half.save_pretrained(tmp_path / "half")
    stored = safetensors.numpy.load_file(tmp_path / "half" / "model.safetensors")
    assert {str(array.dtype) for array in stored.values()} == {"float16"}


# Mistakes


def test_nothing_to_load(tmp_path):
    small_config().save_pretrained(tmp_path)
    message = r"looked for model\.safetensors or tf_model\.h5 or pytorch_model\.bin and a TF1"
    with pytest.raises(CheckpointError, match=message):
        Classifier.from_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"looked for model\.safetensors; it holds config"):
        Classifier.from_pretrained(tmp_path, use_safetensors=True)
    (tmp_path / "tf_model.h5").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"tf_model\.h5 is missing, damaged"):
        Classifier.from_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="Leave out use_safetensors=True"):
        Classifier.from_pretrained(tmp_path, use_safetensors=True)
    (tmp_path / "tf_model.h5").rename(tmp_path / "tf_model.h5.index.json")
    with pytest.raises(CheckpointError, match=r"tf_model\.h5\.index\.json"):
        Classifier.from_pretrained(tmp_path)


def test_wrong_keywords():
    name = "mobilebert-mini-uncased"
    with pytest.raises(ArgumentError, match=r"from_pretrained\(\) does not know colour"):
        Classifier.from_pretrained(name, colour="red")
    with pytest.raises(InputError, match="never runs code"):
        Classifier.from_pretrained(name, trust_remote_code=True)
    with pytest.raises(ArgumentError, match=r"save_pretrained\(\) does not know colour"):
        build(**SHALLOW).save_pretrained("nowhere", colour="red")


def test_weights_without_a_place_are_not_dropped_silently(tmp_path):
    model = build("sequence_classification", **SHALLOW)
    model.extra = keras.layers.Dense(2, name="extra")
    model.extra.build((None, 32))
    with pytest.raises(WeightsError, match=r"no place for: extra/kernel, extra/bias; save such"):
        model.save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_names_without_a_place_are_told_when_loading(tmp_path, caplog):
    tensors = drawn("masked_lm") | {"extra.weight": np.zeros((2, 2), np.float32)}
    stored = {name: StoredTensor.from_array(array) for name, array in tensors.items()}
    save_checkpoint(tmp_path, small_config(**SHALLOW), stored, task="masked_lm")
    with caplog.at_level(logging.INFO, logger="mobilebert"):
        _, report = keras_class("masked_lm").from_pretrained(tmp_path, output_loading_info=True)
    assert report["unexpected_keys"] == ["extra.weight"]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING  # the checkpoint says it is of this very class
    assert "extra.weight" in record.getMessage()
