"""The engine's Python interface: ways of calling, what comes back, what is refused."""

import pickle
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from assertions import assert_close
from mobilebert.backend import TokenBatch
from mobilebert.engine import Engine, execution, native
from mobilebert.engine.backend import EngineBackend
from mobilebert.errors import InputError, WeightsError
from mobilebert.numpy_backend import NumpyBackend
from mobilebert.tasks import TASKS
from models import random_batch, random_tensors, small_config
from tolerances import FLOAT32


@pytest.fixture(scope="module")
def engine():
    return build("masked_lm")


def build(task, threads=2, **fields):
    config = small_config(**fields)
    return Engine(random_tensors(config, task), config, task, dtype="float32", threads=threads)


def test_lists_and_padded_arrays_agree(engine):
    ids, mask, types = random_batch(engine.config)
    padded = engine(ids, mask, types).logits
    rows = [row[real == 1].tolist() for row, real in zip(ids, mask, strict=True)]
    segments = [row[real == 1].tolist() for row, real in zip(types, mask, strict=True)]
    ragged = engine(rows, token_type_ids=segments).logits
    assert [len(x) for x in ragged] == mask.sum(axis=1).tolist()
    for text, real, row in zip(ragged, mask, padded, strict=True):
        assert (text == row[real == 1]).all()
        assert not row[real == 0].any()


def test_without_a_mask_every_id_is_a_token(engine):
    ids = np.array([[5, 0, 0, 7]])
    assert (engine(ids).logits[0] == engine([[5, 0, 0, 7]]).logits[0]).all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64", "int8", "int32"])
def test_ids_of_every_integer_type_are_the_same(engine, dtype):
    ids, mask, types = random_batch(engine.config)
    wanted = engine(ids, mask, types).logits
    arrays = (array.astype(dtype) for array in (ids, mask, types))
    assert (engine(*arrays).logits == wanted).all()
    assert (engine(ids.astype(dtype)).logits == engine(ids).logits).all()
    positions = np.array([(2, 3), (0, 10)], dtype)
    assert (engine(ids, positions=positions).logits == engine(ids).logits[[2, 0], [3, 10]]).all()


def test_positions_choose_and_order_the_rows(engine):
    ids, mask, types = random_batch(engine.config)
    everything = engine(ids, mask, types).logits
    positions = [(2, 3), (0, 10), (2, 0), (0, 10)]
    chosen = engine(ids, mask, types, positions=positions).logits
    assert (chosen == np.stack([everything[pair] for pair in positions])).all()
    texts = [ids[0].tolist(), ids[2][:4].tolist()]
    one = engine(texts, positions=[(1, 3), (0, 0)]).logits
    assert (one == np.stack([engine(texts).logits[1][3], engine(texts).logits[0][0]])).all()
    assert engine(ids, mask, types, positions=[]).logits.shape == (0, engine.config.vocab_size)


def test_many_tokens_go_in_parts(engine, monkeypatch):
    rng = np.random.default_rng(0)
    texts = [list(rng.integers(0, 97, size=n)) for n in (5, 40, 12, 1, 9, 30)]
    whole = engine(texts, output_hidden_states=True)
    monkeypatch.setattr(execution, "TOKENS_AT_ONCE", 20)
    parts = engine(texts, output_hidden_states=True)
    for found, wanted in zip(parts.logits, whole.logits, strict=True):
        assert (found == wanted).all()
    for found, wanted in zip(parts.hidden_states[1], whole.hidden_states[1], strict=True):
        assert (found == wanted).all()
    positions = [(5, 3), (1, 1), (3, 0)]
    chosen = engine(texts, positions=positions).logits
    assert (chosen == np.stack([whole.logits[text][place] for text, place in positions])).all()


def test_results_have_the_documented_names(engine):
    ids, mask, types = random_batch(engine.config)
    for task, spec in TASKS.items():
        if spec.choices:
            continue
        output = build(task, num_labels=3)(ids, mask, types)
        assert type(output).__name__ == spec.output_name
        assert tuple(output.keys()) == spec.emits
        again = pickle.loads(pickle.dumps(output))
        assert (again[0] == output[0]).all()


def test_attentions_are_refused_with_the_way_to_them(engine):
    with pytest.raises(InputError, match=r"output_attentions=True\), or mobilebert.reference"):
        engine([[1, 2]], output_attentions=True)


def test_a_checkpoint_is_loaded_by_name():
    engine = Engine.from_pretrained("mobilebert-mini-uncased", "fill-mask", threads=1)
    assert (engine.threads, engine.task.name) == (1, "masked_lm")
    assert Engine.from_pretrained("mobilebert-mini-uncased").task.name == "feature_extraction"


def test_threads_may_call_at_once(engine):
    rng = np.random.default_rng(3)
    batches = [[list(rng.integers(0, 97, size=n)) for n in (3, 40, 17)] for _ in range(6)]
    wanted = [engine(batch).logits for batch in batches]
    wrong = []

    def work(number):
        for _ in range(20):
            found = engine(batches[number]).logits
            if any((x != y).any() for x, y in zip(found, wanted[number], strict=True)):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


FORKED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import numpy as np
from mobilebert.engine import Engine
from models import random_tensors, small_config

config = small_config()
engine = Engine(random_tensors(config), config, threads=3)
ids = np.arange(40)[None] % 97
wanted = engine(ids).last_hidden_state
child = os.fork()
if not child:
    signal.alarm(20)  # instead of waiting for threads that are not there
    assert (engine(ids).last_hidden_state == wanted).all()
    del engine
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
assert (engine(ids).last_hidden_state == wanted).all()
"""


FORKED_ANEW = """
import os, signal, sys, threading
sys.path.insert(0, {tests!r})
import numpy as np
from mobilebert.engine import Engine
from models import random_tensors, small_config

config = small_config()
tensors = random_tensors(config)
engine = Engine(tensors, config, threads=8)
ids = np.arange(40)[None] % 97
wanted = engine(ids).last_hidden_state
child = os.fork()
if not child:
    signal.alarm(20)
    # New threads take the places of those that are not there.
    begun = threading.Event()
    threading.Thread(target=begun.wait, daemon=True).start()
    engine = Engine(tensors, config, threads=8)
    assert (engine(ids).last_hidden_state == wanted).all()
    begun.set()
    del engine
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


def test_a_forked_process_may_begin_anew():
    tests = str(Path(__file__).parents[1])
    subprocess.run([sys.executable, "-c", FORKED_ANEW.format(tests=tests)], check=True, timeout=60)


def test_a_forked_process_computes_alone():
    """Servers load a model and then fork; threads do not live on in the child."""
    tests = str(Path(__file__).parents[1])
    subprocess.run([sys.executable, "-c", FORKED.format(tests=tests)], check=True, timeout=60)


@pytest.mark.parametrize("task", TASKS)
def test_the_backend_answers_as_the_numpy_backend(task):
    config = small_config(num_labels=3)
    tensors = random_tensors(config, task)
    ids, mask, types = random_batch(config, choices=3 if TASKS[task].choices else 0)
    batch = TokenBatch(ids, mask, types)
    positions = np.array([[2, 1], [0, 4]]) if TASKS[task].vocabulary else None
    found = EngineBackend(tensors, config, task, dtype="float32").run(batch, positions)
    wanted = NumpyBackend(tensors, config, task).run(batch, positions)
    assert list(found) == list(wanted)
    for name, value in wanted.items():
        rows = value.shape[: mask.ndim] == mask.shape
        assert found[name].shape == value.shape
        assert_close(*(x[mask == 1] if rows else x for x in (found[name], value)), FLOAT32, name)


ARRAY = np.array([[1, 2, 3], [4, 5, 6]])

BAD_CALLS = {
    "no text": (([],), "no text"),
    "an empty text": (([[1], []],), "Text 1 has no tokens"),
    "a row of padding": ((ARRAY, np.array([[1, 1, 1], [0, 0, 0]])), "Text 1 has no tokens"),
    "an empty array": ((np.empty((0, 3), int),), "no text"),
    "texts of no width": ((np.empty((2, 0), int),), "Text 0 has no tokens"),
    "neither texts nor width": ((np.empty((0, 0), int),), "no text"),
    "an id too large": (([[97]],), "input_ids holds 97"),
    "a negative id": (([[-1]],), "input_ids holds -1"),
    "an id beyond 32 bits": (([[2**32 + 5]],), "input_ids holds 4294967301"),
    "a segment too large": (([[1]], None, [[2]]), "token_type_ids holds 2"),
    "too long a text": (([[1] * 41],), "41 tokens"),
    "too long an array": ((np.ones((1, 41), int),), "41 tokens"),
    "numbers, not texts": (([1, 2],), r"input_ids\[0\] must be a list"),
    "words": (([["a"]],), r"input_ids\[0\] must be a list"),
    "fractions": (([[1.5]],), r"input_ids\[0\] must be a list"),
    "a string": (("text",), "must be a list of texts"),
    "nothing": ((None,), "must be a list of texts"),
    "one row": ((np.array([1, 2]),), r"\[batch, sequence\], not of shape \(2,\)"),
    "fractions in an array": ((np.ones((1, 2)),), "must hold integers, not float64"),
    "a mask of another shape": ((ARRAY, np.ones((2, 2), int)), "attention_mask must have the"),
    "a mask with a list": (([[1]], [[1]]), "attention_mask needs arrays"),
    "other segments": (([[1, 2]], None, [[0]]), "the lengths of input_ids"),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_bad_input_is_one_clear_sentence(case, engine):
    arguments, message = BAD_CALLS[case]
    with pytest.raises(InputError, match=message):
        engine(*arguments)


@pytest.mark.parametrize("positions", [[(0, 3)], [(2, 0)], [(-1, 0)], [(0, -1)]])
def test_positions_outside_the_texts_are_refused(positions, engine):
    for texts in (ARRAY, ARRAY.tolist()):
        with pytest.raises(InputError, match="positions holds a pair"):
            engine(texts, positions=positions)
    with pytest.raises(InputError, match="pairs"):
        engine(ARRAY, positions=[1, 2])


def test_bad_settings_are_refused(monkeypatch):
    config, weights = small_config(), random_tensors(small_config())
    with pytest.raises(InputError, match="computes in float32"):
        Engine(weights, config, dtype="float8")
    for threads in (0, -1, 1.5, True, "two"):
        with pytest.raises(InputError, match="whole number from 1 to 1024"):
            Engine(weights, config, threads=threads)
    with pytest.raises(InputError, match="runs on the CPU only"):
        EngineBackend(weights, config, "feature_extraction", device="cuda")
    monkeypatch.setenv(native.ISA_VARIABLE, "sse9")
    with pytest.raises(InputError, match="sse9.*possible are generic"):
        Engine(weights, config)
    monkeypatch.delenv(native.ISA_VARIABLE)
    monkeypatch.setenv(native.THREADS_VARIABLE, "many")
    with pytest.raises(InputError, match="MOBILEBERT_NUM_THREADS"):
        Engine(weights, config)
    monkeypatch.setenv(native.THREADS_VARIABLE, "3")
    assert Engine(weights, config).threads == 3


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_weights_that_are_not_finite_are_refused(value):
    config = small_config()
    weights = random_tensors(config, dtype=np.float64)
    weights["encoder.layer.1.ffn.0.output.dense.weight"][0, 0] = value
    with pytest.raises(WeightsError, match="finite weights"):
        Engine(weights, config)


def test_missing_weights_are_named():
    config = small_config()
    weights = random_tensors(config)
    del weights["encoder.layer.1.attention.self.query.bias"]
    with pytest.raises(WeightsError, match="attention.self.query.bias"):
        Engine(weights, config)


def test_who_made_the_processor_is_read(monkeypatch, tmp_path):
    processors = tmp_path / "cpuinfo"
    monkeypatch.setattr(native, "_PROCESSORS", processors)
    assert not native.is_amd(), "the system does not say"
    for maker in ("AuthenticAMD", "GenuineIntel"):
        processors.write_text(f"processor\t: 0\nvendor_id\t: {maker}\n" + "flags\t: fpu\n" * 999)
        assert native.is_amd() == (maker == "AuthenticAMD")


def test_an_activation_without_kernels_is_refused():
    config = small_config()
    for activation, named in ((np.tanh, "a function"), ("mish", "'mish'")):
        config.hidden_act = activation
        with pytest.raises(InputError, match=rf"silu; this model has {named} as hidden_act"):
            Engine(random_tensors(small_config()), config)
    config.hidden_act = "gelu_fast"  # another name of one that it knows
    assert Engine(random_tensors(small_config()), config).config.hidden_act == "gelu_fast"


def test_without_the_compiled_part_the_engine_says_so(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(native.importlib, "import_module", absent)
    assert native.isa_dtypes() == {}
    with pytest.raises(InputError, match="C\\+\\+ compiler"):
        build("masked_lm")


def test_threads_may_split_a_head_between_them():
    """Three heads of two panels: with two threads, half of the middle one is the other's."""
    sizes = {"intra_bottleneck_size": 192, "true_hidden_size": 192, "num_attention_heads": 3}
    alone, both = (build("feature_extraction", threads, **sizes) for threads in (1, 2))
    wanted = alone([[5, 6, 7, 8]]).last_hidden_state[0]
    for _ in range(300):
        assert (both([[5, 6, 7, 8]]).last_hidden_state[0] == wanted).all()
