"""The packed forward pass against the model's own, results and gradients."""

import numpy as np
import pytest
import torch

from assertions import assert_close, relative_error
from mobilebert.errors import ArgumentError, InputError
from mobilebert.torch import packed_batch, packed_vocabulary
from mobilebert.torch.packed import (
    AttentionOutput,
    attention_squares,
    encode_packed,
    masked_lm_loss,
    masked_lm_scores,
    pack,
    pooled_rows,
)
from models import VARIANTS
from packed_texts import LENGTHS, gradients, texts
from tolerances import FLOAT32, FLOAT64, SIX_STANDARD_ERRORS, SMALL_MISTAKE, SPREAD_SHARE
from torch_models import build


def padded(ids, types):
    shape = len(ids), max(map(len, ids))
    batch = {
        name: torch.zeros(shape, dtype=torch.long)
        for name in ("input_ids", "attention_mask", "token_type_ids")
    }
    for row, (words, segments) in enumerate(zip(ids, types, strict=True)):
        real = slice(len(words))
        batch["input_ids"][row, real] = torch.from_numpy(words)
        batch["token_type_ids"][row, real] = torch.from_numpy(segments)
        batch["attention_mask"][row, real] = 1
    return batch


def own_states(model, ids, types, **options):
    """What the model's own forward gives at real tokens."""
    batch = padded(ids, types)
    output = model.base_model(**batch, pad_neighbor="zero", **options)
    return output, batch["attention_mask"].bool()


def assert_same_gradients(found, wanted, bound):
    scale = max(float(x.abs().max()) for x in wanted.values() if x.numel())
    for name, gradient in wanted.items():
        assert_close(found[name] / scale, gradient / scale, bound, name)


@pytest.fixture(autouse=True)
def _several_groups(monkeypatch):
    # So that these short texts are padded in one group, alone in another.
    monkeypatch.setattr(packed_batch, "_CHEAP_SQUARES", 100)


def test_short_texts_attend_in_one_group_and_long_ones_do_not(monkeypatch):
    monkeypatch.undo()
    short = pack([np.arange(1, length) for length in (5, 30, 9, 17)]).layout(4)
    assert [group.count for group in short.groups] == [4]
    long = pack([np.arange(length) for length in (500, 490, 128, 20)]).layout(4)
    assert [(group.count, group.length) for group in long.groups] == [(1, 500), (1, 490), (2, 128)]
    assert long.order == (0, 1, 2, 3)


@pytest.mark.parametrize("variant", VARIANTS)
def test_states_and_gradients_are_those_of_the_model(variant):
    model = build(variant=variant, dtype=torch.float64)
    ids, types = texts(model.config)
    output, real = own_states(model, ids, types)
    wanted = output.last_hidden_state[real]
    found = encode_packed(model, pack(ids, types)).last_hidden_state
    assert_close(found.detach(), wanted.detach(), FLOAT64)
    assert_same_gradients(gradients(model, found), gradients(model, wanted), FLOAT64)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_small_mistake_anywhere_is_noticed(variant):
    model = build(variant=variant, dtype=torch.float64)
    ids, types = texts(model.config)
    batch = pack(ids, types)
    wanted = encode_packed(model, batch).last_hidden_state.detach()
    unread = ("pooler", "key.bias")  # the keys' bias moves no probability
    if not model.embeddings.transforms:
        unread += ("embedding_transformation",)
    if model.config.use_bottleneck_attention or not model.config.key_query_shared_bottleneck:
        unread += ("bottleneck.attention",)
    for name, parameter in model.named_parameters():
        if any(part in name for part in unread):
            continue
        with torch.no_grad():
            before = parameter.clone()
            parameter += SMALL_MISTAKE * torch.randn_like(parameter)
            found = encode_packed(model, batch).last_hidden_state
            parameter.copy_(before)
        assert relative_error(found, wanted) > FLOAT64, name


def test_float32_gradients_are_those_of_the_model():
    model = build()
    ids, types = texts(model.config)
    output, real = own_states(model, ids, types)
    found = encode_packed(model, pack(ids, types)).last_hidden_state
    wanted = output.last_hidden_state[real]
    assert_close(found.detach(), wanted.detach(), FLOAT32)
    assert_same_gradients(gradients(model, found), gradients(model, wanted), FLOAT32)


@pytest.mark.parametrize("variant", ["mobilebert", "tiny", "no_bottleneck", "teacher"])
def test_wanted_rows_are_those_of_all_rows(variant):
    model = build(variant=variant, dtype=torch.float64)
    batch = pack(*texts(model.config))
    rows = torch.tensor([0, 5, 12, 13, 80])
    wanted = encode_packed(model, batch).last_hidden_state[rows]
    found = encode_packed(model, batch, rows=rows).last_hidden_state
    assert_close(found.detach(), wanted.detach(), FLOAT64)
    assert_same_gradients(gradients(model, found), gradients(model, wanted), FLOAT64)


def test_states_and_attentions_are_those_of_the_model():
    model = build(dtype=torch.float64)
    ids, types = texts(model.config)
    output, real = own_states(model, ids, types, output_hidden_states=True, output_attentions=True)
    batch = pack(ids, types)
    found = encode_packed(
        model,
        batch,
        output_hidden_states=True,
        output_attentions=AttentionOutput.PROBABILITIES,
    )
    for state, wanted in zip(found.hidden_states, output.hidden_states, strict=True):
        assert_close(state.detach(), wanted[real].detach(), FLOAT64)
    for layer, wanted in zip(found.attentions, output.attentions, strict=True):
        squares = attention_squares(layer, batch, batch.layout(4))
        for number, length in enumerate(LENGTHS):
            square = wanted[number, :, :length, :length].detach()
            assert_close(squares[number].detach(), square, FLOAT64)
    # Over padding too, which is 0.
    total = sum(group.square().sum() for layer in found.attentions for group in layer)
    per_layer = [layer.square() * real[:, None, :, None] for layer in output.attentions]
    assert_same_gradients(
        gradients(model, total), gradients(model, sum(x.sum() for x in per_layer)), FLOAT64
    )


def test_a_text_does_not_depend_on_its_neighbours():
    model = build(dtype=torch.float64)
    ids, types = texts(model.config)
    together = encode_packed(model, pack(ids, types)).last_hidden_state.split(LENGTHS)
    for row, wanted in enumerate(together):
        alone = encode_packed(model, pack(ids[row : row + 1], types[row : row + 1]))
        assert_close(alone.last_hidden_state.detach(), wanted.detach(), FLOAT64)


def test_pruned_heads_and_their_layers():
    model = build(dtype=torch.float64)
    model.prune_heads({0: [1], 1: [0, 2, 3]})
    ids, types = texts(model.config)
    output, real = own_states(model, ids, types)
    found = encode_packed(model, pack(ids, types)).last_hidden_state
    assert_close(found.detach(), output.last_hidden_state[real].detach(), FLOAT64)


def test_checkpointing_keeps_less_and_gives_the_same_gradients():
    model = build(dtype=torch.float64, attention_probs_dropout_prob=0.3).train()
    batch = pack(*texts(model.config))
    found, kept = [], []
    for again in (False, True):
        if again:
            model.gradient_checkpointing_enable()
        numbers = []
        torch.manual_seed(0)
        with torch.autograd.graph.saved_tensors_hooks(
            lambda x, numbers=numbers: numbers.append(x.numel()) or x, lambda x: x
        ):
            states = encode_packed(model, batch).last_hidden_state
        found.append(gradients(model, states))
        kept.append(sum(numbers))
    assert kept[1] < kept[0] / 3
    assert_same_gradients(found[1], found[0], FLOAT64)


@pytest.mark.parametrize("variant", ["mobilebert", "no_bottleneck", "no_opt"])
@pytest.mark.parametrize("kind", ["hidden_dropout_prob", "attention_probs_dropout_prob"])
def test_dropout_has_the_mean_and_spread_of_the_models(variant, kind):
    # The mean over many draws, and the spread about it, in both passes.
    model = build(variant=variant, num_hidden_layers=1, **{kind: 0.3}).train()
    ids, types = texts(model.config, (6,) * 2000)
    ids, types = [ids[0]] * 2000, [types[0]] * 2000
    torch.manual_seed(0)
    with torch.no_grad():
        found = encode_packed(model, pack(ids, types)).last_hidden_state.view(2000, 6, -1)
        wanted = own_states(model, ids, types)[0].last_hidden_state
    spread = wanted.std(dim=0)
    assert float(spread.mean()) > 0.01
    errors = (found.mean(dim=0) - wanted.mean(dim=0)) / (spread + 1e-6)
    assert float(errors.abs().max()) < SIX_STANDARD_ERRORS
    ratio = found.std(dim=0).mean() / spread.mean()
    assert abs(float(ratio) - 1) < SPREAD_SHARE


def test_without_training_nothing_is_dropped():
    model = build(attention_probs_dropout_prob=0.5, hidden_dropout_prob=0.5)
    batch = pack(*texts(model.config))
    first, second = (encode_packed(model, batch).last_hidden_state for _ in range(2))
    assert torch.equal(first, second)


def test_the_same_seed_gives_the_same_bits():
    model = build(attention_probs_dropout_prob=0.1, hidden_dropout_prob=0.1).train()
    batch = pack(*texts(model.config))
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        found.append(gradients(model, encode_packed(model, batch).last_hidden_state))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


@pytest.mark.parametrize("variant", ["mobilebert", "no_opt", "no_bottleneck"])
def test_bfloat16_autocast_keeps_the_stream_in_float32(variant):
    model = build(variant=variant, attention_probs_dropout_prob=0.1).train()
    batch = pack(*texts(model.config))
    with torch.autocast("cpu", torch.bfloat16):
        states = encode_packed(model, batch, output_hidden_states=True).hidden_states
    assert {state.dtype for state in states} == {torch.float32}
    # Float32 numbers, not bfloat16 ones in its clothes.
    for state in states[1:]:
        assert not torch.equal(state, state.bfloat16().float())
    found = gradients(model, states[-1])
    assert all(x.isfinite().all() for x in found.values())


def test_the_vocabulary_is_scored_for_wanted_rows_alone():
    model = build("masked_lm", dtype=torch.float64)
    ids, types = texts(model.config)
    batch = padded(ids, types)
    wanted = model(**batch, pad_neighbor="zero").logits[batch["attention_mask"].bool()]
    rows = torch.tensor([0, 7, 30])
    states = encode_packed(model, pack(ids, types), rows=rows)
    found = masked_lm_scores(model, states.last_hidden_state)
    assert_close(found.detach(), wanted[rows].detach(), FLOAT64)


@pytest.mark.parametrize("rows_at_a_time", [3, 256])
@pytest.mark.parametrize("variant", ["mobilebert", "plain_embedding", "untied", "no_opt"])
def test_the_masked_loss_is_that_of_the_scores(variant, rows_at_a_time, monkeypatch):
    monkeypatch.setattr(packed_vocabulary, "_ROWS", rows_at_a_time)
    model = build("masked_lm", variant, dtype=torch.float64)
    batch = pack(*texts(model.config))
    rows, labels = torch.tensor([0, 7, 30, 31, 50, 51, 80]), torch.tensor([1, 2, 3, 4, 96, 0, 7])

    def loss(plain):
        states = encode_packed(model, batch, rows=rows).last_hidden_state
        if plain:
            return torch.nn.functional.cross_entropy(masked_lm_scores(model, states), labels)
        return masked_lm_loss(model, states, labels)

    found, wanted = loss(False), loss(True)
    assert_close(found.detach(), wanted.detach(), FLOAT64)
    weighted = gradients(model, 0.25 * found)
    assert_same_gradients(weighted, gradients(model, 0.25 * wanted), FLOAT64)
    with torch.no_grad():
        assert_close(loss(False), wanted.detach(), FLOAT64)
        model.cls.predictions.bias[3] += SMALL_MISTAKE
        assert relative_error(loss(False), wanted.detach()) > FLOAT64


@pytest.mark.parametrize("labels", [[97], [-1], [-100], [1, 2]])
def test_labels_that_are_no_ids(labels):
    model = build("masked_lm")
    with pytest.raises(InputError, match=r"labels holds|needs an id"):
        masked_lm_loss(model, torch.zeros(1, model.config.hidden_size), torch.tensor(labels))


def test_pooled_rows_give_the_logits_of_a_classifier():
    model = build("sequence_classification", dtype=torch.float64, num_labels=3)
    ids, types = texts(model.config)
    wanted = model(**padded(ids, types), pad_neighbor="zero").logits
    batch = pack(ids, types)
    states = encode_packed(model, batch, rows=batch.first).last_hidden_state
    (found,) = model.logits(states, pooled_rows(model, states))
    assert_close(found.detach(), wanted.detach(), FLOAT64)


def test_heads_that_are_not_there():
    model = build("masked_lm")
    rows = torch.zeros(1, model.config.hidden_size)
    with pytest.raises(ArgumentError, match="no pooler"):
        pooled_rows(model, rows)
    with pytest.raises(ArgumentError, match="no masked-language-model head"):
        masked_lm_scores(build(), rows)


@pytest.mark.parametrize(
    ("ids", "types", "said"),
    [
        ([], None, "at least one sequence"),
        ([[1], []], None, "tokens in each"),
        ([[1.5]], None, "whole numbers"),
        ([[1, 2]], [[0]], "lengths of sequences"),
    ],
)
def test_what_cannot_be_packed(ids, types, said):
    with pytest.raises(InputError, match=said):
        pack(ids, types)


@pytest.mark.parametrize(
    ("ids", "types", "said"),
    [
        ([[1, 97]], None, "ids must be from 0 to 96, not 97"),
        ([[1, -1]], None, "ids must be from 0 to 96, not -1"),
        ([[1]], [[2]], "types must be from 0 to 1, not 2"),
        ([[1] * 41], None, "positions must be from 0 to 39, not 40"),
    ],
)
def test_numbers_outside_their_table(ids, types, said):
    with pytest.raises(InputError, match=said):
        encode_packed(build(), pack(ids, types))
