"""Inputs that no model can read, and warnings about those that look wrong."""

import logging
from collections import UserDict

import pytest
import torch

from assertions import assert_close
from mobilebert.errors import ArgumentError, InputError
from mobilebert.torch import inputs
from tolerances import FLOAT32
from torch_models import batch_for, build

IDS = torch.ones(2, 5, dtype=torch.long)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "You have to specify either input_ids or inputs_embeds"),
        (
            {"input_ids": IDS, "inputs_embeds": torch.ones(2, 5, 16)},
            "You cannot specify both input_ids and inputs_embeds",
        ),
        ({"input_ids": IDS.tolist()}, "must be PyTorch tensors, not list"),
        ({"input_ids": IDS.numpy()}, "return_tensors='pt'"),
        ({"input_ids": IDS * 97}, "input_ids holds 97, but the model's vocabulary has 97 rows"),
        ({"input_ids": -IDS}, "input_ids holds -1"),
        ({"input_ids": IDS[0]}, r"input_ids must be \[batch, sequence\]"),
        ({"input_ids": IDS.float()}, "input_ids must hold integers, not torch.float32"),
        ({"input_ids": IDS, "token_type_ids": 2 * IDS}, "token_type_ids holds 2"),
        ({"input_ids": IDS, "position_ids": 40 * IDS}, "position_ids holds 40"),
        ({"input_ids": IDS[:, :1].expand(2, 41)}, "41 tokens, but the model has 40 positions"),
        ({"inputs_embeds": torch.ones(2, 41, 16)}, "41 tokens, but the model has 40 positions"),
        ({"inputs_embeds": torch.ones(2, 5, 32)}, "embedding_size=16"),
        ({"input_ids": IDS, "attention_mask": IDS[:, :4]}, "Wrong shape for input_ids"),
        ({"input_ids": IDS, "attention_mask": IDS[0]}, "Wrong shape for input_ids"),
        ({"input_ids": IDS, "attention_mask": IDS[:, None, None]}, "Wrong shape for input_ids"),
        ({"input_ids": IDS, "head_mask": torch.ones(3)}, r"head_mask must be \[heads=4\]"),
        ({"input_ids": IDS, "pad_neighbor": "none"}, "pad_neighbor must be zero or pad_embedding"),
    ],
)
def test_unreadable_inputs_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        build()(**arguments)


def test_choices_need_their_axis():
    model = build("multiple_choice")
    with pytest.raises(InputError, match=r"\[batch, choices, sequence\]"):
        model(IDS)
    with pytest.raises(InputError, match=r"\[batch, choices, sequence, embedding_size\]"):
        model(inputs_embeds=torch.ones(2, 5, 16))
    with pytest.raises(InputError, match="You have to specify"):
        model()


def test_choices_take_masks_of_every_shape():
    model = build("multiple_choice")
    batch = batch_for(model)
    mask = batch["attention_mask"]
    wide = mask[:, :, None, :].expand(-1, -1, mask.shape[-1], -1)
    found = model(**{**batch, "attention_mask": wide}).logits
    assert_close(found.detach(), model(**batch).logits.detach(), FLOAT32)


def test_padding_without_a_mask_is_said_once(caplog):
    inputs._warn_once.cache_clear()
    model, ids = build(), IDS.clone()
    with caplog.at_level(logging.WARNING, logger="mobilebert"):
        model(ids)
        assert not caplog.records
        ids[1, -1] = model.config.pad_token_id
        model(ids, attention_mask=torch.ones_like(ids))
        assert not caplog.records
        model(ids)
        model(ids)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "attention_mask" in caplog.text


def test_values_are_looked_at_only_where_that_is_free():
    assert inputs.is_readable(IDS)
    assert not inputs.is_readable(IDS.to("meta"))


def test_head_masks_of_pruned_layers_name_the_original_heads():
    model = build(attn_implementation="eager")
    batch = batch_for(model)
    mask = torch.tensor([[1.0, 0.5, 0.0, 1.0], [0.2, 1.0, 1.0, 1.0]])
    wanted = model(**batch, head_mask=mask).last_hidden_state
    model.prune_heads({0: [2]})
    found = model(**batch, head_mask=mask).last_hidden_state
    assert_close(found.detach(), wanted.detach(), FLOAT32)


@pytest.mark.parametrize("task", ["feature_extraction", "masked_lm", "multiple_choice"])
def test_a_table_of_inputs_may_be_given_whole(task):
    model = build(task)
    batch = batch_for(model)
    wanted = model(**batch)
    for table in (batch, UserDict(batch)):
        assert torch.equal(model(table)[0], wanted[0])
        assert len(model(table, output_attentions=True).attentions) == 2
    with pytest.raises(ArgumentError, match="attention_mask"):
        model(batch, attention_mask=batch["attention_mask"])
    with pytest.raises(ArgumentError, match="positional"):
        model(batch, batch["attention_mask"])
