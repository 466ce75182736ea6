"""What "auto" computes in: measured on the model, decided by the documented bounds."""

import math

import numpy as np
import pytest

from mobilebert.engine import Engine, accuracy, packed_model
from mobilebert.engine.accuracy import (
    BOUNDS,
    FASTER,
    FASTER_ON_AMD,
    Answers,
    Measurement,
    answer_sample,
    candidates,
    compare,
    decide,
    from_facts,
    to_facts,
)
from mobilebert.engine.native import choose_isa, isa_dtypes
from mobilebert.hub import BUNDLED_MODEL
from mobilebert.pipelines.build import pipeline
from mobilebert.tasks import TASKS
from models import random_tensors, small_config
from packed_checkpoints import write

# What a model may run in that rounding does not hurt.
FASTEST = (*candidates(choose_isa()), "float32")[0]

FINE = {"num_hidden_layers": 2, "trigram_input": False}
# Each layer multiplies what the layer before it rounded.
CHAOTIC = {"num_hidden_layers": 8}


def weights_of(fields, factor=1.0):
    tensors = random_tensors(small_config(**fields), "masked_lm")
    return {n: x * np.float32(factor if "dense.weight" in n else 1) for n, x in tensors.items()}


def engine(fields, factor=1.0, dtype="auto"):
    return Engine(weights_of(fields, factor), small_config(**fields), "masked_lm", dtype=dtype)


def test_a_model_that_rounding_does_not_hurt_runs_in_the_fastest_type():
    found = engine(FINE)
    assert found.dtype == FASTEST
    assert engine(FINE, dtype="float32").measured == {}
    for dtype in candidates(choose_isa())[:1]:
        assert found.measured[dtype].within(BOUNDS[dtype])


def test_a_model_that_rounding_changes_runs_in_float32():
    found = engine(CHAOTIC, factor=1.5)
    assert found.dtype == "float32"
    assert set(found.measured) == set(candidates(choose_isa()))
    for dtype, row in found.measured.items():
        assert row.error > 0.1
        assert not row.within(BOUNDS[dtype])


def test_the_bundled_model_is_measured_when_none_is_asked_for():
    assert Engine.from_pretrained(BUNDLED_MODEL, "fill-mask").dtype == FASTEST
    for dtype in (None, "auto"):
        assert pipeline("fill-mask", dtype=dtype).model.engine.dtype == FASTEST


def test_only_types_that_run_here_are_measured(monkeypatch):
    monkeypatch.setattr(accuracy, "isa_dtypes", lambda: {"amx": ("float32",), "generic": ()})
    assert candidates("amx") == candidates("generic") == candidates("sse9") == ()


@pytest.mark.parametrize("amd", [False, True])
@pytest.mark.parametrize("dtypes", [("float32", "int8"), ("float32", "bfloat16", "int8")])
def test_bfloat16_without_amx_is_tried_only_where_it_is_fast(dtypes, amd, monkeypatch):
    monkeypatch.setattr(accuracy, "isa_dtypes", lambda: {"avx512vnni": dtypes})
    monkeypatch.setattr(accuracy, "is_amd", lambda: amd)
    fast = amd and "bfloat16" in dtypes
    assert candidates("avx512vnni") == (("int8", "bfloat16") if fast else ("int8",))


def test_every_faster_type_has_a_bound_and_runs():
    rows = (*FASTER.values(), *FASTER_ON_AMD.values())
    assert {dtype for row in rows for dtype in row} == set(BOUNDS)
    assert set(FASTER_ON_AMD) <= set(FASTER)
    for isa, dtypes in isa_dtypes().items():
        assert set(FASTER.get(isa, ())) <= set(dtypes) - {"float32"}


GOOD = Measurement(error=0.001, probability=0.001, agreement=1.0)
BAD = Measurement(error=0.5, probability=0.001, agreement=1.0)


@pytest.mark.parametrize(
    ("measured", "wanted"),
    [
        ({}, None),
        ({"fast": GOOD}, "fast"),
        ({"fast": BAD}, None),
        ({"middle": GOOD}, None),
        ({"fast": BAD, "middle": GOOD}, "middle"),
        ({"fast": BAD, "middle": BAD}, "float32"),
    ],
)
def test_the_first_type_within_its_bound_is_taken(measured, wanted, monkeypatch):
    bound = Measurement(error=0.01, probability=0.01, agreement=0.9)
    monkeypatch.setattr(accuracy, "BOUNDS", {"fast": bound, "middle": bound})
    assert decide(("fast", "middle"), measured) == wanted
    assert decide((), measured) == "float32"


@pytest.mark.parametrize("field", ["error", "probability", "agreement"])
@pytest.mark.parametrize("value", [math.nan, 0.5])
def test_one_number_beyond_its_bound_is_enough(field, value):
    bound = Measurement(error=0.01, probability=0.01, agreement=0.9)
    assert GOOD.within(bound)
    assert not Measurement(**(vars(GOOD) | {field: value})).within(bound)


def test_measurements_are_stored_exactly():
    rows = {"a": GOOD, "b": Measurement(math.nan, math.inf, 0.1)}
    again = from_facts(to_facts(rows))
    assert again["a"] == GOOD
    assert math.isnan(again["b"].error)
    assert not again["b"].within(Measurement(1e9, 1e9, 0.0))


def test_numbers_are_counted_as_documented():
    states = np.array([[1, -4], [2, 1]], np.float32)
    moved = states + np.array([[0.5, 0], [0, 0.25]], np.float32)
    wanted = Answers(states, (np.array([[0.6, 0.4], [0.3, 0.7]]),))
    found = Answers(moved, (np.array([[0.45, 0.55], [0.35, 0.65]]),))
    row = compare(found, wanted)
    # All errors are 1/8: of 4 in the first token, of 2 in the second.
    assert row == Measurement(error=0.125, probability=pytest.approx(0.15), agreement=0.5)
    assert compare(wanted, wanted) == Measurement(0.0, 0.0, 1.0)
    broken = Answers(states * np.float32(np.nan), ())
    assert math.isnan(compare(broken, Answers(states, ())).error)
    assert math.isnan(compare(Answers(states, ()), broken).error)


def test_a_channel_that_dwarfs_the_others_does_not_hide_their_error():
    states = np.ones((4, 8), np.float32)
    states[:, 3] = 1e7
    moved = states + np.float32(0.5) * (np.arange(8) == 5)
    assert compare(Answers(moved, ()), Answers(states, ())).error == pytest.approx(0.5)


@pytest.mark.parametrize("task", TASKS)
def test_every_head_is_measured(task):
    config = small_config(num_labels=3)
    built = Engine(random_tensors(config, task), config, task, dtype="float32")
    answers = answer_sample(built.execution, config)
    assert answers.states.shape[1] == config.hidden_size
    heads = {"feature_extraction": 0, "pretraining": 2}
    split = TASKS[task].projection is not None and TASKS[task].projection.split
    if not split:
        assert len(answers.probabilities) == heads.get(task, 1)
    for chances in answers.probabilities:
        assert ((chances > 0) & (chances < 1)).all()
        if task != "multiple_choice":
            assert np.allclose(chances.sum(axis=1), 1)
    again = answer_sample(built.execution, config)
    assert compare(again, answers) == Measurement(0.0, 0.0, 1.0)


def test_the_smallest_model_can_be_measured():
    config = small_config(
        vocab_size=1, max_position_embeddings=1, type_vocab_size=1, pad_token_id=0
    )
    built = Engine(random_tensors(config, "masked_lm"), config, "masked_lm", dtype="float32")
    assert len(answer_sample(built.execution, config).states) == 31


def test_it_is_measured_once(tmp_path, monkeypatch):
    monkeypatch.setenv("MOBILEBERT_CACHE", str(tmp_path / "cache"))
    checkpoint = write(tmp_path / "model", **FINE)
    first = Engine.from_pretrained(checkpoint, "fill-mask")

    def again(*arguments):
        raise AssertionError("measured again")

    monkeypatch.setattr(packed_model, "answer_sample", again)
    second = Engine.from_pretrained(checkpoint, "fill-mask")
    assert (second.dtype, second.measured) == (first.dtype, first.measured)


def test_a_pack_made_without_measuring_is_no_choice(tmp_path, monkeypatch):
    monkeypatch.setenv("MOBILEBERT_CACHE", str(tmp_path / "cache"))
    checkpoint = write(tmp_path / "model", **FINE)
    for dtype in isa_dtypes()[choose_isa()]:
        assert Engine.from_pretrained(checkpoint, "fill-mask", dtype).measured == {}
    found = Engine.from_pretrained(checkpoint, "fill-mask")
    assert found.dtype == FASTEST
    assert set(found.measured) == set(candidates(choose_isa())[:1])


@pytest.mark.parametrize("isa", isa_dtypes())
def test_every_instruction_set_chooses_among_its_own(isa, monkeypatch):
    monkeypatch.setenv("MOBILEBERT_ISA", isa)
    assert engine(FINE).dtype in isa_dtypes()[isa]
    assert engine(CHAOTIC, factor=1.5).dtype == "float32"
