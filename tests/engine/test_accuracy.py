"""The promised accuracy of every element type, on real sentences (docs/accuracy.md).

The sentences are those of tests/data/reviews; benchmarks/accuracy.py measures over thousands.
"""

import math
from pathlib import Path

import numpy as np
import pytest

from accuracy_measures import measure
from mobilebert import AutoTokenizer
from mobilebert.checkpoint import load_checkpoint
from mobilebert.engine import Engine
from mobilebert.engine.native import ISA_VARIABLE, isa_dtypes
from mobilebert.tasks import resolve_task
from outlier_model import OUTLIERS, outlier_config, outlier_tensors, reading_head
from tolerances import ENGINE_ANSWERS, ENGINE_TOKEN, OUTLIER_ANSWERS

BUNDLED = "mobilebert-mini-uncased"
REVIEWS = Path(__file__).parents[1] / "data" / "reviews"
# Element type -> the fastest instruction set that has it.
FASTEST = {dtype: isa for isa, dtypes in isa_dtypes().items() for dtype in dtypes}


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(BUNDLED)


def sentences(step):
    files = (REVIEWS / "rt-polarity.neg", REVIEWS / "rt-polarity.pos")
    return [line for file in files for line in file.read_text("utf-8").splitlines()[::step]]


def within(found, bounds):
    """Tell whether answers keep the bounds; of a small sample one text more may differ."""
    agreement, probability = bounds
    differ = round((1 - found["agreement"]) * found["texts"])
    return differ <= math.ceil((1 - agreement) * found["texts"]) and (
        found["probability"] <= probability
    )


def engine_of(dtype, monkeypatch, tensors, config, task):
    monkeypatch.setenv(ISA_VARIABLE, FASTEST[dtype])
    return Engine(tensors, config, task, dtype=dtype, threads=1)


@pytest.fixture(scope="module")
def masked(tokenizer):
    """The bundled model, and a masked word in each sentence."""
    rows = tokenizer(sentences(5))["input_ids"]
    rng = np.random.default_rng(0)
    places = np.array([rng.integers(1, len(row) - 1) for row in rows])
    for row, place in zip(rows, places, strict=True):
        row[place] = tokenizer.mask_token_id
    task = resolve_task("fill-mask")
    checkpoint = load_checkpoint(BUNDLED, task)
    model = checkpoint.arrays("float32"), checkpoint.config, task
    return model, (rows, None, places)


@pytest.mark.parametrize("dtype", FASTEST)
def test_masked_words_are_those_of_the_reference(dtype, masked, monkeypatch):
    model, texts = masked
    found = measure({dtype: engine_of(dtype, monkeypatch, *model)}, *model, *texts)[dtype]
    assert found["texts"] == 80
    assert within(found, ENGINE_ANSWERS[dtype]), found


@pytest.mark.parametrize("dtype", FASTEST)
def test_next_sentences_are_those_of_the_reference(dtype, tokenizer, monkeypatch):
    task = resolve_task("next-sentence-prediction")
    checkpoint = load_checkpoint(BUNDLED, task)
    first = sentences(5)
    encoded = tokenizer(first, first[1:] + first[:1])
    model = checkpoint.arrays("float32"), checkpoint.config, task
    engines = {dtype: engine_of(dtype, monkeypatch, *model)}
    found = measure(engines, *model, encoded["input_ids"], encoded["token_type_ids"])[dtype]
    assert within(found, ENGINE_ANSWERS[dtype]), found


def test_a_wrong_answer_is_noticed(masked, monkeypatch):
    """The twin: weights that are off by a tenth break every bound."""
    model, texts = masked
    tensors, config, task = model
    rng = np.random.default_rng(1)
    off = {
        name: array * (1 + 0.1 * rng.standard_normal(array.shape, np.float32))
        for name, array in tensors.items()
    }
    engines = {"off": engine_of("float32", monkeypatch, off, config, task)}
    found = measure(engines, *model, *texts)["off"]
    for agreement, probability in ENGINE_ANSWERS.values():
        assert not within(found, (agreement, 1.0))
        assert found["probability"] > probability


@pytest.fixture(scope="module")
def outliers(tokenizer):
    """The model with outliers, and a head that reads them."""
    config, task = outlier_config(), resolve_task("text-classification")
    tensors = outlier_tensors(config, task)
    rows = tokenizer(sentences(10))["input_ids"]
    engine = Engine(tensors, config, task, dtype="float32", threads=1)
    states = engine(rows, output_hidden_states=True).hidden_states[-1]
    first = np.stack([text[0] for text in states]).astype(np.float64)
    tensors["classifier.weight"], tensors["classifier.bias"] = reading_head(first, 2)
    return (tensors, config, task), rows, states


def test_only_the_first_token_has_outliers(outliers):
    _, _, states = outliers
    first = np.stack([text[0] for text in states])
    others = np.concatenate([text[1:] for text in states])
    for channel, final in OUTLIERS.items():
        assert (first[:, channel] / final > 0.2).all()
        assert (first[:, channel] / final < 5).all()
        assert first[:, channel].std() > 0.02 * abs(final)  # texts differ there
    assert np.abs(first).max() > 1e7
    assert np.abs(np.delete(first, list(OUTLIERS), axis=1)).max() < 50
    assert np.abs(others).max() < 50


@pytest.mark.parametrize("dtype", [dtype for dtype in FASTEST if dtype in OUTLIER_ANSWERS])
def test_outliers_do_not_spoil_the_answer(dtype, outliers, monkeypatch):
    model, rows, _ = outliers
    engines = {dtype: engine_of(dtype, monkeypatch, *model)}
    found = measure(engines, *model, rows[::2])[dtype]
    assert within(found, OUTLIER_ANSWERS[dtype]), found
    assert found["token_error"] <= ENGINE_TOKEN[dtype], found
