"""The native engine against the float64 reference: every variant, task and instruction set."""

import ctypes
import platform
from pathlib import Path

import numpy as np
import pytest

from assertions import assert_close, relative_error
from mobilebert.engine import Engine
from mobilebert.engine.native import ISA_VARIABLE, isa_dtypes
from mobilebert.reference import PadNeighbor, encode, forward
from mobilebert.tasks import TASKS
from models import VARIANTS, random_batch, random_tensors, small_config
from tolerances import ENGINE_BFLOAT16, ENGINE_INT8, FLOAT32

ISAS = tuple(isa_dtypes())
PATHS = [(isa, dtype) for isa, dtypes in isa_dtypes().items() for dtype in dtypes]
BOUNDS = {"float32": FLOAT32, "bfloat16": ENGINE_BFLOAT16, "int8": ENGINE_INT8}

# Architecture -> instruction set -> what Linux calls the features of the processor that it needs.
FLAGS = {
    "x86_64": {
        "generic": set(),
        "avx2": {"avx2", "fma"},
        "avx512": {"avx512f", "avx512bw", "avx512vl", "avx512dq"},
        "avx512vnni": {"avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni"},
        "amx": {"avx512f", "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8"},
    },
    "aarch64": {"generic": set(), "neon": set()},  # of the baseline
}


def build(variant, task, monkeypatch=None, isa=None, threads=1, seed=0, dtype="float32", **fields):
    if isa is not None:
        monkeypatch.setenv(ISA_VARIABLE, isa)
    config = small_config(variant, **fields)
    tensors = random_tensors(config, task, seed)
    engine = Engine(tensors, config, task, threads=threads, dtype=dtype)
    assert isa in (None, engine.isa)
    assert engine.dtype == dtype
    return engine, {name: x.astype(np.float64) for name, x in tensors.items()}


def real(array, mask):
    """The rows of real tokens, where there is one for each token."""
    return array[mask == 1] if array.shape[: mask.ndim] == mask.shape else array


def test_the_paths_are_those_of_the_processor():
    """What runs here is what Linux says the processor has; other systems say it elsewhere."""
    assert ISAS[0] == "generic"
    cpuinfo = Path("/proc/cpuinfo")
    flags = set(cpuinfo.read_text().split()) if cpuinfo.exists() else set()
    if platform.system() == "Linux" and platform.machine() in FLAGS:
        needs = FLAGS[platform.machine()]
        assert list(ISAS) == [isa for isa, needed in needs.items() if needed <= flags]
        if "avx512vnni" in ISAS:
            assert ("bfloat16" in isa_dtypes()["avx512vnni"]) == ("avx512_bf16" in flags)
        if platform.machine() == "aarch64":  # AT_HWCAP2 (getauxval(3)) and its HWCAP2_BF16
            multiplies_bfloat16 = ctypes.CDLL(None).getauxval(26) >> 14 & 1
            assert len(isa_dtypes()["neon"]) == 1 + multiplies_bfloat16
    assert isa_dtypes()[ISAS[-1]][0] == "float32"


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("isa", "dtype"), PATHS)
def test_outputs_are_those_of_the_reference(isa, dtype, variant, task, monkeypatch):
    engine, tensors = build(variant, task, monkeypatch, isa, threads=2, dtype=dtype, num_labels=3)
    choices = 3 if TASKS[task].choices else 0
    ids, mask, types = random_batch(engine.config, choices=choices)
    found = engine(ids, mask, types)
    wanted = forward(tensors, engine.config, task, ids, mask, types)
    for name, value in wanted.items():
        assert_close(real(found[name], mask), real(value, mask), BOUNDS[dtype], name)


@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 31, 32, 33, 40])
@pytest.mark.parametrize("threads", [1, 2, 3, 5])
@pytest.mark.parametrize(("isa", "dtype"), PATHS)
def test_every_length_and_number_of_threads(isa, dtype, threads, length, monkeypatch):
    engine, tensors = build("mobilebert", "masked_lm", monkeypatch, isa, threads, dtype=dtype)
    assert engine.threads == threads
    rng = np.random.default_rng(length)
    for batch in (1, 7):
        ids = rng.integers(0, engine.config.vocab_size, size=(batch, length))
        wanted = forward(tensors, engine.config, "masked_lm", ids)["logits"]
        assert_close(engine(ids).logits, wanted, BOUNDS[dtype], f"batch of {batch}")


def test_hidden_states_are_all_there():
    engine, tensors = build("mobilebert", "sequence_classification", threads=2)
    ids, mask, types = random_batch(engine.config)
    found = engine(ids, mask, types, output_hidden_states=True).hidden_states
    wanted, _ = encode(tensors, engine.config, ids, mask, types, prefix="mobilebert.")
    assert len(found) == len(wanted)
    for number, (state, other) in enumerate(zip(found, wanted, strict=True)):
        assert_close(real(state, mask), real(other, mask), FLOAT32, f"state {number}")
        assert not state[mask == 0].any(), "padded rows are zeros"


@pytest.mark.parametrize("pad_neighbor", PadNeighbor)
def test_padding_neighbours_are_told_apart(pad_neighbor):
    config = small_config()
    tensors = random_tensors(config)
    ids, mask, types = random_batch(config)
    mask[1, 4] = 0  # a hole: its neighbours have a padding neighbour too
    engine = Engine(tensors, config, dtype="float32", pad_neighbor=pad_neighbor)
    wanted = forward(
        {name: x.astype(np.float64) for name, x in tensors.items()},
        config, "feature_extraction", ids, mask, types, pad_neighbor=pad_neighbor,
    )["last_hidden_state"]  # fmt: skip
    found = engine(ids, mask, types).last_hidden_state
    assert_close(found[mask == 1], wanted[mask == 1], FLOAT32)
    other = PadNeighbor.ZERO if pad_neighbor is not PadNeighbor.ZERO else PadNeighbor.PAD_EMBEDDING
    another = Engine(tensors, config, dtype="float32", pad_neighbor=other)
    differs = another(ids, mask, types).last_hidden_state
    assert relative_error(differs[mask == 1], wanted[mask == 1]) > FLOAT32


@pytest.mark.parametrize("variant", ["mobilebert", "no_bottleneck", "tiny"])
def test_pruned_heads(variant):
    pruned = {0: [1, 2], 1: [3]}
    engine, tensors = build(variant, "feature_extraction", pruned_heads=pruned)
    ids, mask, types = random_batch(engine.config)
    wanted = forward(tensors, engine.config, "feature_extraction", ids, mask, types)
    found = engine(ids, mask, types)
    for name, value in wanted.items():
        assert_close(real(found[name], mask), real(value, mask), FLOAT32, name)


@pytest.mark.parametrize(("isa", "dtype"), PATHS)
def test_a_text_has_the_same_numbers_in_every_batch(isa, dtype, monkeypatch):
    """Bit by bit, alone and among others, with one thread and with several."""
    engine, _ = build("mobilebert", "masked_lm", monkeypatch, isa, threads=1, dtype=dtype)
    many, _ = build("mobilebert", "masked_lm", monkeypatch, isa, threads=3, dtype=dtype)
    rng = np.random.default_rng(5)
    texts = [list(rng.integers(0, 97, size=n)) for n in (1, 40, 7, 16, 33, 9, 40, 2, 21, 40, 38)]
    together = engine(texts).logits
    for number, text in enumerate(texts):
        assert (engine([text]).logits[0] == together[number]).all(), number
        assert (many([text]).logits[0] == together[number]).all(), number
    for found, wanted in zip(many(texts).logits, together, strict=True):
        assert (found == wanted).all()


@pytest.mark.parametrize(("isa", "dtype"), PATHS)
def test_more_threads_than_a_text_has_rows_for_change_nothing(isa, dtype, monkeypatch):
    """Threads that split columns work on one block of rows after the other, at different paces."""
    sizes = {"intra_bottleneck_size": 128, "hidden_size": 256, "num_attention_heads": 4}
    sizes |= {"max_position_embeddings": 256}
    one, _ = build("mobilebert", "feature_extraction", monkeypatch, isa, dtype=dtype, **sizes)
    many, _ = build(
        "mobilebert", "feature_extraction", monkeypatch, isa, threads=16, dtype=dtype, **sizes
    )
    text = np.random.default_rng(5).integers(0, 97, (1, 250))
    wanted = one(text).last_hidden_state
    for _ in range(20):
        assert (many(text).last_hidden_state == wanted).all()


@pytest.mark.parametrize(("isa", "dtype"), PATHS)
def test_a_changed_weight_is_noticed(isa, dtype, monkeypatch):
    """The twin: parity fails for every tensor of a model that is moved."""
    engine, tensors = build("mobilebert", "masked_lm", monkeypatch, isa, dtype=dtype)
    ids, mask, types = random_batch(engine.config)
    wanted = forward(tensors, engine.config, "masked_lm", ids, mask, types)["logits"]
    for name in tensors:
        if "key.bias" in name:  # adds one number to a row of scores
            continue
        moved = tensors | {name: tensors[name] + (0.01 if dtype == "float32" else 2.0)}
        other = Engine(moved, engine.config, "masked_lm", threads=1, dtype=dtype)
        found = other(ids, mask, types).logits
        assert relative_error(found[mask == 1], wanted[mask == 1]) > BOUNDS[dtype], name


@pytest.mark.parametrize("dtype", isa_dtypes()[ISAS[-1]])
def test_large_values_survive(dtype):
    """The published checkpoint has hidden values of 2.5e7 in [CLS]; scores of any size softmax."""
    config = small_config()
    tensors = random_tensors(config)
    tensors["encoder.layer.0.output.bottleneck.LayerNorm.weight"][3] = 2.5e7
    tensors["encoder.layer.1.attention.self.query.weight"] *= 1e4
    engine = Engine(tensors, config, dtype=dtype)
    ids, mask, types = random_batch(config)
    wide = {name: x.astype(np.float64) for name, x in tensors.items()}
    wanted = forward(wide, config, "feature_extraction", ids, mask, types)["last_hidden_state"]
    found = engine(ids, mask, types).last_hidden_state
    assert np.isfinite(found).all()
    assert relative_error(found[mask == 1], wanted[mask == 1]) < 0.1  # softmax picks one key


@pytest.mark.parametrize(("isa", "dtype"), PATHS)
def test_layers_with_other_numbers_of_heads_among_many_rows(isa, dtype, monkeypatch):
    """Rows that are in the next layer already must leave alone what others still read."""
    engine, tensors = build(
        "mobilebert", "feature_extraction", monkeypatch, isa, 3, dtype=dtype,
        pruned_heads={0: [1, 2, 3]},
    )  # fmt: skip
    ids = np.random.default_rng(0).integers(0, 97, size=(20, 40))
    found = engine(ids).last_hidden_state
    wanted = forward(tensors, engine.config, "feature_extraction", ids)["last_hidden_state"]
    assert_close(found, wanted, BOUNDS[dtype])
