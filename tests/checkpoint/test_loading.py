"""`from_pretrained` and `save_pretrained` of the PyTorch classes."""

import copy
import json
import logging
import pickle
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import mobilebert
from mobilebert.checkpoint import save_checkpoint
from mobilebert.errors import (
    ArgumentError,
    CheckpointError,
    ConfigError,
    InputError,
    WeightsError,
)
from mobilebert.hub import BUNDLED_MODEL
from mobilebert.tasks import TASKS
from models import random_tensors, small_config

MaskedLM = mobilebert.MobileBertForMaskedLM
Classifier = mobilebert.MobileBertForSequenceClassification


@pytest.fixture
def directory(tmp_path):
    config = small_config()
    save_checkpoint(tmp_path, config, random_tensors(config, "pretraining"), task="pretraining")
    return tmp_path


def same_state(first, second):
    one, other = first.state_dict(), second.state_dict()
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


@pytest.mark.parametrize("task", TASKS)
def test_every_class_loads_saves_and_loads_again(directory, tmp_path_factory, task):
    cls = getattr(mobilebert, TASKS[task].class_name)
    model = cls.from_pretrained(directory)
    assert not model.training
    assert not any(p.is_meta for p in model.state_dict().values())
    assert model.name_or_path == model.config.name_or_path == str(directory)
    place = tmp_path_factory.mktemp("saved")
    model.save_pretrained(place)
    again, info = cls.from_pretrained(place, output_loading_info=True)
    assert info == {
        "missing_keys": [],
        "unexpected_keys": [],
        "mismatched_keys": [],
        "error_msgs": [],
    }
    same_state(model, again)
    assert again.newly_initialized_weights == ()
    assert json.loads((place / "config.json").read_text())["architectures"] == [cls.__name__]


def test_tied_weights_are_one_tensor_after_loading(directory):
    model = MaskedLM.from_pretrained(directory)
    head = model.cls["predictions"]
    assert head.decoder.weight is model.mobilebert.embeddings.word_embeddings.weight
    assert head.decoder.bias is head.bias


def test_loaded_weights_do_not_change_with_the_file(directory):
    model = MaskedLM.from_pretrained(directory)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    file = directory / "model.safetensors"
    with file.open("r+b") as stream:  # in place, as no good program would write
        stream.seek(-1000, 2)
        stream.write(bytes(1000))
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, torch.float32),
        ({"dtype": "auto"}, torch.bfloat16),
        ({"dtype": torch.float16}, torch.float16),
        ({"dtype": "float64"}, torch.float64),
        ({"torch_dtype": "torch.float16"}, torch.float16),
        ({"torch_dtype": "auto"}, torch.bfloat16),
        ({"dtype": "float16", "torch_dtype": "float64"}, torch.float16),
    ],
)
def test_dtypes(directory, given, wanted):
    MaskedLM.from_pretrained(directory).to(torch.bfloat16).save_pretrained(directory)
    model = Classifier.from_pretrained(directory, **given)
    assert {p.dtype for p in model.parameters()} == {wanted}
    assert model.config.dtype == str(wanted).removeprefix("torch.")
    if wanted is torch.bfloat16:
        reference = MaskedLM.from_pretrained(directory, dtype="auto").mobilebert.encoder
        same_state(model.mobilebert.encoder, reference)


def test_auto_dtype_without_a_note_in_the_configuration_is_that_of_the_file(directory):
    MaskedLM.from_pretrained(directory).half().save_pretrained(directory)
    file = directory / "config.json"
    content = json.loads(file.read_text())
    del content["dtype"]
    file.write_text(json.dumps(content))
    assert MaskedLM.from_pretrained(directory, dtype="auto").dtype == torch.float16


def test_pytorchs_default_dtype_is_followed(directory):
    torch.set_default_dtype(torch.float64)
    try:
        assert MaskedLM.from_pretrained(directory).dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("given", [None, "auto", "cpu", torch.device("cpu"), {"": "cpu"}])
def test_devices(directory, given):
    model = MaskedLM.from_pretrained(directory, device_map=given)
    if given != "auto":
        assert model.device == torch.device("cpu")
    assert not any(p.is_meta for p in model.parameters())


BAD_KEYWORDS = [
    ({"colour": 1, "size": 2}, ArgumentError, "colour, size"),
    ({"add_pooling_layer": True}, ArgumentError, "add_pooling_layer"),
    ({"trust_remote_code": True}, InputError, "never runs code"),
    ({"dtype": "int8"}, InputError, "dtype"),
    ({"dtype": "floaty"}, InputError, "dtype"),
    ({"device_map": "gpu please"}, InputError, "device_map"),
    ({"device_map": {"embeddings": 0}}, InputError, "device_map"),
    ({"device_map": "xpu:99"}, InputError, "no device xpu:99 here"),
    ({"device_map": 99}, InputError, "no device cuda:99 here"),
    ({"config": {"hidden_size": 3}}, ArgumentError, "config must be .* not a dict"),
    ({"attn_implementation": "fast"}, InputError, "attn|eager"),
    ({"hidden_size": -3}, ConfigError, "hidden_size"),
    ({"hidden_size": 64}, WeightsError, "shape"),
    ({"num_hidden_layers": 3, "vocab_size": 96}, WeightsError, "layer.2"),
    ({"config": "/nowhere/at/all"}, CheckpointError, "nowhere"),
    ({"subfolder": "../up"}, InputError, "up.* points outside the checkpoint"),
    ({"subfolder": "/etc"}, InputError, "/etc.* points outside the checkpoint"),
]


@pytest.mark.parametrize(("keywords", "kind", "word"), BAD_KEYWORDS)
def test_bad_keywords(directory, keywords, kind, word):
    with pytest.raises(kind, match=word):
        MaskedLM.from_pretrained(directory, **keywords)


def test_unknown_keywords_are_type_errors(directory):
    with pytest.raises(TypeError, match="hiden_size"):
        MaskedLM.from_pretrained(directory, hiden_size=32)


def test_fields_of_the_configuration_can_be_changed(directory):
    model = Classifier.from_pretrained(
        directory, num_labels=7, output_attentions=True, attn_implementation="eager"
    )
    assert model.classifier.weight.shape == (7, 32)
    assert model.config.output_attentions
    assert model.config._attn_implementation == "eager"
    labels = {0: "no", 1: "yes"}
    assert Classifier.from_pretrained(directory, id2label=labels).config.label2id["yes"] == 1


def test_a_given_configuration_is_used_and_not_changed(directory):
    config = small_config(num_labels=4, attn_implementation="eager")
    before = config.to_dict()
    model = Classifier.from_pretrained(directory, config=config, classifier_dropout=0.5)
    assert config.to_dict() == before
    assert model.config is not config
    assert (model.config.num_labels, model.config.classifier_dropout) == (4, 0.5)
    assert model.config._attn_implementation == "eager"
    other = Classifier.from_pretrained(directory, config=directory / "config.json")
    assert other.config.num_labels == 2


def test_constructor_keywords(directory):
    model, info = mobilebert.MobileBertModel.from_pretrained(
        directory, add_pooling_layer=False, pad_neighbor="zero", output_loading_info=True
    )
    assert model.pooler is None
    assert model.pad_neighbor == "zero"
    assert {name for name in info["unexpected_keys"] if "pooler" in name} == {
        "pooler.dense.weight",
        "pooler.dense.bias",
    }
    assert mobilebert.MobileBertModel.from_pretrained(directory, False).pooler is None


def test_accepted_keywords_without_effect(directory):
    MaskedLM.from_pretrained(
        directory,
        low_cpu_mem_usage=True,
        trust_remote_code=False,
        weights_only=True,
        resume_download=False,
        cache_dir=None,
        revision="main",
        token=False,
    )


def test_without_a_checkpoint(directory):
    model = MaskedLM.from_pretrained(directory)
    state = model.state_dict()
    again = MaskedLM.from_pretrained(None, config=model.config, state_dict=state)
    same_state(model, again)
    named = Classifier.from_pretrained(directory, state_dict=state)
    same_state(named.mobilebert.encoder, model.mobilebert.encoder)
    with pytest.raises(InputError, match="state_dict"):
        MaskedLM.from_pretrained(None, config=model.config)


def test_new_weights_are_reported_once_and_until_trained(directory, caplog):
    with caplog.at_level(logging.WARNING, logger="mobilebert"):
        model = Classifier.from_pretrained(directory)
    (record,) = caplog.records
    assert "classifier.weight" in record.getMessage()
    assert "newly initialized" in record.getMessage()
    names = ("classifier.weight", "classifier.bias")
    assert model.newly_initialized_weights == names
    assert copy.deepcopy(model).newly_initialized_weights == names
    assert pickle.loads(pickle.dumps(model)).newly_initialized_weights == names
    assert model.classifier.weight.std() > 0
    assert (model.classifier.bias == 0).all()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    model(torch.tensor([[5, 6, 7]]), labels=torch.tensor([1])).loss.backward()
    optimizer.step()
    assert model.newly_initialized_weights == ()
    assert len(model.newly_initialized_weights) == 0


def test_new_weights_follow_the_seed(directory):
    def weight(seed):
        torch.manual_seed(seed)
        return Classifier.from_pretrained(directory).classifier.weight

    assert torch.equal(weight(3), weight(3))
    assert not torch.equal(weight(3), weight(4))


def test_mismatched_sizes(directory):
    Classifier.from_pretrained(directory, num_labels=3).save_pretrained(directory)
    with pytest.raises(
        RuntimeError, match=r"classifier\.weight has shape \[3, 32\], not \[5, 32\]"
    ):
        Classifier.from_pretrained(directory, num_labels=5)
    model, info = Classifier.from_pretrained(
        directory, num_labels=5, ignore_mismatched_sizes=True, output_loading_info=True
    )
    assert ("classifier.bias", (3,), (5,)) in info["mismatched_keys"]
    assert set(model.newly_initialized_weights) == {"classifier.weight", "classifier.bias"}


def test_missing_encoder_weights_are_initialised_and_reported(directory):
    model, info = MaskedLM.from_pretrained(directory, num_hidden_layers=3, output_loading_info=True)
    assert all("encoder.layer.2." in name for name in info["missing_keys"])
    assert len(model.newly_initialized_weights) == len(info["missing_keys"]) > 30
    norm = model.mobilebert.encoder.layer[2].output.LayerNorm
    assert (norm.weight == 1).all()


class Tagger(mobilebert.MobileBertForTokenClassification):
    """A user's own model: one of ours with something more."""

    def __init__(self, config, extra=3):
        super().__init__(config)
        self.extra = nn.Linear(config.hidden_size, extra)
        self.register_buffer("steps", torch.tensor(0))


def test_a_subclass_with_more_weights_round_trips(directory, tmp_path_factory):
    model, info = Tagger.from_pretrained(directory, extra=4, output_loading_info=True)
    assert {"extra.weight", "classifier.bias"} < set(info["missing_keys"])
    model.steps += 7
    place = tmp_path_factory.mktemp("tagger")
    model.save_pretrained(place)
    again, info = Tagger.from_pretrained(place, extra=4, output_loading_info=True)
    assert not any(info.values())
    assert again.steps == 7
    same_state(model, again)


@pytest.mark.parametrize("safe", [True, False])
def test_saving_options(directory, tmp_path_factory, safe):
    model = MaskedLM.from_pretrained(directory)
    place = tmp_path_factory.mktemp("saved")
    model.save_pretrained(
        place, max_shard_size="40KB", safe_serialization=safe, variant="a", save_peft_format=False
    )
    same_state(MaskedLM.from_pretrained(place, variant="a"), model)
    state = {name: tensor + 1 for name, tensor in model.state_dict().items()}
    model.save_pretrained(place, state_dict=state, safe_serialization=safe)
    found = MaskedLM.from_pretrained(place, use_safetensors=safe)
    assert torch.equal(found.cls["predictions"].bias, state["cls.predictions.bias"])


def test_save_function_and_other_processes(directory, tmp_path_factory):
    model = MaskedLM.from_pretrained(directory)
    place = tmp_path_factory.mktemp("saved") / "below"
    model.save_pretrained(place, is_main_process=False)
    assert not place.exists()
    calls = []

    def write(state, path):
        calls.append(path)
        torch.save(state, path)

    model.save_pretrained(place, save_function=write, safe_serialization=False)
    assert len(calls) == 1
    same_state(MaskedLM.from_pretrained(place), model)
    with pytest.raises(ArgumentError, match="colour"):
        model.save_pretrained(place, colour="red")


def test_pruned_models_round_trip_in_half_precision(directory):
    model = MaskedLM.from_pretrained(directory).half()
    model.prune_heads({1: [0, 3]})
    model.save_pretrained(directory)
    again = MaskedLM.from_pretrained(directory, dtype="auto")
    assert again.config.pruned_heads == {1: [0, 3]}
    same_state(model, again)


def test_a_resized_vocabulary_round_trips(directory):
    model = MaskedLM.from_pretrained(directory)
    model.resize_token_embeddings(120)
    model.save_pretrained(directory)
    again = MaskedLM.from_pretrained(directory)
    assert again.config.vocab_size == 120
    same_state(model, again)


def test_a_subfolder(directory, tmp_path_factory):
    place = tmp_path_factory.mktemp("repository")
    model = MaskedLM.from_pretrained(directory)
    model.save_pretrained(place / "inner")
    same_state(MaskedLM.from_pretrained(place, subfolder="inner"), model)


def test_a_single_file(directory):
    model = MaskedLM.from_pretrained(directory / "model.safetensors")
    same_state(model, MaskedLM.from_pretrained(directory))


def test_the_bundled_model_opens():
    model = mobilebert.MobileBertForPreTraining.from_pretrained(BUNDLED_MODEL)
    assert model.dtype == torch.float32
    assert model.config.name_or_path == BUNDLED_MODEL
    assert model.num_parameters() == 11_776_316


class Hub:
    """Stands for huggingface_hub and remembers what it is asked."""

    def __init__(self):
        self.asked = []

    def HfApi(self, token=None):
        return self

    def create_repo(self, repo_id, **options):
        self.asked.append(("create", repo_id))
        return type("Repository", (), {"repo_id": f"me/{repo_id}"})

    def upload_folder(self, repo_id, folder_path, **options):
        files = {file.name for file in Path(folder_path).iterdir()}
        self.asked.append(("upload", repo_id, files, options))


def test_push_to_hub(directory, monkeypatch):
    hub = Hub()
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    MaskedLM.from_pretrained(directory).push_to_hub("mine", commit_message="first")
    assert hub.asked[0] == ("create", "mine")
    kind, name, files, options = hub.asked[1]
    assert (kind, name, options["commit_message"]) == ("upload", "me/mine", "first")
    assert files == {"config.json", "model.safetensors"}
