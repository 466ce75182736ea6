"""Another vocabulary size, and fewer attention heads."""

import numpy as np
import pytest
import torch

from assertions import assert_close
from mobilebert.errors import InputError
from mobilebert.resizing import COVARIANCE_SHARE
from mobilebert.tasks import TASKS
from mobilebert.torch.resize import resized_rows
from mobilebert.weights import weight_specs
from tolerances import FLOAT32, INITIAL_STANDARD_DEVIATION, SAMPLE_COVARIANCE, TRUNCATED_SHARE
from torch_models import batch_for, build


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("size", [60, 97, 103])
@pytest.mark.parametrize("variant", ["mobilebert", "untied"])
def test_every_model_takes_another_vocabulary_size(variant, task, size):
    model = build(task, variant)
    batch = batch_for(model)
    batch["input_ids"] = batch["input_ids"] % 60
    batch["attention_mask"] = torch.ones_like(batch["attention_mask"])
    before = model(**batch)
    table = model.resize_token_embeddings(size)
    assert table is model.get_input_embeddings()
    assert table.num_embeddings == table.weight.shape[0] == model.config.vocab_size == size
    shapes = {name: tuple(x.shape) for name, x in model.state_dict().items()}
    assert shapes == {row.name: row.shape for row in weight_specs(model.config, task)}
    after = model(**batch)
    for name, old in before.items():
        kept = min(60, old.shape[-1]) if TASKS[task].vocabulary and old.dim() == 3 else None
        assert_close(after[name][..., :kept].detach(), old[..., :kept].detach(), FLOAT32, name)
    if TASKS[task].vocabulary:
        head = model.cls.predictions
        assert (head.decoder.weight is table.weight) == model.config.tie_word_embeddings
        assert head.decoder.bias is head.bias
        assert (head.dense.in_features, head.decoder.out_features) == (size, size)
        if size > 97:
            assert not head.bias[97:].any()


def test_the_size_is_rounded_up():
    model = build("masked_lm")
    assert model.resize_token_embeddings(100, pad_to_multiple_of=64).num_embeddings == 128
    assert model.resize_token_embeddings(pad_to_multiple_of=100).num_embeddings == 200
    assert model.resize_token_embeddings(200, pad_to_multiple_of=8).num_embeddings == 200
    assert model.resize_token_embeddings().num_embeddings == 200
    assert model.config.vocab_size == 200


def test_sizes_may_have_any_type_of_whole_numbers():
    model = build()
    assert model.resize_token_embeddings(np.int64(99)).num_embeddings == 99
    assert model.resize_token_embeddings(None, np.int32(8)).num_embeddings == 104
    assert type(model.config.vocab_size) is int


@pytest.mark.parametrize("variant", ["mobilebert", "untied"])
def test_optimizers_go_on_with_the_resized_parameters(variant):
    model = build("masked_lm", variant)
    before = dict(model.named_parameters())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batch = batch_for(model)
    loss = model(**batch, labels=batch["input_ids"]).loss
    loss.backward()  # its graph, of the old shapes, is there until the end
    model.resize_token_embeddings(103)
    after = dict(model.named_parameters())
    assert all(after[name] is parameter for name, parameter in before.items())
    resized = [name for name, parameter in after.items() if 103 in parameter.shape]
    assert len(resized) == (3 if variant == "mobilebert" else 4)
    assert all(after[name].grad is None for name in resized)
    model(**batch, labels=batch["input_ids"]).loss.backward()
    old = {name: after[name].detach().clone() for name in resized}
    optimizer.step()
    assert not any(torch.equal(after[name], old[name]) for name in resized)
    assert loss.requires_grad


@pytest.mark.parametrize(
    "arguments", [(0,), (-3,), (2.5,), ("9",), (True,), (9, 0), (9, 2.0), (9, True), (None, -1)]
)
def test_impossible_sizes_are_refused(arguments):
    model = build()
    with pytest.raises(InputError, match="must be an integer of at least 1"):
        model.resize_token_embeddings(*arguments)
    assert model.config.vocab_size == 97


def test_the_padding_row_may_be_cut_off(tmp_path):
    model = build(pad_token_id=90)
    assert model.get_input_embeddings().padding_idx == 90
    assert model.resize_token_embeddings(80).padding_idx is None
    assert model.config.pad_token_id is None
    model.save_pretrained(tmp_path)
    assert type(model).from_pretrained(tmp_path).config.pad_token_id is None


def test_frozen_tables_stay_frozen_and_keep_their_dtype():
    model = build("masked_lm", dtype=torch.bfloat16)
    model.requires_grad_(False)
    model.resize_token_embeddings(120)
    assert not any(p.requires_grad for p in model.parameters())
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}


def test_new_rows_lie_around_the_mean_of_the_old():
    old = torch.randn(500, 4, dtype=torch.float64) * torch.tensor([1.0, 2.0, 3.0, 4.0]) + 5
    new = resized_rows(old, 20_500, True, 0.02)[500:]
    scaled = (new - old.mean(0)) / COVARIANCE_SHARE**0.5
    covariance = scaled.T @ scaled / len(new)
    wanted = np.cov(old.numpy().T, ddof=0)
    assert_close(covariance, wanted, SAMPLE_COVARIANCE, "covariance")


def test_new_rows_may_be_drawn_as_initial_weights_are():
    old = torch.randn(50, 8) + 100
    new = resized_rows(old, 4000, False, 0.5)[50:]
    assert new.abs().max() <= 1.0
    assert new.std() == pytest.approx(0.5 * TRUNCATED_SHARE, rel=INITIAL_STANDARD_DEVIATION)
    assert torch.equal(resized_rows(old, 50, False, 0.5), old)


# Pruning


def test_pruned_heads_are_counted_as_in_the_whole_model():
    model = build("sequence_classification")
    model.prune_heads({0: [3], -1: [0, 1]})
    assert model.config.pruned_heads == {0: [3], 1: [0, 1]}
    model.prune_heads({0: [0, 3], 1: []})
    assert model.config.pruned_heads == {0: [0, 3], 1: [0, 1]}
    shapes = {name: tuple(x.shape) for name, x in model.state_dict().items()}
    specs = weight_specs(model.config, "sequence_classification")
    assert shapes == {row.name: row.shape for row in specs}
    attentions = model(**batch_for(model), output_attentions=True).attentions
    assert [x.shape[1] for x in attentions] == [2, 2]


def test_a_pruned_configuration_builds_the_pruned_model():
    model = build("masked_lm")
    model.prune_heads({0: [1], 1: [0, 2]})
    again = build("masked_lm", pruned_heads={0: [1], -1: [0, 2]})
    again.load_state_dict(model.state_dict())
    batch = batch_for(model)
    assert torch.equal(again(**batch).logits, model(**batch).logits)
    model.prune_heads({1: [3]})
    again.prune_heads({1: [3]})
    assert torch.equal(again(**batch).logits, model(**batch).logits)


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        ({2: [0]}, "no layer 2; layers are 0 to 1"),
        ({-3: [0]}, "no layer -3"),
        ({0: [4]}, "no head 4; heads are 0 to 3"),
        ({0: [0, 1, 2, 3]}, "Layer 0 would lose all its 4 heads"),
        ({0: 1}, "Heads are named by layer"),
        ({0: [1.0]}, "Heads are named by layer"),
        ({"0": [1]}, "Heads are named by layer"),
    ],
)
def test_impossible_pruning_changes_nothing(heads, message):
    model = build()
    with pytest.raises(InputError, match=message):
        model.prune_heads({1: [0], **heads})
    assert model.config.pruned_heads == {}
    assert model.encoder.layer[1].attention.self.num_attention_heads == 4


def test_pruning_keeps_dtype_and_frozen_weights():
    model = build(dtype=torch.bfloat16)
    model.requires_grad_(False)
    model.prune_heads({0: [1]})
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert not any(p.requires_grad for p in model.parameters())
