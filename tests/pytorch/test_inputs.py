"""Inputs that no model can read, and warnings about those that look wrong."""

import logging
from collections import UserDict

import numpy as np
import pytest
import torch
from torch import nn

from assertions import assert_close
from mobilebert.backend import TokenBatch
from mobilebert.errors import ArgumentError, InputError
from mobilebert.tasks import TASKS
from mobilebert.torch import inputs
from mobilebert.torch.backend import TorchBackend
from refused_inputs import REFUSED, REFUSED_LABELS
from tolerances import FLOAT32
from torch_models import batch_for, build

IDS = torch.ones(2, 5, dtype=torch.long)


def as_torch(arguments):
    return {
        name: torch.as_tensor(x) if isinstance(x, np.ndarray) else x
        for name, x in arguments.items()
    }


@pytest.mark.parametrize("case", REFUSED)
def test_unreadable_inputs_are_refused(case):
    arguments, message = REFUSED[case]
    with pytest.raises(InputError, match=message) as caught:
        build()(**as_torch(arguments))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", REFUSED_LABELS)
def test_labels_that_do_not_fit_are_refused(case):
    task, arguments, message = REFUSED_LABELS[case]
    with pytest.raises(InputError, match=message) as caught:
        build(task)(**as_torch(arguments))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("task", "labels"),
    [
        ("sequence_classification", {"labels": torch.tensor([0.9, 0.7])}),
        ("masked_lm", {"labels": IDS.double()}),
        ("pretraining", {"next_sentence_label": torch.tensor([0.0, 1.0])}),
        ("question_answering", {"start_positions": IDS[:, 0], "end_positions": IDS[:, 0] + 0.5}),
    ],
)
def test_fractions_are_no_classes(task, labels):
    model = build(task, problem_type="single_label_classification")
    name = "positions" if "start_positions" in labels else next(iter(labels))
    with pytest.raises(InputError, match=f"^{name} must hold integers, not torch.float"):
        model(IDS, **labels)


@pytest.mark.parametrize("convert", [torch.Tensor.tolist, torch.Tensor.numpy])
@pytest.mark.parametrize("task", TASKS)
def test_arrays_and_lists_are_refused(task, convert):
    model = build(task)
    given = batch_for(model)
    given["position_ids"] = torch.zeros_like(given["input_ids"])
    given["head_mask"] = torch.ones(4)
    given |= dict.fromkeys(model.task.labels, torch.ones(3, dtype=torch.long))
    for name, tensor in given.items():
        message = f"^{name} must be a PyTorch tensor, not (list|ndarray); .*return_tensors='pt'"
        with pytest.raises(InputError, match=message):
            model(**given | {name: convert(tensor)})
    rows = torch.ones(3, 11, 16)
    with pytest.raises(InputError, match="^inputs_embeds must be a PyTorch tensor"):
        model(inputs_embeds=convert(rows))


@pytest.mark.parametrize("rows", [False, True])
def test_given_positions_allow_longer_sequences(rows):
    model = build()
    ids = torch.arange(60).remainder(97).expand(2, -1)
    positions = torch.arange(60).remainder(40)
    given = {"inputs_embeds": model.get_input_embeddings()(ids)} if rows else {"input_ids": ids}
    wanted = model.embeddings(ids, position_ids=positions)
    found = model(**given, position_ids=positions, output_hidden_states=True).hidden_states[0]
    assert torch.equal(found, wanted)
    with pytest.raises(InputError, match="60 tokens, but the model has 40 positions"):
        model(**given)
    with pytest.raises(InputError, match="position_ids holds 59"):
        model(**given, position_ids=torch.arange(60))


TABLES = {
    "input_ids": ("word_embeddings", 120, 16, "vocabulary"),
    "token_type_ids": ("token_type_embeddings", 7, 32, "segment table"),
    "position_ids": ("position_embeddings", 90, 32, "position table"),
}


@pytest.mark.parametrize("name", TABLES)
def test_the_rows_of_replaced_tables_count(name):
    attribute, rows, width, what = TABLES[name]
    model = build()
    setattr(model.embeddings, attribute, nn.Embedding(rows, width))
    given = {"input_ids": IDS}
    model(**given | {name: IDS * (rows - 1)})
    with pytest.raises(InputError, match=f"holds {rows}, but the model's {what} has {rows} rows"):
        model(**given | {name: IDS * rows})
    # What does not tell its rows is not judged.
    setattr(model.embeddings, attribute, nn.Sequential(nn.Embedding(rows, width), nn.Identity()))
    model(**given | {name: IDS * (rows - 1)})
    batch = TokenBatch(np.full((2, 5), 96), np.ones((2, 5), int), np.ones((2, 5), int))
    assert TorchBackend.from_model(model).run(batch)["last_hidden_state"].shape == (2, 5, 32)


def test_a_longer_position_table_takes_longer_sequences():
    model = build()
    model.embeddings.position_embeddings = nn.Embedding(90, 32)
    model(torch.ones(1, 90, dtype=torch.long))
    with pytest.raises(InputError, match="91 tokens, but the model has 90 positions"):
        model(torch.ones(1, 91, dtype=torch.long))


def test_a_larger_vocabulary_can_be_put_in():
    model = build("sequence_classification")
    model.set_input_embeddings(nn.Embedding(120, 16))
    model(IDS * 119)
    batch = TokenBatch(np.full((2, 5), 119), np.ones((2, 5), int), np.zeros((2, 5), int))
    assert TorchBackend.from_model(model).run(batch)["logits"].shape == (2, 2)
    with pytest.raises(InputError, match="input_ids holds 120, .* has 120 rows"):
        model(IDS * 120)


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
    seen = []
    torch.func.vmap(lambda row: seen.append(inputs.is_readable(row)) or row)(IDS)
    assert seen == [False]


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
