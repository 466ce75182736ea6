"""Checkpoints the second time: which road is taken, and that a pack is never used for another."""

import errno
import logging
import os
import struct
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from mobilebert.checkpoint import load_checkpoint, save_checkpoint
from mobilebert.config import MobileBertConfig
from mobilebert.engine import Engine, cache, pack_file, packed_checkpoint
from mobilebert.engine.backend import EngineBackend
from mobilebert.engine.native import isa_dtypes
from mobilebert.errors import ArgumentError, CheckpointError, WeightsError
from mobilebert.hub import BUNDLED_MODEL
from mobilebert.pipelines.build import pipeline
from mobilebert.tasks import TASKS
from models import random_tensors, small_config
from packed_checkpoints import arrays_of, write

IDS = [[5, 17, 3, 96], [1] * 30]


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """A cache of the test's own; packs lie here."""
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "packs"


@pytest.fixture
def checkpoint(tmp_path):
    return write(tmp_path / "model")


@pytest.fixture
def reads(monkeypatch):
    """The checkpoints that were read."""
    names = []

    def load(name, *arguments, **keywords):
        names.append(str(name))
        return load_checkpoint(name, *arguments, **keywords)

    monkeypatch.setattr(packed_checkpoint, "load_checkpoint", load)
    return names


def engine(checkpoint, task="fill-mask", dtype="float32", **keywords):
    return Engine.from_pretrained(checkpoint, task, dtype, 2, **keywords)


def packs(directory):
    return sorted(directory.iterdir())


def same(one, other):
    results = zip(one(IDS).values(), other(IDS).values(), strict=True)
    return all((x == y).all() for a, b in results for x, y in zip(a, b, strict=True))


def test_the_second_time_the_checkpoint_is_not_read(checkpoint, directory, reads, programs):
    first = engine(checkpoint)
    assert len(reads) == len(packs(directory)) == 1
    second = engine(checkpoint)
    assert len(reads) == 1
    assert same(first, second)
    assert second.config == first.config
    mapped = list(arrays_of(programs[-1]))
    assert all(type(array.base).__name__ == "mmap" for array in mapped)


def test_the_bundled_model_is_mapped_not_copied(directory, reads):
    engine(BUNDLED_MODEL)
    tracemalloc.start()
    engine(BUNDLED_MODEL)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(reads) == 1
    assert sum(file.stat().st_size for file in packs(directory)) > 40_000_000
    assert peak < 4_000_000  # the header as Python's objects


def test_pipelines_and_backends_take_the_same_road(checkpoint, directory, reads):
    config = MobileBertConfig.from_pretrained(checkpoint)
    ours = EngineBackend.from_checkpoint(
        checkpoint, engine(checkpoint).task, inspect=lambda report, config: None, dtype="float32"
    )
    assert ours.config == config
    assert len(reads) == 1
    for _ in range(2):
        pipeline("feature-extraction", BUNDLED_MODEL, dtype="float32")("a text")
    assert reads[1:] == [BUNDLED_MODEL]


def touch(file):
    facts = file.stat()
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))


def other_weights(file):
    """Other numbers, same size, same times."""
    facts, content = file.stat(), bytearray(file.read_bytes())
    content[-1] ^= 0x40
    file.write_bytes(content)
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def other_config(file):
    config = file.parent / "config.json"
    text = config.read_text()
    assert '"layer_norm_eps": 1e-12' in text
    config.write_text(text.replace('"layer_norm_eps": 1e-12', '"layer_norm_eps": 1e-06'))


@pytest.mark.parametrize("change", [touch, other_weights, other_config])
def test_a_changed_checkpoint_replaces_its_pack(change, checkpoint, directory, reads):
    engine(checkpoint)
    (before,) = packs(directory)
    state = before.stat().st_ino
    change(checkpoint / "model.safetensors")
    found = engine(checkpoint)
    assert len(reads) == 2
    assert packs(directory) == [before]
    assert before.stat().st_ino != state
    engine(checkpoint)
    assert len(reads) == 2
    assert same(found, Engine(load_checkpoint(checkpoint, "masked_lm").arrays(), found.config,
                              "masked_lm", dtype="float32"))  # fmt: skip


def test_what_differs_does_not_share_a_pack(checkpoint, directory, reads, tmp_path):
    other = MobileBertConfig.from_pretrained(checkpoint, hidden_act="silu")
    copy = write(tmp_path / "copy" / "model", seed=1)
    write(checkpoint / "sub", seed=2)
    save = (checkpoint / "model.safetensors").read_bytes()
    (checkpoint / "model.fp16.safetensors").write_bytes(save)
    calls = [
        lambda: engine(checkpoint),
        lambda: engine(checkpoint, None),
        lambda: engine(checkpoint, config=other),
        lambda: engine(copy),
        lambda: engine(checkpoint, subfolder="sub"),
        lambda: engine(checkpoint, variant="fp16"),
    ]
    wanted = [call() for call in calls]
    assert len(reads) == len(packs(directory)) == len(calls)
    found = [call() for call in calls]
    assert len(reads) == len(calls)
    assert all(map(same, found, wanted))
    assert not same(found[0], found[2])
    assert not same(found[0], found[3])
    assert found[2].config.hidden_act == "silu"


def test_shards_are_one_checkpoint(tmp_path, directory, reads):
    config, model = small_config(), tmp_path / "model"
    tensors = random_tensors(config, "masked_lm")
    save_checkpoint(model, config, tensors, task="masked_lm", max_shard_size="30KB")
    shards = sorted(model.glob("*.safetensors"))
    assert len(shards) > 2
    first = engine(model)
    assert same(first, engine(model))
    assert len(reads) == 1
    touch(shards[1])
    engine(model)
    assert len(reads) == 2


def test_a_random_head_is_not_kept_and_is_told(tmp_path, directory, reads, caplog):
    checkpoint = write(tmp_path / "model", "feature_extraction")
    for count in (1, 2):
        caplog.clear()
        engine(checkpoint)
        assert "newly initialized" in caplog.text
        assert len(reads) == count
    assert not directory.exists()
    with pytest.raises(WeightsError, match="not trained for fill-mask"):
        pipeline("fill-mask", checkpoint)


def test_tensors_left_over_are_told_every_time(checkpoint, directory, reads, caplog):
    config = MobileBertConfig.from_pretrained(checkpoint)
    config.architectures = ["MobileBertForMultipleChoice"]
    config.save_pretrained(checkpoint)
    with caplog.at_level(logging.INFO, logger="mobilebert"):
        for _ in range(2):
            caplog.clear()
            engine(checkpoint, None)
            assert caplog.text.count("were not used for MobileBertModel") == 1
    assert len(reads) == 1


def test_a_damaged_pack_is_replaced(checkpoint, directory, reads, caplog):
    wanted = engine(checkpoint)
    (path,) = packs(directory)
    for content in (b"", b"nonsense", path.read_bytes()[:-70], path.read_bytes()[:100]):
        path.unlink()  # mapped files are replaced, never written to
        path.write_bytes(content)
        with caplog.at_level(logging.INFO, logger="mobilebert"):
            assert same(engine(checkpoint), wanted)
        assert f"{path} is not used" in caplog.text
        caplog.clear()
        count = len(reads)
        assert same(engine(checkpoint), wanted)
        assert len(reads) == count


def test_a_pack_may_be_deleted_while_it_is_used(checkpoint, directory):
    wanted = engine(checkpoint)
    mapped = engine(checkpoint)
    packs(directory)[0].unlink()
    assert same(mapped, wanted)


def test_a_pack_of_another_version_is_replaced(checkpoint, directory, reads, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(pack_file, "_makers", lambda: {"library": "0.0.9"})
        engine(checkpoint)
    before = packs(directory)
    engine(checkpoint)
    assert len(reads) == 2
    assert packs(directory) == before
    engine(checkpoint)
    assert len(reads) == 2


def test_where_nothing_can_be_written_it_goes_on(checkpoint, tmp_path, monkeypatch, caplog):
    (tmp_path / "cache").write_text("a file, not a directory")
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(tmp_path / "cache"))
    assert engine(checkpoint).dtype == "float32"
    assert "could not be kept" in caplog.text
    assert "MOBILEBERT_PACK_CACHE=0" in caplog.text


def test_a_full_disk_leaves_nothing_behind(checkpoint, directory, monkeypatch, caplog):
    wanted = engine(checkpoint)
    (written,) = packs(directory)
    written.unlink()

    def full(file, start):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pack_file, "_samples", full)
    assert same(engine(checkpoint), wanted)
    assert "No space left" in caplog.text
    assert packs(directory) == []


def test_the_cache_can_be_switched_off(checkpoint, directory, reads, monkeypatch):
    monkeypatch.setenv(cache.SWITCH_VARIABLE, "0")
    engine(checkpoint)
    engine(checkpoint)
    assert len(reads) == 2
    assert not directory.exists()


def test_where_the_cache_lies(monkeypatch, tmp_path):
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(tmp_path))
    assert cache.cache_directory() == tmp_path / "packs"
    monkeypatch.delenv(cache.DIRECTORY_VARIABLE)
    monkeypatch.setattr(cache.sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_directory() == tmp_path / "xdg" / "mobilebert" / "packs"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.cache_directory() == tmp_path / "home" / ".cache" / "mobilebert" / "packs"
    monkeypatch.setattr(cache.sys, "platform", "darwin")
    assert cache.cache_directory() == tmp_path / "home/Library/Caches/mobilebert/packs"
    monkeypatch.setattr(cache.sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache.cache_directory() == tmp_path / "local" / "mobilebert" / "packs"

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(cache.sys, "platform", "darwin")
    monkeypatch.setattr(cache.Path, "home", homeless)
    assert cache.cache_directory() is None


def test_the_cache_is_for_its_user_only(checkpoint, directory):
    engine(checkpoint)
    assert directory.stat().st_mode & 0o077 == 0


def test_what_nobody_uses_is_swept_out(checkpoint, directory, tmp_path):
    gone = write(tmp_path / "gone", seed=1)
    engine(gone)
    (old,) = packs(directory)
    half, fresh = directory / ".a.pack.x.partial", directory / ".b.pack.x.partial"
    foreign = directory / "notes.txt"
    for file in (half, fresh, foreign):
        file.write_text("half")
    os.utime(half, (0, 0))
    os.utime(foreign, (0, 0))
    (gone / "model.safetensors").unlink()
    engine(checkpoint)
    assert not old.exists()
    assert not half.exists()
    assert fresh.exists()
    assert foreign.exists()


WRITER = """
import sys
from mobilebert.engine import Engine
for _ in range(5):
    found = Engine.from_pretrained(sys.argv[1], "fill-mask", "float32", 1)([[5, 17, 3]]).logits[0]
    for pack in __import__("pathlib").Path(sys.argv[2]).glob("*.pack"):
        pack.unlink(missing_ok=True)
print(found.tobytes().hex())
"""


def test_several_processes_may_write_at_once(checkpoint, directory):
    command = [sys.executable, "-c", WRITER, str(checkpoint), str(directory)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = {process.communicate(timeout=60)[0].strip() for process in started}
    assert [process.returncode for process in started] == [0, 0]
    (answer,) = answers
    assert np.frombuffer(bytes.fromhex(answer), np.float32).size == 3 * 97
    assert not list(directory.glob("*.partial"))
    engine(checkpoint)
    assert len(packs(directory)) == 1


# Tells which files are opened for writing, by all of Python: a hook cannot be taken away again.
WATCHED = """
import os, sys
from pathlib import Path
from mobilebert.engine import Engine

writes, written = os.O_WRONLY | os.O_RDWR | os.O_TRUNC | os.O_APPEND, []

def watch(event, arguments):
    if event == "open" and arguments[2] & writes or event == "os.truncate":
        written.append(str(arguments[0]))

sys.addaudithook(watch)
checkpoint = Path(sys.argv[1])
first = Engine.from_pretrained(checkpoint, "fill-mask", "float32", 1)
mapped = Engine.from_pretrained(checkpoint, "fill-mask", "float32", 1)
wanted = mapped([[1, 2, 3]]).logits[0].tobytes()
os.utime(checkpoint / "model.safetensors", ns=(1, 1))
Engine.from_pretrained(checkpoint, "fill-mask", "float32", 1)
assert mapped([[1, 2, 3]]).logits[0].tobytes() == wanted
(pack,) = Path(sys.argv[2]).iterdir()
print(sum(name.endswith(".partial") for name in written), str(pack) in written)
with open(pack, "r+b"):
    print(str(pack) in written)
"""


def test_a_pack_is_replaced_never_written_to(checkpoint, directory):
    """A mapped file that is cut off ends the process that reads it (SIGBUS, mmap(2))."""
    command = [sys.executable, "-c", WATCHED, str(checkpoint), str(directory)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    counts, seen = done.stdout.splitlines()
    assert counts.split()[1] == "False"
    assert int(counts.split()[0]) >= 2  # two packs were written, under other names
    assert seen == "True"  # what is watched is what would be wrong


def test_without_packs_a_checkpoint_may_be_rewritten(checkpoint, monkeypatch):
    """In place; one that is cut off would end the process, as above."""
    monkeypatch.setenv(cache.SWITCH_VARIABLE, "0")
    found = engine(checkpoint)
    wanted = found(IDS).logits
    with (checkpoint / "model.safetensors").open("r+b") as file:
        file.write(bytes(file.seek(0, os.SEEK_END) - file.seek(0)))
    assert all((x == y).all() for x, y in zip(found(IDS).logits, wanted, strict=True))


def test_tensors_may_lie_anywhere_in_their_file(checkpoint, directory, monkeypatch):
    wanted, file = engine(checkpoint), checkpoint / "model.safetensors"
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header, data = content[8 : 8 + length], content[8 + length :]
    file.write_bytes(struct.pack("<Q", length + 1) + header + b" " + data)
    monkeypatch.setenv(cache.SWITCH_VARIABLE, "0")
    assert same(engine(checkpoint), wanted)


def test_errors_are_those_of_the_checkpoint(checkpoint, directory, tmp_path):
    engine(checkpoint)
    with pytest.raises(ArgumentError, match="does not know flavour"):
        engine(checkpoint, flavour="sweet")
    with pytest.raises(CheckpointError, match="no weights"):
        engine(checkpoint, variant="fp8")
    with pytest.raises(CheckpointError, match="not a directory here"):
        engine(str(tmp_path / "nowhere"))
    (checkpoint / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        engine(checkpoint)


def test_paths_that_are_no_text_are_possible(checkpoint, directory, monkeypatch, programs):
    """Such as Linux allows; not every file system does."""
    states = [{"path": "/\udcff/model.safetensors", "bytes": 1, "mtime_ns": 2, "ends": 3}]
    monkeypatch.setattr(cache, "file_states", lambda files: states)
    task = TASKS["masked_lm"]
    place = cache.PackPlace.of(directory, [], MobileBertConfig.from_pretrained(checkpoint), task)
    engine(checkpoint)
    assert place.store(programs[0], "generic", {}).name.isascii()
    assert place.find("float32", "generic").facts["state"]["files"] == states


def test_instruction_sets_do_not_share_packs(checkpoint, directory, reads, monkeypatch):
    """How matrices are laid out may depend on them."""
    for isa in ("generic", list(isa_dtypes())[-1], "generic"):
        monkeypatch.setenv("MOBILEBERT_ISA", isa)
        assert engine(checkpoint).isa == isa
    assert len(packs(directory)) == len(reads) == len({"generic", list(isa_dtypes())[-1]})
