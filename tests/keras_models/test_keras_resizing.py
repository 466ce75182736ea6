"""Another vocabulary size."""

import keras
import numpy as np
import pytest

import mobilebert
from assertions import assert_close, relative_error
from keras_models.changing import (
    HEADS,
    SHALLOW,
    inputs,
    results,
    run_torch,
    shapes,
    wanted_shapes,
)
from mobilebert.errors import InputError
from mobilebert.keras.resize import resized_rows
from mobilebert.resizing import COVARIANCE_SHARE
from mobilebert.tasks import TASKS
from tf_models import build, pair
from tolerances import FLOAT32, INITIAL_STANDARD_DEVIATION, SAMPLE_COVARIANCE, TRUNCATED_SHARE


@pytest.mark.parametrize("size", [60, 103])
@pytest.mark.parametrize(
    ("task", "variant"),
    [*((task, "mobilebert") for task in TASKS), *((task, "untied") for task in HEADS)],
)
def test_every_model_takes_another_vocabulary_size(task, variant, size):
    """As in PyTorch, old words keep their scores."""
    ours, theirs = pair(task, variant, **SHALLOW)
    batch = inputs(ours)
    before = results(ours(**batch))
    table = ours.resize_token_embeddings(size)
    theirs.resize_token_embeddings(size)
    assert table is ours.get_input_embeddings()
    assert table.input_dim == table.embeddings.shape[0] == ours.config.vocab_size == size
    assert shapes(ours) == wanted_shapes(ours)
    after, wanted = results(ours(**batch)), results(run_torch(theirs, batch))
    for name, old in before.items():
        kept = min(60, old.shape[-1]) if TASKS[task].vocabulary and old.ndim == 3 else None
        assert after[name].shape == wanted[name].shape
        assert_close(after[name][..., :kept], old[..., :kept], FLOAT32, name)
        assert_close(after[name][..., :kept], wanted[name][..., :kept], FLOAT32, name)


@pytest.mark.parametrize("size", [60, 103])
@pytest.mark.parametrize("variant", ["mobilebert", "untied"])
def test_both_packages_read_resized_and_pruned_models(variant, size, tmp_path):
    model = build("masked_lm", variant)
    model.resize_token_embeddings(size)
    model.prune_heads({0: [3], 1: [0, 2]})
    model.save_pretrained(tmp_path)
    batch = inputs(model)
    batch["input_ids"] += size - 60
    wanted = model(**batch).logits
    again = type(model).from_pretrained(tmp_path)
    theirs = mobilebert.MobileBertForMaskedLM.from_pretrained(tmp_path)
    for found in (again, theirs):
        assert (found.config.vocab_size, found.config.pruned_heads) == (size, {0: [3], 1: [0, 2]})
    assert_close(again(**batch).logits, wanted, FLOAT32)
    assert_close(run_torch(theirs, batch).logits, wanted, FLOAT32)


def test_a_table_that_was_not_resized_is_noticed():
    """The twin: with other numbers in a new word's row its score changes, and only its score."""
    model = build("masked_lm", "untied")
    batch = inputs(model)
    model.resize_token_embeddings(103)
    before = np.asarray(model(**batch).logits)
    rows = np.array(model.get_output_embeddings().embeddings.numpy())
    rows[102] += 1
    model.set_output_embeddings(rows)
    after = np.asarray(model(**batch).logits)
    assert_close(after[..., :102], before[..., :102], FLOAT32)
    assert relative_error(after[..., 102], before[..., 102]) > 5 * FLOAT32


def test_both_widths_may_be_equal():
    model = build("masked_lm", "plain_embedding")
    model.resize_token_embeddings(120)
    assert shapes(model) == wanted_shapes(model)
    model.resize_token_embeddings(130, mean_resizing=False)
    assert model(**inputs(model)).logits.shape == (3, 11, 130)


def test_the_size_is_rounded_up():
    model = build("masked_lm", **SHALLOW)
    assert model.resize_token_embeddings(100, pad_to_multiple_of=64).input_dim == 128
    assert model.resize_token_embeddings(pad_to_multiple_of=100).input_dim == 200
    assert model.resize_token_embeddings(200, pad_to_multiple_of=8).input_dim == 200
    assert model.resize_token_embeddings().input_dim == model.vocab_size == 200


def test_the_padding_row_may_be_cut_off(tmp_path):
    model = build(pad_token_id=90, **SHALLOW)
    batch = inputs(model)
    model.resize_token_embeddings(80)
    assert model.config.pad_token_id is None
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    assert_close(again(**batch).pooler_output, model(**batch).pooler_output, FLOAT32)


def test_sizes_may_have_any_type_of_whole_numbers():
    model = build(**SHALLOW)
    assert model.resize_token_embeddings(np.int64(99)).input_dim == 99
    assert model.resize_token_embeddings(None, np.int32(8)).input_dim == 104
    assert type(model.config.vocab_size) is int


@pytest.mark.parametrize(
    "arguments", [(0,), (-3,), (2.5,), ("9",), (True,), (9, 0), (9, 2.0), (None, -1)]
)
def test_impossible_sizes_are_refused_as_in_pytorch(arguments):
    said = []
    for model in pair(**SHALLOW):
        with pytest.raises(InputError, match="must be an integer of at least 1") as caught:
            model.resize_token_embeddings(*arguments)
        assert model.config.vocab_size == 97
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_new_rows_lie_around_the_mean_of_the_old():
    old = np.random.default_rng(0).standard_normal((500, 4)) * [1, 2, 3, 4] + 5
    old = old.astype(np.float32)
    new = resized_rows(old, 20_500, True, 0.02)[500:].astype(np.float64)
    mean = old.mean(0, dtype=np.float64)
    scaled = (new - mean) / COVARIANCE_SHARE**0.5
    assert_close(np.cov(scaled.T), np.cov(old.T, ddof=0), SAMPLE_COVARIANCE, "covariance")
    assert_close(new.mean(0), mean, FLOAT32)


def test_new_rows_may_be_drawn_as_initial_weights_are():
    old = np.full((50, 8), 100, np.float32)
    new = resized_rows(old, 4000, False, 0.5)
    assert np.array_equal(new[:50], old)
    assert np.abs(new[50:]).max() <= 1.0
    assert new[50:].std() == pytest.approx(0.5 * TRUNCATED_SHARE, rel=INITIAL_STANDARD_DEVIATION)


def test_the_seed_decides_on_new_rows():
    tables = []
    for seed in (1, 1, 2):
        model = build(**SHALLOW)
        keras.utils.set_random_seed(seed)
        tables.append(model.resize_token_embeddings(120).embeddings.numpy())
    assert np.array_equal(tables[0], tables[1])
    assert not np.array_equal(tables[0], tables[2])


def test_frozen_variables_stay_frozen_and_keep_their_dtype():
    model = build("masked_lm", "untied", dtype="bfloat16", **SHALLOW)
    names = [variable.name for variable in model.weights]
    model.mobilebert.trainable = False
    model.cls.predictions.bias.trainable = False
    trainable = len(model.trainable_weights)
    model.resize_token_embeddings(120)
    model.prune_heads({0: [1]})
    assert len(model.trainable_weights) == trainable
    assert not model.cls.predictions.bias.trainable
    assert {str(variable.dtype) for variable in model.weights} == {"bfloat16"}
    assert [variable.name for variable in model.weights] == names  # their order too
    model.mobilebert.trainable = True
    assert model.get_input_embeddings().embeddings.trainable


def test_an_optimizer_that_has_not_run_is_kept():
    model = build(**SHALLOW)
    model.compile(optimizer="adam")
    first = model.optimizer
    model.resize_token_embeddings(100)
    assert model.optimizer is first
    model.resize_token_embeddings(100)  # nothing to do
    model.prune_heads({})
    assert model.optimizer is first
