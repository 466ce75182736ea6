"""Which arrays of a packed program the native encoder keeps, and which it has copied."""

import dataclasses
import weakref

import numpy as np
import pytest

from mobilebert.engine import Engine, _native, engine
from models import random_tensors, small_config
from native_calls import PATHS, arguments, packed, room

# Of these every call reads the matrix, the bias and the factor on the residual: they are copied
# behind each other. Tables, norms, small heads and the vocabulary stay where they are.
COPIED_STEPS = {
    *("transformation", "transform", "input_bottleneck", "attention_bottleneck"),
    *("query", "key", "value", "attention_output", "inner", "outer", "output_bottleneck"),
}
COPIED_FIELDS = {"weight", "bias", "residual_scale"}


def named_arrays(value, path=()):
    """Yield the arrays of a program with the names of the fields that lead there."""
    if isinstance(value, np.ndarray):
        yield path, value
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from named_arrays(getattr(value, field.name), (*path, field.name))
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from named_arrays(item, (*path, number))


def is_copied(path):
    return path[-2] in COPIED_STEPS and path[-1] in COPIED_FIELDS


def references(program):
    return {path: weakref.ref(array) for path, array in named_arrays(program)}


def alive(found):
    return {path for path, array in found.items() if array() is not None}


@pytest.mark.parametrize("variant", ["mobilebert", "tiny", "teacher", "no_bottleneck"])
@pytest.mark.parametrize(("isa", "dtype"), PATHS, ids="-".join)
def test_the_encoder_keeps_what_it_points_to(isa, dtype, variant):
    program = packed(isa, dtype, variant)
    found = references(program)
    wanted = room(program)
    _native.Encoder(program, isa, 1).run(**arguments(), results=wanted)
    made, results = _native.Encoder(program, isa, 1), room(program)
    del program
    assert alive(found) == {path for path in found if not is_copied(path)}
    # What was let go of is written over by the next arrays of its size.
    filled = [np.full(1 << power, np.nan, np.float32) for power in range(4, 18) for _ in range(8)]
    made.run(**arguments(), results=results)
    assert all((results[name] == wanted[name]).all() for name in wanted)
    del made, filled
    assert not alive(found)


def test_an_array_that_serves_twice_is_kept():
    """Once as the bias of a step that is copied, once of one that is not."""
    program = packed("generic", "float32")
    shared = program.embedding.transformation.bias
    program = dataclasses.replace(program, pooler=dataclasses.replace(program.pooler, bias=shared))
    found = weakref.ref(shared)
    made = _native.Encoder(program, "generic", 1)
    del program, shared
    assert found() is not None
    del made
    assert found() is None


def test_an_engine_holds_its_weights_once(monkeypatch):
    found = {}

    def remember(*arguments, **keywords):
        model = pack(*arguments, **keywords)
        found.update(references(model.program))
        return model

    pack = engine.pack_model
    monkeypatch.setattr(engine, "pack_model", remember)
    config = small_config()
    made = Engine(random_tensors(config), config, dtype="float32")
    assert alive(found) == {path for path in found if not is_copied(path)}
    assert np.isfinite(made([[1, 2, 3]]).last_hidden_state[0]).all()


@pytest.mark.parametrize("task", ["pretraining", "sequence_classification"])
@pytest.mark.parametrize("norm", ["no_norm", "layer_norm"])
@pytest.mark.parametrize("variant", ["mobilebert", "plain_embedding", "raw_pooler"])
def test_weights_may_change_once_the_engine_is_made(variant, norm, task):
    # Of these widths nothing has to be padded, which would copy it.
    widths = {"vocab_size": 96, "num_labels": 32, "intra_bottleneck_size": 32}
    config = small_config(variant, normalization_type=norm, **widths)
    tensors = random_tensors(config, task)
    made = Engine(tensors, config, task, dtype="float32")
    ids = np.arange(1, 12)[None]
    wanted = made(ids)
    for array in tensors.values():
        array.fill(7.0)
    found = made(ids)
    assert all((found[name] == wanted[name]).all() for name in wanted)
