"""Files exchanged with transformers 4.56.2, both ways, and what TensorFlow wrote."""

import json
import logging
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
import transformers

import mobilebert
import tolerances
from assertions import assert_close
from mobilebert.checkpoint import load_checkpoint
from mobilebert.config import MobileBertConfig
from mobilebert.errors import CheckpointError, MissingExtraError
from mobilebert.presets import GOOGLE_DEFAULTS, PRESETS
from mobilebert.reference import forward
from mobilebert.tasks import TASKS
from mobilebert.weights import weight_specs
from models import random_batch, random_tensors, small_config
from tf1_files import google_variables, write_tf1

GOLDEN = Path(__file__).parent / "golden"
CLASSES = [row.class_name for row in TASKS.values()]

# Everything of a preset but its sizes.
SCALE = {
    "vocab_size": 97,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 36,
    "embedding_size": 16,
    "intra_bottleneck_size": 24,
    "max_position_embeddings": 40,
}
# transformers fails with unshared queries unless both widths are equal.
EQUAL_WIDTHS = {name: {"intra_bottleneck_size": 32} for name in ("ib-bert-large", "ib-bert-mini")}


def scaled(preset, task=None, **fields):
    # The peer's question answering fails unless there are two labels.
    labels = (
        {"num_labels": 5} if task in ("sequence_classification", "token_classification") else {}
    )
    return MobileBertConfig.preset(
        preset, **(SCALE | EQUAL_WIDTHS.get(preset, {}) | labels | fields)
    )


def filled(cls, config, task, seed=0):
    """Build a model (ours or the peer's) with every tensor drawn at random."""
    model = cls(config)
    tensors = random_tensors(MobileBertConfig.from_dict(config.to_dict()), task, seed)
    state = {name: torch.from_numpy(array) for name, array in tensors.items()}
    missing = model.load_state_dict(state, strict=False).missing_keys
    assert all("decoder" in name for name in missing)
    model.tie_weights()
    return model.eval()


def outputs(model, config, task):
    ids, mask, types = random_batch(config, choices=2 if TASKS[task].choices else 0)
    arrays = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    with torch.no_grad():
        found = model(**{name: torch.from_numpy(array) for name, array in arrays.items()})
    return {name: found[name].numpy() for name in TASKS[task].emits}


def assert_equal_outputs(first, second, config, task):
    wanted = outputs(second, config, task)
    for name, array in outputs(first, config, task).items():
        assert_close(array, wanted[name], tolerances.FLOAT32, name)


def theirs(task):
    return getattr(transformers, TASKS[task].class_name)


def ours(task):
    return getattr(mobilebert, TASKS[task].class_name)


def their_config(config):
    return transformers.MobileBertConfig.from_dict(config.to_dict())


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("preset", PRESETS)
def test_it_saves_we_load(tmp_path, preset, task):
    config = scaled(preset, task)
    peer = filled(theirs(task), their_config(config), task)
    peer.save_pretrained(tmp_path)
    model, info = ours(task).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values())
    assert model.config.true_hidden_size == peer.config.true_hidden_size
    assert_equal_outputs(model, peer, config, task)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("preset", PRESETS)
def test_we_save_it_loads(tmp_path, preset, task):
    config = scaled(preset, task)
    model = filled(ours(task), config, task)
    model.save_pretrained(tmp_path)
    peer, info = theirs(task).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values())
    assert peer.config.architectures == [TASKS[task].class_name]
    assert_equal_outputs(model, peer, config, task)


@pytest.mark.parametrize("task", ["masked_lm", "sequence_classification"])
def test_a_changed_weight_is_seen(tmp_path, task):
    """The twin of the two tests above: outputs that agree by chance would pass them."""
    config = scaled("mobilebert")
    model = filled(ours(task), config, task)
    model.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    tensors = safetensors.torch.load_file(file)
    tensors["mobilebert.encoder.layer.1.ffn.0.output.LayerNorm.bias"][0] += 0.1
    safetensors.torch.save_file(tensors, file, {"format": "pt"})
    with pytest.raises(AssertionError):
        assert_equal_outputs(model, theirs(task).from_pretrained(tmp_path), config, task)


@pytest.mark.parametrize("form", ["shards", "bin", "bin shards", "variant", "half", "untied"])
@pytest.mark.parametrize("direction", ["out", "in"])
def test_other_forms_of_files(tmp_path, form, direction):
    options = {
        "shards": {"max_shard_size": "40KB"},
        "bin": {"safe_serialization": False},
        "bin shards": {"safe_serialization": False, "max_shard_size": "40KB"},
        "variant": {"variant": "fp16"},
    }.get(form, {})
    reading = {"variant": "fp16"} if form == "variant" else {}
    if form == "half":
        reading = {"dtype": "auto"}
    config = scaled("mobilebert", tie_word_embeddings=form != "untied")
    cls, other = (ours, theirs) if direction == "out" else (theirs, ours)
    given = config if direction == "out" else their_config(config)
    model = filled(cls("pretraining"), given, "pretraining")
    if form == "half":
        model = model.half()
    model.save_pretrained(tmp_path, **options)
    if "bin" not in form:
        assert not list(tmp_path.glob("*.bin"))
    found = other("pretraining").from_pretrained(tmp_path, **reading)
    if form == "half":
        assert found.dtype == torch.float16
        model, found = model.float(), found.float()
    assert_equal_outputs(found, model, config, "pretraining")


@pytest.mark.parametrize("direction", ["out", "in"])
def test_pruned_heads_travel(tmp_path, direction):
    config = scaled("mobilebert")
    cls, other = (ours, theirs) if direction == "out" else (theirs, ours)
    given = config if direction == "out" else their_config(config)
    model = filled(cls("masked_lm"), given, "masked_lm")
    model.prune_heads({0: [0, 2], 1: [3]})
    model.save_pretrained(tmp_path)
    found = other("masked_lm").from_pretrained(tmp_path)
    assert {int(k): list(v) for k, v in found.config.pruned_heads.items()} == {0: [0, 2], 1: [3]}
    assert_equal_outputs(found, model, config, "masked_lm")


@pytest.mark.parametrize(
    ("origin", "target"),
    [
        ("feature_extraction", "masked_lm"),
        ("pretraining", "sequence_classification"),
        ("masked_lm", "feature_extraction"),
        ("masked_lm", "next_sentence_prediction"),
        ("question_answering", "token_classification"),
    ],
)
def test_the_same_weights_are_reported_as_new(tmp_path, origin, target):
    filled(ours(origin), scaled("mobilebert"), origin).save_pretrained(tmp_path)
    _, wanted = theirs(target).from_pretrained(tmp_path, output_loading_info=True)
    _, found = ours(target).from_pretrained(tmp_path, output_loading_info=True)
    # The same memory as cls.predictions.bias; the peer names both.
    tied = {"cls.predictions.decoder.bias"}
    assert set(found["missing_keys"]) == set(wanted["missing_keys"]) - tied
    prefix = "mobilebert."
    # The peer spells left-over encoder names as in the file, we as the model would.
    assert {name.removeprefix(prefix) for name in found["unexpected_keys"]} == {
        name.removeprefix(prefix) for name in wanted["unexpected_keys"]
    }


TF1_VARIANTS = ["mobilebert", "tiny", "no_opt", "raw_pooler", "one_ffn", "no_bottleneck"]


@pytest.mark.parametrize("variant", TF1_VARIANTS)
def test_a_tf1_checkpoint_is_read_as_the_peer_reads_it(tmp_path, variant):
    config = small_config(variant)
    tensors = random_tensors(config, "pretraining", seed=5)
    prefix = tmp_path / "mobilebert_variables.ckpt"
    write_tf1(prefix, google_variables(config, tensors))
    config.to_json_file(tmp_path / "config.json")
    peer = transformers.MobileBertForPreTraining(their_config(config))
    transformers.load_tf_weights_in_mobilebert(peer, None, str(prefix))
    for place in (tmp_path, prefix, f"{prefix}.index"):
        model, info = mobilebert.MobileBertForPreTraining.from_pretrained(
            place, from_tf=True, output_loading_info=True
        )
        assert not any(info.values())
        assert_equal_outputs(model, peer.eval(), config, "pretraining")


@pytest.mark.parametrize("task", ["sequence_classification", "question_answering"])
def test_google_fine_tuned_heads_are_read(tmp_path, task):
    config = small_config(num_labels=3)
    tensors = random_tensors(config, task)
    write_tf1(tmp_path / "model.ckpt", google_variables(config, tensors))
    loaded = load_checkpoint(tmp_path / "model.ckpt", task, config=config)
    assert loaded.report.missing == loaded.report.unexpected == ()
    for name, array in loaded.arrays().items():
        np.testing.assert_array_equal(array, tensors[name])


def test_google_directory_with_its_own_json(tmp_path):
    """The release: mobilebert_config.json beside mobilebert_variables.ckpt.*, no config.json."""
    google = {name: getattr(small_config(), name) for name in (*GOOGLE_DEFAULTS, "vocab_size")}
    (tmp_path / "mobilebert_config.json").write_text(json.dumps(google))
    config = MobileBertConfig.from_dict(google)
    tensors = random_tensors(config, "pretraining")
    write_tf1(tmp_path / "mobilebert_variables.ckpt", google_variables(config, tensors))
    loaded = load_checkpoint(tmp_path, "pretraining", from_tf=True)
    assert loaded.report.missing == ()


def test_damaged_tf1_checkpoints_are_refused(tmp_path):
    config = small_config()
    config.save_pretrained(tmp_path)
    prefix = tmp_path / "model.ckpt"
    write_tf1(prefix, google_variables(config, random_tensors(config, "pretraining")))
    data = tmp_path / "model.ckpt.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"model\.ckpt"):
        load_checkpoint(prefix, "pretraining").arrays()
    Path(f"{prefix}.index").write_bytes(b"garbage")
    with pytest.raises(CheckpointError, match=r"model\.ckpt"):
        load_checkpoint(prefix, "pretraining")
    shutil.copy(f"{prefix}.index", tmp_path / "other.index")
    with pytest.raises(CheckpointError, match="several"):
        load_checkpoint(tmp_path, "pretraining", from_tf=True)


GOLDEN_CASES = {
    "pretraining_no_norm": ("pretraining", True),
    "pretraining_tf_safetensors": ("pretraining", False),
    "question_answering_layer_norm": ("question_answering", True),
}


def test_from_tf_reads_safetensors_too():
    case = GOLDEN / "pretraining_tf_safetensors"
    first, second = (load_checkpoint(case, "pretraining", from_tf=given) for given in (True, False))
    assert first.report == second.report


@pytest.mark.parametrize("case", GOLDEN_CASES)
def test_files_of_the_tensorflow_classes_give_their_outputs(case):
    task, from_tf = GOLDEN_CASES[case]
    loaded = load_checkpoint(GOLDEN / case, task, from_tf=from_tf)
    assert loaded.report.newly_initialized == loaded.report.unexpected == ()
    expected = np.load(GOLDEN / case / "expected.npz")
    inputs = (expected["input_ids"], None, expected["token_type_ids"])
    found = forward(loaded.arrays(), loaded.config, task, *inputs)
    model = ours(task).from_pretrained(GOLDEN / case, from_tf=from_tf)
    with torch.no_grad():
        again = model(torch.from_numpy(inputs[0]), token_type_ids=torch.from_numpy(inputs[2]))
    for name in TASKS[task].emits:
        assert_close(found[name], expected[name], tolerances.FLOAT32, name)
        assert_close(again[name].numpy(), expected[name], tolerances.FLOAT32, name)


@pytest.mark.parametrize(
    ("module", "case"), [("h5py", "pretraining_no_norm"), ("tensorflow", "tf1"), ("torch", "bin")]
)
def test_a_missing_extra_is_named(tmp_path, monkeypatch, module, case):
    monkeypatch.setitem(sys.modules, module, None)
    place = GOLDEN / case if module == "h5py" else tmp_path
    if module != "h5py":
        small_config().save_pretrained(tmp_path)
        (tmp_path / "model.ckpt.index").write_bytes(b"")
        (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    extra = "torch" if module == "torch" else "tensorflow"
    with pytest.raises(MissingExtraError, match=rf"{module}.*pip install 'mobilebert\[{extra}\]'"):
        load_checkpoint(place, "pretraining", from_tf=module != "torch")


def test_old_state_dicts_are_read(tmp_path, caplog):
    """gamma/beta names, a stored position_ids buffer, tied tensors: checkpoints before 2021."""
    config = scaled("mobilebert")
    model = filled(ours("masked_lm"), config, "masked_lm")
    state = {}
    for name, tensor in model.state_dict().items():
        old = name.replace("LayerNorm.weight", "LayerNorm.gamma")
        state[old.replace("LayerNorm.bias", "LayerNorm.beta")] = tensor
    state["mobilebert.embeddings.position_ids"] = torch.arange(40)[None]
    torch.save(state, tmp_path / "pytorch_model.bin")
    config.save_pretrained(tmp_path)
    with caplog.at_level(logging.INFO, logger="mobilebert"):
        found = ours("masked_lm").from_pretrained(tmp_path)
    assert not caplog.records
    assert_equal_outputs(found, model, config, "masked_lm")


def test_every_spec_is_in_the_peers_state_dict():
    for task in TASKS:
        config = scaled("mobilebert")
        names = theirs(task)(their_config(config)).state_dict()
        assert set(names) == {row.name for row in weight_specs(config, task)}
