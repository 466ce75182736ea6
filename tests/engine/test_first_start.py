"""The start that finds no pack: what it does before it answers, and what it leaves out."""

import hashlib
import json
import shutil
import tracemalloc

import numpy as np
import pytest

from mobilebert.checkpoint import load_checkpoint, save_checkpoint
from mobilebert.config import MobileBertConfig
from mobilebert.engine import (
    Engine,
    bundled_measurements as bundled,
    packed_checkpoint,
    packed_model,
)
from mobilebert.engine.accuracy import BOUNDS, candidates, decide
from mobilebert.engine.native import choose_isa, isa_dtypes
from mobilebert.engine.packed_model import choose, fold_model
from mobilebert.engine.packing import recipes
from mobilebert.errors import WeightsError
from mobilebert.hub import BUNDLED_MODEL, BUNDLED_MODELS
from mobilebert.tasks import TASKS
from models import random_tensors, small_config
from packed_checkpoints import arrays_of, write
from tolerances import STORED_MEASUREMENT

TRAINED = ("feature_extraction", "masked_lm")
# Where the choice is known before the first start; on Arm it is measured there.
KNOWN = [isa for isa in isa_dtypes() if isa != "neon"]


@pytest.fixture
def directory(tmp_path, monkeypatch):
    monkeypatch.setenv("MOBILEBERT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "packs"


class Work:
    """What was packed and how often the sample was answered."""

    def __init__(self, monkeypatch, programs):
        self.packed, self.answered = [], []
        answer = packed_model.answer_sample

        def pack_program(program, recipe="float32", *, in_memory=True):
            self.packed.append((getattr(recipe, "inside", recipe), in_memory))
            return pack(program, recipe, in_memory=in_memory)

        def answer_sample(execution, config):
            self.answered.append(programs[-1].dtype)
            return answer(execution, config)

        pack = packed_model.pack_program
        for module in (packed_model, packed_checkpoint):
            monkeypatch.setattr(module, "pack_program", pack_program)
        monkeypatch.setattr(packed_model, "answer_sample", answer_sample)


@pytest.fixture
def work(monkeypatch, programs):
    return Work(monkeypatch, programs)


def refuse(*arguments, **keywords):
    raise AssertionError("the first answer waits for this")


@pytest.mark.parametrize("isa", KNOWN)
@pytest.mark.parametrize("task", TRAINED)
def test_the_bundled_model_is_packed_once_into_its_file(
    task, isa, directory, work, programs, monkeypatch
):
    monkeypatch.setenv("MOBILEBERT_ISA", isa)
    for slow in ("sha256", "file_digest"):
        monkeypatch.setattr(hashlib, slow, refuse)
    monkeypatch.setattr("os.fsync", refuse)
    engine = Engine.from_pretrained(BUNDLED_MODEL, task)
    assert engine.dtype == (*candidates(isa), "float32")[0]
    assert work.answered == []
    assert work.packed == [(engine.dtype, False)]
    assert len(list(directory.iterdir())) == 1
    mapped = list(arrays_of(programs[-1]))
    assert all(type(array.base).__name__ == "mmap" for array in mapped)


def test_the_first_start_has_no_second_copy_of_the_vocabulary(directory, monkeypatch):
    """Pages that a process is the first to touch are most of what it waits for."""
    monkeypatch.setenv("MOBILEBERT_ISA", KNOWN[-1])
    weights = load_checkpoint(BUNDLED_MODEL, "masked_lm").arrays()
    size = sum(array.nbytes for array in weights.values())
    words = weights["mobilebert.embeddings.word_embeddings.weight"].nbytes
    del weights
    tracemalloc.start()
    Engine.from_pretrained(BUNDLED_MODEL, "masked_lm")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    layers = size - words
    assert peak < 2 * layers < size


def test_another_model_is_packed_twice_and_measured_once(directory, tmp_path, work):
    found = Engine.from_pretrained(write(tmp_path / "model", trigram_input=False), "fill-mask")
    tried = candidates(choose_isa())[:1]
    assert found.dtype == (*tried, "float32")[0]
    assert work.answered == [*(["float32"] if tried else []), *tried]
    if tried:
        assert work.packed == [("float32", True), (tried[0], True)]
    else:
        assert work.packed == [("float32", False)]


@pytest.mark.parametrize("isa", KNOWN)
@pytest.mark.parametrize("task", TRAINED)
def test_the_stored_numbers_are_those_that_are_measured(task, isa):
    stored = bundled.bundled_measurements(BUNDLED_MODEL, TASKS[task], isa)
    checkpoint = load_checkpoint(BUNDLED_MODEL, task)
    config = checkpoint.config
    program = fold_model(checkpoint.arrays(None), config, TASKS[task])
    measured = choose(program, config, dtype="auto", isa=isa, threads=2).measured
    assert stored.keys() == measured.keys()
    assert decide(candidates(isa), stored) == decide(candidates(isa), measured)
    for dtype, row in stored.items():
        for name, value in vars(row).items():
            bound = getattr(BOUNDS[dtype], name)
            assert abs(value - getattr(measured[dtype], name)) <= STORED_MEASUREMENT * (bound or 1)


def test_the_stored_numbers_decide(monkeypatch, work):
    """The twin: with worse ones the type would be another."""
    isa = choose_isa()
    checkpoint = load_checkpoint(BUNDLED_MODEL, "masked_lm")
    config = checkpoint.config
    program = fold_model(checkpoint.arrays(None), config, TASKS["masked_lm"])
    bad = {dtype: packed_model.Measurement(0.5, 0.5, 0.5) for dtype in candidates(isa)}
    choice = choose(program, config, dtype="auto", isa=isa, threads=1, known=bad)
    assert choice.recipe == recipes("float32", isa)[-1]
    assert choice.measured == bad
    assert work.answered == []


def test_nothing_is_known_of_other_weights(tmp_path, monkeypatch):
    task, isa = TASKS["masked_lm"], "amx"
    copy = shutil.copytree(BUNDLED_MODELS[BUNDLED_MODEL], tmp_path / BUNDLED_MODEL)
    assert bundled.bundled_measurements(BUNDLED_MODEL, task, isa)
    assert bundled.bundled_measurements(copy, task, isa) == {}
    assert bundled.bundled_measurements(BUNDLED_MODEL, TASKS["question_answering"], isa) == {}
    assert bundled.bundled_measurements(BUNDLED_MODEL, task, "generic") == {}
    weights = copy / bundled.WEIGHTS_FILE
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    monkeypatch.setitem(BUNDLED_MODELS, BUNDLED_MODEL, copy)
    assert bundled.bundled_measurements(BUNDLED_MODEL, task, isa) == {}
    stored = json.loads((copy / bundled.MEASUREMENTS_FILE).read_text())
    assert stored["weights"]["bytes"] == len(content)


def test_with_another_configuration_it_is_another_model(directory, work):
    config = MobileBertConfig.from_pretrained(BUNDLED_MODEL, hidden_act="silu")
    found = Engine.from_pretrained(BUNDLED_MODEL, "masked_lm", config=config)
    assert work.answered[1:] == list(found.measured)
    assert bool(work.answered) == bool(candidates(choose_isa()))


def test_tables_in_half_precision_are_packed_as_in_single(tmp_path, directory, programs):
    """They are made float32 while they are packed, all others before they are folded."""
    half = write(tmp_path / "half", dtype="float16")
    found = Engine.from_pretrained(half, "masked_lm", "float32")
    arrays = load_checkpoint(half, "masked_lm").arrays()
    Engine(arrays, found.config, "masked_lm", dtype="float32")
    pairs = zip(arrays_of(programs[0]), arrays_of(programs[1]), strict=True)
    assert all((mine == theirs).all() for mine, theirs in pairs)


@pytest.mark.parametrize("dtype", ["float32", "auto"])
def test_weights_that_are_not_finite_leave_no_file(dtype, tmp_path, directory):
    config = small_config()
    tensors = random_tensors(config, "masked_lm")
    tensors["mobilebert.embeddings.word_embeddings.weight"][-1, -1] = np.inf
    save_checkpoint(tmp_path / "model", config, tensors, task="masked_lm")
    with pytest.raises(WeightsError, match="finite"):
        Engine.from_pretrained(tmp_path / "model", "masked_lm", dtype)
    half = {name: array.astype(np.float16) for name, array in tensors.items()}
    save_checkpoint(tmp_path / "half", config, half, task="masked_lm")
    with pytest.raises(WeightsError, match="finite"):
        Engine.from_pretrained(tmp_path / "half", "masked_lm", dtype)
    assert not directory.exists() or not list(directory.iterdir())
