"""Loading and saving without a framework."""

import json
import logging

import numpy as np
import pytest
import safetensors
import safetensors.numpy

from mobilebert.checkpoint import load_checkpoint, save_checkpoint, task_of_config
from mobilebert.checkpoint.initial import initial_value
from mobilebert.checkpoint.shards import parse_size, shard_names, split
from mobilebert.config import MobileBertConfig
from mobilebert.errors import ArgumentError, CheckpointError, WeightsError
from mobilebert.hub import BUNDLED_MODEL
from mobilebert.tasks import TASKS
from mobilebert.weights import weight_specs
from models import VARIANTS, random_tensors, small_config

TASK_NAMES = list(TASKS)


def same(found, wanted):
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


@pytest.mark.parametrize("task", TASK_NAMES)
@pytest.mark.parametrize("variant", ["mobilebert", "tiny", "teacher", "raw_pooler", "untied"])
def test_what_is_saved_is_loaded(tmp_path, variant, task):
    config = small_config(variant, num_labels=5)
    tensors = random_tensors(config, task)
    save_checkpoint(tmp_path, config, tensors, task=task)
    loaded = load_checkpoint(tmp_path)
    assert loaded.task is TASKS[task]
    assert loaded.report.newly_initialized == loaded.report.unexpected == ()
    assert loaded.config.to_dict() | {"_name_or_path": ""} == config.to_dict() | {
        "architectures": [TASKS[task].class_name],
        "dtype": "float32",
    }
    same(loaded.arrays(), tensors)


@pytest.mark.parametrize("variant", VARIANTS)
def test_tied_tensors_are_not_written(tmp_path, variant):
    config = small_config(variant)
    tensors = random_tensors(config, "masked_lm")
    embedding = tensors["mobilebert.embeddings.word_embeddings.weight"]
    whole = tensors | {
        "cls.predictions.decoder.bias": tensors["cls.predictions.bias"],
        "cls.predictions.decoder.weight": tensors.get("cls.predictions.decoder.weight", embedding),
    }
    save_checkpoint(tmp_path, config, whole, task="masked_lm")
    with safetensors.safe_open(tmp_path / "model.safetensors", "numpy") as file:
        assert set(file.keys()) == tensors.keys()
        assert file.metadata() == {"format": "pt"}


def test_a_file_with_only_the_tied_name_is_read(tmp_path):
    config = small_config()
    tensors = random_tensors(config, "masked_lm")
    save_checkpoint(tmp_path, config, tensors, task="masked_lm")
    moved = dict(tensors)
    moved["cls.predictions.decoder.weight"] = moved.pop(
        "mobilebert.embeddings.word_embeddings.weight"
    )
    moved["cls.predictions.decoder.bias"] = moved.pop("cls.predictions.bias")
    safetensors.numpy.save_file(moved, tmp_path / "model.safetensors")
    same(load_checkpoint(tmp_path).arrays(), tensors)


def test_a_table_without_numbers_is_not_missing(tmp_path):
    """Google's checkpoints of models whose words are as wide as their states have none."""
    config = small_config("plain_embedding")
    tensors = random_tensors(config, "masked_lm")
    assert tensors["cls.predictions.dense.weight"].size == 0
    rest = {name: x for name, x in tensors.items() if name != "cls.predictions.dense.weight"}
    for place, saved in ((tmp_path / "whole", tensors), (tmp_path / "rest", rest)):
        save_checkpoint(place, config, saved, task="masked_lm")
        loaded = load_checkpoint(place)
        assert loaded.report.missing == loaded.report.unexpected == ()
        same(loaded.arrays(), tensors)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_dtype_is_kept_and_written(tmp_path, dtype):
    config = small_config()
    tensors = random_tensors(config, "masked_lm", dtype=np.dtype(dtype))
    save_checkpoint(tmp_path, config, tensors, task="masked_lm")
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == dtype
    loaded = load_checkpoint(tmp_path)
    assert loaded.dtype == dtype
    same(loaded.arrays(dtype), tensors)
    assert {array.dtype.name for array in loaded.arrays().values()} == {"float32"}


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_shards_and_variants(tmp_path, variant):
    config = small_config()
    tensors = random_tensors(config, "pretraining")
    files = save_checkpoint(
        tmp_path, config, tensors, task="pretraining", max_shard_size="40KB", variant=variant
    )
    stem = f"model.{variant}" if variant else "model"
    index = f"model.safetensors.index.{variant}.json" if variant else "model.safetensors.index.json"
    names = {file.name for file in files}
    assert {"config.json", index} < names
    count = len(names) - 2
    assert count > 2
    assert f"{stem}-00001-of-{count:05d}.safetensors" in names
    assert {file.name for file in tmp_path.iterdir()} == names
    content = json.loads((tmp_path / index).read_text())
    assert content["metadata"]["total_size"] == sum(t.nbytes for t in tensors.values())
    for file in tmp_path.glob("*.safetensors"):
        shard = safetensors.numpy.load_file(file)
        assert sum(t.nbytes for t in shard.values()) <= 40_000 or len(shard) == 1
    same(load_checkpoint(tmp_path, variant=variant).arrays(), tensors)
    if variant:
        with pytest.raises(CheckpointError, match=r"looked for model\.safetensors"):
            load_checkpoint(tmp_path)


def test_a_second_save_leaves_nothing_of_the_first(tmp_path):
    config = small_config()
    first, second = (random_tensors(config, "masked_lm", seed=seed) for seed in (1, 2))
    (tmp_path / "model-card.safetensors").write_text("mine")
    sizes = ("40KB", "5GB", "60KB", "40KB")
    for size, tensors in zip(sizes, (first, second, first, second), strict=True):
        files = save_checkpoint(tmp_path, config, tensors, task="masked_lm", max_shard_size=size)
        left = {f.name for f in tmp_path.iterdir()} - {"model-card.safetensors"}
        assert left == {f.name for f in files}
        same(load_checkpoint(tmp_path).arrays(), tensors)


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_a_save_for_torch_is_not_hidden_by_an_earlier_safetensors(tmp_path, variant):
    pytest.importorskip("torch")
    config = small_config()
    first, second = (random_tensors(config, "masked_lm", seed=seed) for seed in (1, 2))
    other = None if variant else "fp16"
    kept = save_checkpoint(tmp_path, config, first, variant=other, max_shard_size="40KB")
    for size in ("5GB", "40KB"):
        save_checkpoint(tmp_path, config, first, variant=variant, max_shard_size=size)
        files = save_checkpoint(
            tmp_path, config, second, task="masked_lm", variant=variant, safe_serialization=False
        )
        same(load_checkpoint(tmp_path, variant=variant).arrays(), second)
        assert set(tmp_path.iterdir()) == {*files, *kept}


def test_a_failed_save_leaves_the_first_untouched(tmp_path):
    config = small_config()
    tensors = random_tensors(config, "masked_lm")
    save_checkpoint(tmp_path, config, tensors, task="masked_lm")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    bad = random_tensors(config, "masked_lm", seed=3)
    for options, kind in (
        ({"tensors": bad | {"x": np.zeros(2, np.complex64)}}, CheckpointError),
        ({"tensors": bad, "max_shard_size": "many"}, ArgumentError),
        (
            {"tensors": bad, "safe_serialization": False, "save_function": lambda *_: 1 / 0},
            ZeroDivisionError,
        ),
    ):
        with pytest.raises(kind):
            save_checkpoint(tmp_path, config, task="masked_lm", **options)
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_checkpoint_can_be_saved_over_the_one_it_was_loaded_from(tmp_path):
    """Loaded tensors are views of the file that is being replaced."""
    config = small_config()
    tensors = random_tensors(config, "masked_lm")
    save_checkpoint(tmp_path, config, tensors, task="masked_lm")
    loaded = load_checkpoint(tmp_path)
    save_checkpoint(tmp_path, loaded.config, loaded.tensors)
    same(loaded.arrays(), tensors)
    same(load_checkpoint(tmp_path).arrays(), tensors)


def test_a_place_that_is_no_directory_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    for place in (file, file / "below"):
        with pytest.raises(CheckpointError, match="Cannot write"):
            save_checkpoint(place, small_config(), {}, task="masked_lm")


# From which model to which; what is missing then, what is left over.
ROADS = [
    ("feature_extraction", "masked_lm", {"cls.predictions"}, {"pooler"}),
    ("feature_extraction", "sequence_classification", {"classifier"}, set()),
    ("pretraining", "feature_extraction", set(), {"cls.predictions", "cls.seq_relationship"}),
    ("pretraining", "masked_lm", set(), {"pooler", "cls.seq_relationship"}),
    ("pretraining", "next_sentence_prediction", set(), {"cls.predictions"}),
    ("masked_lm", "multiple_choice", {"pooler", "classifier"}, {"cls.predictions"}),
    ("masked_lm", "question_answering", {"qa_outputs"}, {"cls.predictions"}),
    ("question_answering", "feature_extraction", {"pooler"}, {"qa_outputs"}),
    ("token_classification", "sequence_classification", {"pooler"}, set()),
]


def parts(names):
    shorter = (name.removeprefix("mobilebert.").split(".") for name in names)
    return {".".join(p[:2]) if p[0] == "cls" else p[0] for p in shorter}


@pytest.mark.parametrize(("origin", "target", "missing", "unexpected"), ROADS)
def test_heads_come_and_go_and_the_encoder_stays(tmp_path, origin, target, missing, unexpected):
    config = small_config()
    tensors = random_tensors(config, origin)
    save_checkpoint(tmp_path, config, tensors, task=origin)
    loaded = load_checkpoint(tmp_path, target)
    assert parts(loaded.report.missing) == missing
    assert parts(loaded.report.unexpected) == unexpected
    arrays = loaded.arrays()
    free = {row.name for row in weight_specs(config, target) if row.tied_to is None}
    assert arrays.keys() == free
    source, aim = TASKS[origin].prefix, TASKS[target].prefix
    for part in ("embeddings.LayerNorm.bias", "encoder.layer.1.ffn.0.output.dense.weight"):
        np.testing.assert_array_equal(arrays[aim + part], tensors[source + part])


def test_the_report_is_one_warning(tmp_path, caplog):
    config = small_config()
    save_checkpoint(
        tmp_path, config, random_tensors(config, "pretraining"), task="feature_extraction"
    )
    report = load_checkpoint(tmp_path, "token_classification").report
    with caplog.at_level(logging.INFO, logger="mobilebert"):
        report.announce("MobileBertForTokenClassification", ["MobileBertModel"])
    info, warning = caplog.records
    assert info.levelname == "INFO"
    assert "cls.seq_relationship.bias" in info.getMessage()
    assert warning.levelname == "WARNING"
    for word in ("classifier.weight", "classifier.bias", "newly initialized", "TRAIN"):
        assert word in warning.getMessage()
    assert "cls." not in warning.getMessage()


def test_mismatched_sizes_can_be_ignored(tmp_path):
    config = small_config(num_labels=3)
    tensors = random_tensors(config, "sequence_classification")
    save_checkpoint(tmp_path, config, tensors, task="sequence_classification")
    other = MobileBertConfig.from_dict(config.to_dict(), id2label={i: str(i) for i in range(7)})
    with pytest.raises(
        WeightsError, match=r"classifier\.weight has shape \[3, 32\], not \[7, 32\]"
    ):
        load_checkpoint(tmp_path, "sequence_classification", config=other)
    loaded = load_checkpoint(
        tmp_path, "sequence_classification", config=other, ignore_mismatched_sizes=True
    )
    assert loaded.report.mismatched == (
        ("classifier.bias", (3,), (7,)),
        ("classifier.weight", (3, 32), (7, 32)),
    )
    assert loaded.arrays()["classifier.weight"].shape == (7, 32)


def test_initial_values_follow_the_specification():
    config = small_config(initializer_range=0.5)
    rng = np.random.default_rng(0)
    for row in weight_specs(config, "pretraining"):
        value = initial_value(row, config.initializer_range, rng)
        assert value.shape == row.shape
        assert np.abs(value).max() <= 1.0
        if row.name.endswith("LayerNorm.weight"):
            assert (value == 1).all()
        elif row.name.endswith("bias"):
            assert (value == 0).all()
        else:
            assert value.std() > 0.2
        if row.name.endswith("word_embeddings.weight"):
            assert (value[config.pad_token_id] == 0).all()


def test_the_bundled_checkpoint_loads_for_every_task():
    for task in TASKS:
        loaded = load_checkpoint(BUNDLED_MODEL, task)
        assert loaded.dtype == "float16"
        assert parts(loaded.report.missing) <= {"classifier", "qa_outputs"}
    assert load_checkpoint(BUNDLED_MODEL).task is TASKS["pretraining"]


def test_the_task_must_be_known(tmp_path):
    config = small_config(architectures=["BertForTokens"])
    assert task_of_config(config) is None
    config.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"BertForTokens.*task=.*MobileBertForMaskedLM"):
        load_checkpoint(tmp_path)
    config.architectures = ["Other", "TFMobileBertForMaskedLM"]
    assert task_of_config(config) is TASKS["masked_lm"]
    for odd in (7, {"a": 1}, [["x"]], [None]):
        config.architectures = odd
        assert task_of_config(config) is None


def test_the_hub_cache_is_read_by_name_without_a_connection(tmp_path):
    """The layout huggingface_hub keeps: files of a snapshot are links to blobs."""
    config = small_config()
    tensors = random_tensors(config, "masked_lm")
    repository = tmp_path / "models--owner--name"
    snapshot, blobs = repository / "snapshots" / ("0" * 40), repository / "blobs"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    save_checkpoint(blobs, config, tensors, task="masked_lm", max_shard_size="40KB")
    for file in list(blobs.iterdir()):
        (snapshot / file.name).symlink_to(file)
    options = {"cache_dir": tmp_path, "local_files_only": True}
    loaded = load_checkpoint("owner/name", **options)
    assert loaded.config.name_or_path == "owner/name"
    same(loaded.arrays(), tensors)
    with pytest.raises(CheckpointError, match=r"local_files_only.*mobilebert-mini-uncased"):
        load_checkpoint("owner/other", **options)


def test_unknown_keywords_are_refused(tmp_path):
    with pytest.raises(ArgumentError, match="colour"):
        load_checkpoint(tmp_path, colour="red")


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [(7, 7), ("7", 7), ("5GB", 5 * 10**9), ("1.5 KiB", 1536), ("2mb", 2 * 10**6)],
)
def test_sizes_are_read(text, bytes_):
    assert parse_size(text) == bytes_


@pytest.mark.parametrize("text", [0, -1, True, "", "GB", "5 XB", "0KB", 2.5, None])
def test_impossible_sizes_are_refused(text):
    with pytest.raises(ArgumentError, match="max_shard_size"):
        parse_size(text)


def test_tensors_are_split_in_order():
    sizes = {"a": 4, "b": 4, "c": 9, "d": 1, "e": 7, "f": 1}
    assert split(sizes, 8) == [["a", "b"], ["c"], ["d", "e"], ["f"]]
    assert split({}, 8) == [[]]
    assert shard_names("model.fp16.safetensors", 2) == [
        "model.fp16-00001-of-00002.safetensors",
        "model.fp16-00002-of-00002.safetensors",
    ]
