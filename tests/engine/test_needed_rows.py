"""The last layer computes only the rows that a head reads, and these as if it computed all."""

import numpy as np
import pytest

from mobilebert.engine import Engine
from mobilebert.engine.native import isa_dtypes
from models import VARIANTS, random_tensors, small_config

PATHS = [(isa, dtype) for isa, dtypes in isa_dtypes().items() for dtype in dtypes]
# Lengths at which threads split rows, and at which they split columns.
LENGTHS = {"long": (40, 1, 130, 17, 33), "short": (5, 1, 9)}


def build(task, monkeypatch, isa, dtype, variant="mobilebert", threads=3):
    monkeypatch.setenv("MOBILEBERT_ISA", isa)
    config = small_config(variant, max_position_embeddings=160)
    return Engine(random_tensors(config, task), config, task, dtype=dtype, threads=threads)


def texts(engine, lengths):
    rng = np.random.default_rng(3)
    return [rng.integers(1, engine.config.vocab_size, length).tolist() for length in lengths]


def rows(engine):
    return engine.execution._encoder.last_layer_rows


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize(("isa", "dtype"), PATHS)
def test_a_head_on_the_first_position(isa, dtype, lengths, monkeypatch):
    engine = build("sequence_classification", monkeypatch, isa, dtype)
    ids = texts(engine, LENGTHS[lengths])
    few = engine(ids).logits
    assert rows(engine) == len(ids)
    many = engine(ids, output_hidden_states=True).logits
    assert rows(engine) == sum(LENGTHS[lengths])
    assert (few == many).all()


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize(("isa", "dtype"), PATHS)
def test_wanted_positions(isa, dtype, lengths, monkeypatch):
    engine = build("masked_lm", monkeypatch, isa, dtype)
    ids = texts(engine, LENGTHS[lengths])
    every = engine(ids).logits
    assert rows(engine) == sum(LENGTHS[lengths])
    wanted = [(2, 7), (0, 0), (0, 4), (2, 7)]
    few = engine(ids, positions=wanted).logits
    assert rows(engine) == 3
    for found, (text, position) in zip(few, wanted, strict=True):
        assert (found == every[text][position]).all()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("isa", "dtype"), [PATHS[0], PATHS[-1]])
def test_every_variant_and_both_heads(variant, isa, dtype, monkeypatch):
    engine = build("pretraining", monkeypatch, isa, dtype, variant)
    ids = texts(engine, (20, 3))
    few = engine(ids, positions=[(0, 19)])
    assert rows(engine) == (3 if engine.config.num_hidden_layers else 23)
    many = engine(ids, positions=[(0, 19)], output_hidden_states=True)
    assert (few.prediction_logits == many.prediction_logits).all()
    assert (few.seq_relationship_logits == many.seq_relationship_logits).all()
