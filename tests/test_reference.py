"""The numpy reference on its own: what holds for every implementation, by small exact examples."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from assertions import assert_close
from mobilebert.reference import PadNeighbor, encode, forward, layer_norm, softmax, trigram
from mobilebert.tasks import TASKS
from models import VARIANTS, random_batch, random_tensors, small_config
from tolerances import FLOAT32, FLOAT64


def model(variant, task, **fields):
    config = small_config(variant, **fields)
    tensors = random_tensors(config, task, dtype=np.float64)
    batch = random_batch(config, choices=2 if TASKS[task].choices else 0)
    return tensors, config, task, *batch


def test_trigram_is_next_current_previous():
    words = np.array([[[1.0], [2.0], [3.0]]])
    expected = [[[2.0, 1.0, 0.0], [3.0, 2.0, 1.0], [0.0, 3.0, 2.0]]]
    assert trigram(words, None).tolist() == expected


def test_masked_neighbours_count_as_zeros_but_stay_themselves():
    words = np.array([[[1.0], [2.0], [3.0]]])
    expected = [[[2.0, 1.0, 0.0], [0.0, 2.0, 1.0], [0.0, 3.0, 2.0]]]
    assert trigram(words, np.array([[1, 1, 0]])).tolist() == expected


def test_trigram_of_one_word_has_no_neighbours():
    assert trigram(np.array([[[7.0]]]), None).tolist() == [[[0.0, 7.0, 0.0]]]


def test_trigram_leaves_its_input_alone():
    words = np.ones((1, 3, 2))
    trigram(words, np.array([[1, 0, 0]]))
    assert (words == 1).all()


def test_layer_norm_has_mean_zero_and_variance_one():
    x = np.random.default_rng(0).normal(5, 3, (4, 64))
    normed = layer_norm(x, np.ones(64), np.zeros(64), 0.0)
    assert_close(normed.mean(-1), np.zeros(4), FLOAT64)
    assert_close(normed.var(-1), np.ones(4), FLOAT64)


@pytest.mark.parametrize("huge", [1e4, 1e30, 1e38])
def test_softmax_is_stable(huge):
    x = np.array([[huge, huge, -huge], [-huge, -huge, -huge]], dtype=np.float32)
    assert_close(softmax(x), [[0.5, 0.5, 0], [1 / 3] * 3], FLOAT32)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_outputs_have_the_names_shapes_and_dtype_of_the_task(variant, task, dtype):
    tensors, config, task, ids, mask, types = model(variant, task, num_labels=5)
    tensors = {name: x.astype(dtype) for name, x in tensors.items()}
    outputs = forward(tensors, config, task, ids, mask, types)
    b, s, h = ids.shape[0], ids.shape[-1], config.hidden_size
    shapes = {
        "last_hidden_state": (b, s, h),
        "pooler_output": (b, h),
        "prediction_logits": (b, s, config.vocab_size),
        "seq_relationship_logits": (b, 2),
        "start_logits": (b, s),
        "end_logits": (b, s),
        "logits": {
            "masked_lm": (b, s, config.vocab_size),
            "next_sentence_prediction": (b, 2),
            "sequence_classification": (b, 5),
            "multiple_choice": (b, 2),
            "token_classification": (b, s, 5),
        }.get(task),
    }
    assert tuple(outputs) == TASKS[task].emits
    for name, value in outputs.items():
        assert value.shape == shapes[name]
        assert value.dtype == dtype
        assert np.isfinite(value).all()


@pytest.mark.parametrize("task", ["masked_lm", "pretraining"])
def test_requested_positions_get_the_logits_of_all_positions(task):
    arguments = model("mobilebert", task)
    name = TASKS[task].emits[0]
    every = forward(*arguments)[name]
    positions = np.array([[0, 3], [2, 1], [0, 0], [0, 3]])
    some = forward(*arguments, positions=positions)[name]
    assert some.shape == (4, every.shape[-1])
    assert_close(some, every[positions[:, 0], positions[:, 1]], FLOAT64)
    none = forward(*arguments, positions=np.zeros((0, 2), dtype=np.int64))[name]
    assert none.shape == (0, every.shape[-1])


def test_the_choices_are_answered_one_by_one():
    tensors, config, task, ids, mask, types = model("mobilebert", "multiple_choice")
    logits = forward(tensors, config, task, ids, mask, types)["logits"]
    for choice in range(ids.shape[1]):
        one = (x[:, choice : choice + 1] for x in (ids, mask, types))
        alone = forward(tensors, config, task, *one)["logits"][:, 0]
        assert_close(alone, logits[:, choice], FLOAT64)


def test_attention_rows_sum_to_one_and_leave_padding_out():
    tensors, config, _, ids, mask, types = model("mobilebert", "feature_extraction")
    _, attentions = encode(tensors, config, ids, mask, types)
    for probabilities in attentions:
        assert_close(probabilities.sum(-1), np.ones(probabilities.shape[:-1]), FLOAT64)
        blocked = np.broadcast_to(mask[:, None, None] == 0, probabilities.shape)
        assert not probabilities[blocked].any()


def test_defaults_are_all_ones_zeros_and_counting():
    tensors, config, task, ids, *_ = model("mobilebert", "feature_extraction")
    short = forward(tensors, config, task, ids)
    ones, zeros = np.ones_like(ids), np.zeros_like(ids)
    positions = np.arange(ids.shape[1])[None]
    whole = forward(tensors, config, task, ids, ones, zeros, position_ids=positions)
    for name in short:
        assert np.array_equal(short[name], whole[name])


@settings(max_examples=40)
@given(
    variant=st.sampled_from(sorted(VARIANTS)),
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    extra=st.integers(0, 5),
    seed=st.integers(0, 2**16),
)
def test_an_answer_does_not_depend_on_its_batch(variant, lengths, extra, seed):
    config = small_config(variant)
    tensors = random_tensors(config, "sequence_classification", seed, np.float64)
    rng = np.random.default_rng(seed)
    length = max(lengths) + extra
    ids = rng.integers(0, config.vocab_size, (len(lengths), length))  # padding may hold any id
    mask = (np.arange(length) < np.array(lengths)[:, None]).astype(np.int64)
    task = "sequence_classification"
    together = forward(tensors, config, task, ids, mask)["logits"]
    for row, size in enumerate(lengths):
        alone = forward(tensors, config, task, ids[row : row + 1, :size])["logits"]
        assert_close(together[row : row + 1], alone, FLOAT64)


def test_the_peers_padding_makes_an_answer_depend_on_its_batch():
    # The twin of the property above.
    tensors, config, task, ids, mask, types = model("mobilebert", "sequence_classification")
    short = slice(2, 3), slice(0, int(mask[2].sum()))
    alone = forward(tensors, config, task, ids[short], mask[short], types[short])["logits"]
    padded = forward(
        tensors, config, task, ids, mask, types, pad_neighbor=PadNeighbor.PAD_EMBEDDING
    )["logits"][2:3]
    assert np.abs(alone - padded).max() > 1e-3


def test_an_unknown_pad_neighbor_is_refused():
    with pytest.raises(ValueError, match="nothing"):
        forward(*model("mobilebert", "masked_lm"), pad_neighbor="nothing")


def test_pruned_heads_equal_masked_heads():
    # Removing a head is the same as multiplying its probabilities by 0.
    task, gone = "feature_extraction", {0: [1], 1: [0, 3]}
    tensors, config, _, ids, mask, types = model("mobilebert", task)
    factors = np.ones((config.num_hidden_layers, config.num_attention_heads))
    pruned = dict(tensors)
    size = config.true_hidden_size // config.num_attention_heads
    for layer, heads in gone.items():
        factors[layer, heads] = 0
        kept = [
            head * size + column
            for head in range(config.num_attention_heads)
            if head not in heads
            for column in range(size)
        ]
        attention = f"encoder.layer.{layer}.attention"
        for name in ("query", "key", "value"):
            for part in ("weight", "bias"):
                full = f"{attention}.self.{name}.{part}"
                pruned[full] = tensors[full][kept]
        full = f"{attention}.output.dense.weight"
        pruned[full] = tensors[full][:, kept]
    config_pruned = small_config("mobilebert", pruned_heads=gone)
    found = forward(pruned, config_pruned, task, ids, mask, types)
    wanted = forward(tensors, config, task, ids, mask, types, head_mask=factors)
    for name in wanted:
        assert_close(found[name], wanted[name], FLOAT64)
