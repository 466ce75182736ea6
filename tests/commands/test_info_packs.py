"""What ``mobilebert info`` says of packed weights, and what --verify finds."""

import json
import os

import pytest

from commands.running import answers, assert_refused, invoke
from mobilebert.commands import pack_facts
from mobilebert.engine import Engine
from mobilebert.engine.accuracy import BOUNDS
from mobilebert.engine.native import choose_isa, choose_threads
from packed_checkpoints import write


@pytest.fixture
def directory(tmp_path, monkeypatch):
    monkeypatch.setenv("MOBILEBERT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "packs"


@pytest.fixture
def checkpoint(tmp_path):
    return write(tmp_path / "model", trigram_input=False)


def told(checkpoint, *options):
    return json.loads(answers("info", checkpoint, "--json", *options))["engine"]


def test_the_choice_and_its_pack_are_told(checkpoint, directory):
    chosen = Engine.from_pretrained(checkpoint, "fill-mask")
    (pack,) = directory.iterdir()
    found = told(checkpoint)
    assert found["instruction set"] == choose_isa()
    assert found["threads"] == choose_threads()
    assert found["task"] == "fill-mask"
    assert found["dtype"] == chosen.dtype
    assert found["packs"] == {str(pack): pack.stat().st_size}
    assert set(found["measured"] or {}) == set(chosen.measured)
    for dtype, row in (found["measured"] or {}).items():
        assert f"at most {BOUNDS[dtype].error:g}" in row
        assert "within the bound" in row
    assert str(pack) in answers("info", checkpoint)


def test_the_choice_is_told_before_anything_ran(checkpoint, directory):
    found = told(checkpoint)
    assert found["dtype"] == Engine.from_pretrained(checkpoint, "fill-mask").dtype
    assert (found["packs"] == "none yet") == (found["measured"] is None)


def test_the_choice_where_nothing_is_measured(checkpoint, directory, monkeypatch):
    monkeypatch.setenv("MOBILEBERT_ISA", "generic")
    found = told(checkpoint)
    assert (found["dtype"], found["measured"], found["packs"]) == ("float32", None, "none yet")
    Engine.from_pretrained(checkpoint, "fill-mask")
    assert len(told(checkpoint)["packs"]) == 1


def test_a_model_that_is_not_trained_is_not_measured(tmp_path, directory):
    untrained = write(tmp_path / "model", "feature_extraction")
    config = untrained / "config.json"
    config.write_text(config.read_text().replace("MobileBertModel", "MobileBertForMaskedLM"))
    found = told(untrained)
    assert found["packs"] == "none yet"
    if found["dtype"] != "float32":
        assert found["dtype"].startswith("none: ")
        assert "weights are missing" in found["dtype"]


def test_without_a_cache_nothing_is_kept(checkpoint, directory, monkeypatch):
    monkeypatch.setenv("MOBILEBERT_PACK_CACHE", "0")
    found = told(checkpoint, "--verify")
    assert (found["packs"], found["verified"]) == ("not kept", "no packs")
    assert not directory.exists()
    assert "not kept" in json.loads(answers("info", "--json"))["packed weights"]


def test_the_engine_that_is_not_compiled(checkpoint, monkeypatch):
    monkeypatch.setattr(pack_facts, "engine_is_compiled", lambda: False)
    assert told(checkpoint) == "not compiled"


def test_where_packs_lie_and_how_large_they_are(checkpoint, directory):
    empty = {"directory": str(directory), "files": 0, "bytes": 0}
    assert json.loads(answers("info", "--json"))["packed weights"] == empty
    Engine.from_pretrained(checkpoint, "fill-mask")
    (pack,) = directory.iterdir()
    filled = empty | {"files": 1, "bytes": pack.stat().st_size}
    assert json.loads(answers("info", "--json"))["packed weights"] == filled


def test_whole_files_are_verified_when_asked(checkpoint, directory):
    assert told(checkpoint, "--verify")["verified"] == "no packs"
    for dtype, task in (("float32", "fill-mask"), ("float32", None)):
        Engine.from_pretrained(checkpoint, task, dtype)
    packs = len(list(directory.iterdir()))
    assert told(checkpoint, "--verify")["verified"] == f"weights and {packs} packs"
    assert_refused(invoke("info", "--verify", "--json"), "--verify needs a MODEL")


def overwritten(file, place):
    """Change a byte but neither size nor times; a mapped file is replaced."""
    facts, content = file.stat(), bytearray(file.read_bytes())
    content[place] ^= 0x40
    file.unlink()
    file.write_bytes(content)
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def test_damaged_arrays_are_found(checkpoint, directory):
    Engine.from_pretrained(checkpoint, "fill-mask", "float32")
    (pack,) = directory.iterdir()
    overwritten(pack, pack.stat().st_size // 2)
    assert_refused(invoke("info", checkpoint, "--verify"), f"{pack} is not to be used: it is not")


def test_weights_that_changed_unseen_are_found(tmp_path, directory):
    """In the middle of a large file, at the same time: only reading all of it tells."""
    checkpoint = write(tmp_path / "model", vocab_size=20_000)
    Engine.from_pretrained(checkpoint, "fill-mask", "float32")
    weights = checkpoint / "model.safetensors"
    overwritten(weights, weights.stat().st_size // 2)
    assert_refused(invoke("info", checkpoint, "--verify"), "is not what these weights give")


def test_old_packs_are_no_concern(checkpoint, directory, monkeypatch):
    monkeypatch.setenv("MOBILEBERT_ISA", "generic")  # where `info` itself packs nothing
    Engine.from_pretrained(checkpoint, "fill-mask", "float32")
    (pack,) = directory.iterdir()
    os.utime(checkpoint / "model.safetensors")
    assert told(checkpoint, "--verify")["verified"] == "no packs"
    pack.unlink()
    pack.write_bytes(b"nonsense")
    assert told(checkpoint, "--verify")["verified"] == "no packs"
