"""Uploading to the Hub, against a stand-in for it; copies of models."""

import copy
import inspect
import pickle

import pytest
import torch

from assertions import assert_close
from mobilebert.torch import MobileBertForMaskedLM
from tolerances import FLOAT32
from torch_models import batch_for, build


def test_a_model_is_uploaded(uploads):
    assert build().push_to_hub("mine", token="secret", private=True, revision="draft") == "done"
    files = ["config.json", "model.safetensors"]
    options = {"commit_description": None, "revision": "draft", "create_pr": False}
    assert uploads == [
        ("token", "secret"),
        ("create_repo", "mine", {"private": True, "exist_ok": True}),
        ("upload_folder", "someone/mine", files, {"commit_message": "Upload model", **options}),
    ]


def test_saving_may_upload_too(uploads, tmp_path):
    build().save_pretrained(tmp_path / "model", push_to_hub=True, commit_message="first")
    assert [said[0] for said in uploads] == ["token", "create_repo", "upload_folder"]
    assert uploads[1][1] == "model"
    assert uploads[2][3] == {"commit_message": "first"}
    assert (tmp_path / "model" / "model.safetensors").is_file()


@pytest.mark.parametrize("variant", [None, "draft[1]"])
def test_nothing_but_the_model_is_uploaded(uploads, tmp_path, variant):
    (tmp_path / "logs").mkdir()
    for name in (".env", "train.csv", "config.json.txt", "logs/config.json"):
        (tmp_path / name).write_text("secret")
    build().save_pretrained(tmp_path, push_to_hub=True, max_shard_size="20KB", variant=variant)
    middle = f".{variant}" if variant else ""
    files = uploads[2][2]
    assert files[:1] == ["config.json"]
    assert f"model.safetensors.index{middle}.json" in files
    shards = [name for name in files if name.endswith(".safetensors")]
    assert len(shards) == len(files) - 2 > 1
    assert set(files) == {path.name for path in tmp_path.iterdir()} - {
        ".env",
        "config.json.txt",
        "logs",
        "train.csv",
    }


def test_one_process_of_several_uploads(uploads, tmp_path):
    build().save_pretrained(tmp_path / "model", is_main_process=False, push_to_hub=True)
    assert uploads == []


def test_documented_keywords_of_loading_and_saving():
    loading = inspect.signature(MobileBertForMaskedLM.from_pretrained).parameters
    for name in (
        "config cache_dir revision token subfolder local_files_only force_download variant "
        "use_safetensors dtype torch_dtype device_map attn_implementation low_cpu_mem_usage "
        "from_tf output_loading_info ignore_mismatched_sizes"
    ).split():
        assert loading[name].kind is inspect.Parameter.KEYWORD_ONLY
    saving = list(inspect.signature(MobileBertForMaskedLM.save_pretrained).parameters)
    assert saving[:6] == [
        "self",
        "save_directory",
        "is_main_process",
        "state_dict",
        "save_function",
        "push_to_hub",
    ]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_models_are_copied_and_pickled(copied):
    model = build("masked_lm", "no_opt")
    again = copied(model)
    assert again.cls.predictions.decoder.weight is again.get_input_embeddings().weight
    assert again.get_input_embeddings().weight is not model.get_input_embeddings().weight
    batch = batch_for(model)
    assert torch.equal(again(**batch).logits, model(**batch).logits)


def test_models_are_traced():
    model = build("masked_lm", torchscript=True)
    batch = batch_for(model)
    with pytest.warns() as said:  # PyTorch is retiring torch.jit and says so
        traced = torch.jit.trace(model, tuple(batch.values()))
    assert {warning.category for warning in said} <= {DeprecationWarning, FutureWarning}
    other = batch_for(model, 2, 11, seed=1)
    assert_close(traced(*other.values())[0].detach(), model(**other)[0].detach(), FLOAT32)
