"""Damaged and hostile checkpoints: one sentence that names the file, and no memory is taken."""

import io
import json
import os
import pickle
import struct
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from mobilebert.checkpoint import check_vocabulary, load_checkpoint, save_checkpoint
from mobilebert.errors import CheckpointError, ConfigError, MobileBertError, WeightsError
from models import random_tensors, small_config

MEMORY = 40 * 2**20  # a hostile file of a few bytes may not make us take more
TASK = "masked_lm"
EMBEDDING = "mobilebert.embeddings.word_embeddings.weight"


def frame(header, data=b"", length=None):
    """Bytes of a safetensors file with the given header (bytes, or anything for JSON)."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape=(2,), begin=0, end=8, dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


ONE = {"a": entry()}

# name -> (content of model.safetensors, word the sentence must have)
BAD_FILES = {
    "zero bytes": (b"", "empty"),
    "three bytes": (b"abc", "too short"),
    "only a length": (struct.pack("<Q", 0), "JSON"),
    "length beyond the file": (frame(ONE, bytes(8), length=10**6), "truncated"),
    "length of all ones": (b"\xff" * 8 + b"{}", "truncated"),
    "header above the limit": (struct.pack("<Q", 26_000_000) + b" " * 26_000_000, "26,000,000"),
    "data cut off": (frame(ONE, bytes(7)), "truncated"),
    "no data": (frame(ONE), "truncated"),
    "bytes left over": (frame(ONE, bytes(9)), "belong to no tensor"),
    "overlapping tensors": (frame({"a": entry(), "b": entry(begin=4, end=12)}, bytes(12)), "overl"),
    "one region twice": (frame({"a": entry(), "b": entry()}, bytes(8)), "overlaps"),
    "gap between tensors": (frame({"a": entry(begin=8, end=16)}, bytes(16)), "gap"),
    "offsets lie about the shape": (frame({"a": entry(shape=(3,))}, bytes(8)), "12 bytes"),
    "offsets backwards": (frame({"a": entry(begin=8, end=0)}, bytes(8)), "offsets"),
    "negative offsets": (frame({"a": entry(begin=-8, end=0)}, bytes(8)), "offsets"),
    "three offsets": (
        frame({"a": entry() | {"data_offsets": [0, 4, 8]}}, bytes(8)),
        "offsets",
    ),
    "negative shape": (frame({"a": entry(shape=(-1, -2))}, bytes(8)), "shape"),
    "shape overflows 64 bits": (frame({"a": entry(shape=(2**62, 4))}, bytes(8)), "bytes"),
    "shape with a fraction": (frame({"a": entry(shape=(2.0,))}, bytes(8)), "shape"),
    "shape of truth values": (frame({"a": entry(shape=(True, True))}, bytes(8)), "shape"),
    "shape of ten thousand axes": (frame({"a": entry(shape=[1] * 10_000)}, bytes(8)), "shape"),
    "unknown dtype": (frame({"a": entry(dtype="F13")}, bytes(8)), "F13"),
    "dtype no text": (frame({"a": entry(dtype=32)}, bytes(8)), "32"),
    "duplicate key": (
        frame(b'{"a":' + json.dumps(entry()).encode() + b',"a":' + json.dumps(entry()).encode()
              + b"}", bytes(8)),
        "twice",
    ),
    "key missing": (frame({"a": {"dtype": "F32", "shape": [2]}}, bytes(8)), "offsets"),
    "key too many": (frame({"a": entry() | {"run": "x"}}, bytes(8)), "something else"),
    "tensor is a list": (frame({"a": [0, 8]}, bytes(8)), "something else"),
    "metadata is a list": (frame({"__metadata__": [1]} | ONE, bytes(8)), "__metadata__"),
    "metadata with numbers": (frame({"__metadata__": {"x": 1}} | ONE, bytes(8)), "__metadata__"),
    "header is a list": (frame([1, 2]), "object"),
    "header is no JSON": (frame(b"{'a': 1}"), "JSON"),
    "header is no UTF-8": (frame(b'{"\xff": 1}'), "JSON"),
    "header nested too deep": (frame(b'{"a":' + b"[" * 100_000), "JSON"),
    "header with a huge number": (frame(b'{"a":' + b"9" * 5000 + b"}"), "JSON"),
    "header starts with blanks": (frame(b" " + json.dumps(ONE).encode(), bytes(8)), "object"),
    "a PyTorch file": (b"PK\x03\x04" + bytes(60), "zip"),
    "a pickle": (pickle.dumps({"a": 1}, protocol=2), "pickle"),
    "an HDF5 file": (b"\x89HDF\r\n\x1a\n" + bytes(60), "HDF5"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "a web page": (b"<!DOCTYPE html><html></html>", "web page"),
}  # fmt: skip


@pytest.fixture
def directory(tmp_path):
    config = small_config()
    save_checkpoint(tmp_path, config, random_tensors(config, TASK), task=TASK)
    return tmp_path


def refused(directory, kind=MobileBertError, **options):
    """Load and return the sentence of the refusal; watch the memory meanwhile."""
    tracemalloc.start()
    try:
        with pytest.raises(kind) as caught:
            load_checkpoint(directory, TASK, **options).arrays()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert caught.value.__cause__ is None
    return sentence, peak


@pytest.mark.parametrize("case", BAD_FILES)
def test_damaged_safetensors(directory, case):
    content, word = BAD_FILES[case]
    (directory / "model.safetensors").write_bytes(content)
    sentence, peak = refused(directory, CheckpointError)
    assert "model.safetensors" in sentence
    assert word in sentence
    assert len(sentence) < 500 + len(str(directory))
    assert peak < MEMORY + 3 * len(content)


BAD_INDEXES = {
    "parent directory": ({"weight_map": {EMBEDDING: "../model.safetensors"}}, "plain file name"),
    "absolute path": ({"weight_map": {EMBEDDING: "/etc/passwd"}}, "plain file name"),
    "folder": ({"weight_map": {EMBEDDING: "a/b.safetensors"}}, "plain file name"),
    "backslash": ({"weight_map": {EMBEDDING: "..\\b.safetensors"}}, "plain file name"),
    "dots alone": ({"weight_map": {EMBEDDING: ".."}}, "plain file name"),
    "hidden file": ({"weight_map": {EMBEDDING: ".ssh"}}, "plain file name"),
    "number for a file": ({"weight_map": {EMBEDDING: 7}}, "plain file name"),
    "no map": ({"metadata": {}}, "weight_map"),
    "list for a map": ({"weight_map": []}, "weight_map"),
    "empty map": ({"weight_map": {}}, "weight_map"),
    "file that is not there": ({"weight_map": {EMBEDDING: "x.safetensors"}}, "x.safetensors"),
    "too many files": (
        {"weight_map": {str(i): f"{i}.safetensors" for i in range(10_001)}},
        "files",
    ),
}


@pytest.mark.parametrize("case", BAD_INDEXES)
@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_hostile_shard_indexes(directory, case, name):
    content, word = BAD_INDEXES[case]
    (directory / "model.safetensors").unlink()
    (directory / f"{name}.index.json").write_text(json.dumps(content))
    sentence, _ = refused(directory, CheckpointError)
    assert word in sentence


def test_a_shard_that_is_a_link_outside_is_refused(directory, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.safetensors"
    (directory / "model.safetensors").rename(outside)
    (directory / "part.safetensors").symlink_to(outside)
    index = {"weight_map": {EMBEDDING: "part.safetensors"}}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    sentence, _ = refused(directory, CheckpointError)
    assert "outside the checkpoint" in sentence


def test_links_of_the_hub_cache_are_followed(directory, tmp_path_factory):
    """A snapshot's files are links into the blobs of the same repository."""
    repository = tmp_path_factory.mktemp("hub") / "models--a--b"
    snapshot, blobs = repository / "snapshots" / "1", repository / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    config = small_config()
    save_checkpoint(blobs, config, random_tensors(config, TASK), task=TASK, max_shard_size=40_000)
    for file in blobs.iterdir():
        (snapshot / file.name).symlink_to(Path("../../blobs") / file.name)
    assert load_checkpoint(snapshot, TASK).report.missing == ()


def test_an_index_that_does_not_fit_its_files_is_refused(directory):
    (directory / "model.safetensors").rename(directory / "a.safetensors")
    index = directory / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {EMBEDDING: "a.safetensors"}}))
    assert "does not say" in refused(directory, CheckpointError)[0]
    names = [*random_tensors(small_config(), TASK), "lost"]
    index.write_text(json.dumps({"weight_map": dict.fromkeys(names, "a.safetensors")}))
    assert "lost" in refused(directory, CheckpointError)[0]


# field of config.json -> hostile value; the sizes would need terabytes.
BAD_CONFIGS = [
    ("vocab_size", 10**12),
    ("hidden_size", 10**9),
    ("num_hidden_layers", 10**9),
    ("intermediate_size", 10**10),
    ("num_feedforward_networks", 10**6),
    ("max_position_embeddings", 2**40),
    ("hidden_size", -4),
    ("hidden_size", "32"),
    ("num_attention_heads", 5),
    ("num_feedforward_networks", 0),
    ("hidden_act", "__import__('os')"),
    ("normalization_type", "eval"),
    ("model_type", "bert"),
]


@pytest.mark.parametrize(("field", "value"), BAD_CONFIGS)
def test_absurd_configurations(directory, field, value):
    file = directory / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {field: value}))
    sentence, peak = refused(directory, ConfigError)
    assert str(value).replace("'", "") in sentence.replace(",", "").replace("'", "")
    assert peak < MEMORY


@pytest.mark.parametrize("content", ["", "{", "[]", '"x"', "[" * 100_000, "\ud800"])
def test_damaged_config_json(directory, content):
    (directory / "config.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    assert "config.json" in refused(directory, CheckpointError)[0]


def test_large_but_allowed_sizes_are_compared_before_anything_is_allocated(directory):
    """Every field within its limit, together 4.4e12 numbers."""
    file = directory / "config.json"
    huge = {"vocab_size": 2**24, "hidden_size": 2**16, "max_position_embeddings": 2**20}
    file.write_text(json.dumps(json.loads(file.read_text()) | huge))
    sentence, peak = refused(directory, WeightsError)
    assert "word_embeddings" in sentence
    assert peak < MEMORY
    sentence, peak = refused(directory, WeightsError, ignore_mismatched_sizes=True)
    assert "does not belong to this checkpoint" in sentence
    assert peak < MEMORY


def test_all_wrong_missing_and_unexpected_tensors_are_named_at_once(tmp_path):
    config = small_config()
    tensors = random_tensors(config, TASK)
    tensors[EMBEDDING] = tensors[EMBEDDING][:50]
    tensors["cls.predictions.bias"] = tensors["cls.predictions.bias"][None]
    lost = "mobilebert.encoder.layer.1.output.dense.weight"
    del tensors[lost]
    tensors["lstm.weight"] = np.zeros(3, np.float32)
    save_checkpoint(tmp_path, config, tensors, task=TASK)
    sentence, _ = refused(tmp_path, WeightsError)
    for part in (EMBEDDING, "[50, 16]", "[97, 16]", "cls.predictions.bias", lost, "lstm.weight"):
        assert part in sentence


def test_integers_in_place_of_weights_are_a_wrong_dtype(tmp_path):
    config = small_config()
    tensors = random_tensors(config, TASK)
    tensors[EMBEDDING] = tensors[EMBEDDING].astype(np.int32)
    save_checkpoint(tmp_path, config, tensors, task=TASK)
    sentence, _ = refused(tmp_path, WeightsError)
    assert f"{EMBEDDING} (I32)" in sentence
    assert "wrong dtype" in sentence


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    config = small_config()
    save_checkpoint(tmp_path, config, {"gpt.wte": np.zeros((3, 3), np.float32)}, task=TASK)
    sentence, _ = refused(tmp_path, WeightsError)
    assert "no weight of a MobileBERT encoder" in sentence
    assert "gpt.wte" in sentence


class Executes:
    """What a hostile pickle does: calls a function when it is read."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return (os.mkdir, (str(self.place),))


def hostile_pickles(place):
    legacy = io.BytesIO()
    torch.save({"a": Executes(place)}, legacy, _use_new_zipfile_serialization=False)
    modern = io.BytesIO()
    torch.save({"a": Executes(place)}, modern)
    return {
        "zip": modern.getvalue(),
        "legacy": legacy.getvalue(),
        "bare": pickle.dumps({"a": Executes(place)}),
    }


@pytest.mark.parametrize("case", ["zip", "legacy", "bare"])
def test_a_pickle_that_runs_code_is_refused_and_does_not_run(directory, tmp_path_factory, case):
    place = tmp_path_factory.mktemp("outside") / "made"
    (directory / "model.safetensors").unlink()
    (directory / "pytorch_model.bin").write_bytes(hostile_pickles(place)[case])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        sentence, _ = refused(directory, CheckpointError)
    assert "asks for more than tensors" in sentence
    assert "safetensors" in sentence
    assert said == []
    assert not place.exists()


def compressed_bomb():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(60 * 2**20))
    return buffer.getvalue()


def saved(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


BAD_PICKLES = {
    "zero bytes": lambda: b"",
    "garbage": lambda: b"\x00garbage" * 9,
    "cut zip": lambda: saved({"a": torch.zeros(2000)})[:-40],
    "compressed bomb": compressed_bomb,
    "a number": lambda: saved(3),
    "a list": lambda: saved([torch.zeros(2)]),
    "nested": lambda: saved({"a": {"b": torch.zeros(2)}}),
    "a whole module": lambda: saved(torch.nn.Linear(2, 2)),
    "sparse": lambda: saved({"a": torch.zeros(2, 2).to_sparse()}),
    "number for a name": lambda: saved({1: torch.zeros(2)}),
}


@pytest.mark.parametrize("case", BAD_PICKLES)
def test_damaged_torch_files(directory, case):
    (directory / "model.safetensors").unlink()
    (directory / "pytorch_model.bin").write_bytes(BAD_PICKLES[case]())
    _, peak = refused(directory, CheckpointError)
    assert peak < MEMORY


@pytest.mark.parametrize("shape", [(2**38,), (97, 16)])
def test_an_expanded_tensor_is_refused_before_it_is_unfolded(directory, shape):
    """Four bytes that pretend to be a terabyte, or what config.json asks for, by a stride of 0."""
    (directory / "model.safetensors").unlink()
    huge = torch.zeros(1).expand(shape)
    (directory / "pytorch_model.bin").write_bytes(saved({EMBEDDING: huge}))
    sentence, peak = refused(directory, CheckpointError)
    assert f"holds 4 bytes for {EMBEDDING!r}" in sentence
    assert str(list(shape)) in sentence
    assert peak < MEMORY


@pytest.mark.parametrize("version", ["2.6.0", "2.9.1+cpu"])
def test_pickles_are_refused_where_pytorch_runs_their_code(directory, monkeypatch, version):
    (directory / "model.safetensors").unlink()
    (directory / "pytorch_model.bin").write_bytes(saved({EMBEDDING: torch.zeros(97, 16)}))
    monkeypatch.setattr(torch, "__version__", version)
    monkeypatch.setattr(torch, "load", None)
    sentence, _ = refused(directory, CheckpointError)
    assert f"PyTorch {version}" in sentence
    assert "Install torch>=2.10, or convert it to safetensors" in sentence


def bad_h5(case, path, outside):
    with h5py.File(path, "w") as file:
        group = file.create_group("mobilebert")
        name = "mobilebert/embeddings/word_embeddings/weight:0"
        match case:
            case "external data":
                group.create_dataset(name, (97, 16), "f4", external=[(str(outside), 0, 6208)])
            case "virtual":
                layout = h5py.VirtualLayout((97, 16), "f4")
                layout[:] = h5py.VirtualSource(str(outside), "x", (97, 16))
                group.create_virtual_dataset(name, layout)
            case "link to another file":
                group["mobilebert"] = h5py.ExternalLink(str(outside), "/")
            case "texts":
                group.create_dataset(name, data=np.array([b"x"] * 3))
            case "declared terabyte":
                group.create_dataset(name, (2**38,), "f4", chunks=(1024,), compression="gzip")
            case "declared as wanted":
                group.create_dataset(name, (97, 16), "f4", chunks=(97, 16), compression="gzip")


@pytest.mark.parametrize(
    "case",
    [
        *("external data", "virtual", "link to another file", "texts"),
        *("declared terabyte", "declared as wanted"),
    ],
)
def test_hostile_h5_files(directory, tmp_path_factory, case):
    outside = tmp_path_factory.mktemp("outside") / "secret.h5"
    with h5py.File(outside, "w") as file:
        file["embeddings/word_embeddings/weight:0"] = np.zeros((97, 16), np.float32)
    (directory / "model.safetensors").unlink()
    bad_h5(case, directory / "tf_model.h5", outside)
    sentence, peak = refused(directory, (CheckpointError, WeightsError), from_tf=True)
    assert ("holds 0 bytes for the tensor" in sentence) == case.startswith("declared")
    assert peak < MEMORY


@pytest.mark.parametrize("content", [b"", b"not hdf5", b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_damaged_h5_files(directory, content):
    (directory / "tf_model.h5").write_bytes(content)
    assert "tf_model.h5" in refused(directory, CheckpointError, from_tf=True)[0]


@pytest.mark.parametrize(("size", "word"), [(96, "smaller"), (98, "larger")])
def test_a_vocabulary_of_another_size_is_refused(size, word):
    with pytest.raises(CheckpointError, match=rf"vocab\.txt is {word}.*{size}.*97"):
        check_vocabulary(small_config(), size, "vocab.txt")
    check_vocabulary(small_config(), 97)


def test_missing_files_say_what_is_there_and_what_helps(directory, tmp_path_factory):
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    assert "Leave out use_safetensors" in refused(directory, use_safetensors=True)[0]
    (directory / "pytorch_model.bin").rename(directory / "tf_model.h5")
    sentence, _ = refused(directory)
    assert "from_tf=True" in sentence
    assert "save_pretrained()" in sentence
    assert "model.fp16.safetensors" in refused(directory, variant="fp16")[0]
    empty = tmp_path_factory.mktemp("empty")
    assert "config.json" in refused(empty, CheckpointError)[0]
    assert "mobilebert-mini-uncased" in refused(empty / "nowhere", CheckpointError)[0]
