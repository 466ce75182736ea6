"""The masked-language-model head: two products in place of a joint matrix."""

import copy
import logging

import pytest
import torch

from assertions import assert_close
from mobilebert.torch import MobileBertForMaskedLM
from tolerances import FLOAT32, FLOAT64
from torch_models import Calls, batch_for, build


@pytest.mark.parametrize("variant", ["mobilebert", "untied", "plain_embedding"])
def test_two_products_equal_the_joint_matrix(variant):
    model = build("masked_lm", variant, torch.float64)
    head = model.cls.predictions
    x = torch.randn(2, 5, 32, dtype=torch.float64)
    joint = torch.cat([head.decoder.weight.T, head.dense.weight])  # (H, V)
    wanted = head.transform(x) @ joint + head.bias
    with Calls() as calls:
        found = head(x)
    assert_close(found.detach(), wanted.detach(), FLOAT64)
    assert calls.count("cat") == 0
    assert calls.count("addmm") == (0 if variant == "plain_embedding" else 1)


def test_no_step_of_the_model_makes_the_joint_matrix():
    model = build("masked_lm")
    with Calls() as calls:
        model(**batch_for(model))
    made = {tuple(shape) for shapes in calls.shapes.values() for shape in shapes if shape}
    assert (3, 11, 97) in made
    assert not made & {(32, 97), (97, 32)}


def test_the_head_scores_any_number_of_positions():
    model = build("masked_lm")
    hidden = model.mobilebert(**batch_for(model)).last_hidden_state
    whole = model.cls.predictions(hidden)
    (some,) = model.logits(hidden[[0, 2], [3, 1]], None)
    assert_close(some.detach(), whole[[0, 2], [3, 1]].detach(), FLOAT32)


def test_a_new_decoder_brings_its_bias():
    model = build("masked_lm", "untied", torch.float64)
    batch = batch_for(model)
    before = model(**batch).logits
    decoder = copy.deepcopy(model.get_output_embeddings())
    decoder.bias = torch.nn.Parameter(decoder.bias.detach() + 3)
    model.set_output_embeddings(decoder)
    assert model.get_output_embeddings() is decoder
    assert model.cls.predictions.bias is decoder.bias
    assert_close(model(**batch).logits.detach(), before.detach() + 3, FLOAT64)
    bias = model.cls.predictions.bias
    model.set_output_embeddings(torch.nn.Linear(16, 97, bias=False, dtype=torch.float64))
    assert model.get_output_embeddings().bias is bias


def test_a_decoder_that_is_not_the_word_table_is_saved(tmp_path, caplog):
    model = build("masked_lm")
    decoder = torch.nn.Linear(16, 97, bias=False)
    model.set_output_embeddings(decoder)
    with caplog.at_level(logging.WARNING, logger="mobilebert"):
        model.save_pretrained(tmp_path)
    assert "is not the table of word embeddings" in caplog.text
    again, info = MobileBertForMaskedLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values())
    assert torch.equal(again.get_output_embeddings().weight, decoder.weight)
    assert (model.config.tie_word_embeddings, again.config.tie_word_embeddings) == (True, False)
    batch = batch_for(model)
    assert_close(again(**batch).logits.detach(), model(**batch).logits.detach(), FLOAT32)


@pytest.mark.parametrize("tie", [True, False])
def test_what_learns_without_an_extension_has_a_gradient(tie, tmp_path):
    widths = {"embedding_size": 32, "tie_word_embeddings": tie}
    build("masked_lm", **widths).save_pretrained(tmp_path)
    model = MobileBertForMaskedLM.from_pretrained(tmp_path)
    batch = batch_for(model)
    model(**batch, labels=batch["input_ids"]).loss.backward()
    learning = {name for name, x in model.named_parameters() if x.requires_grad}
    assert {name for name, x in model.named_parameters() if x.grad is not None} == learning
    assert {name for name, _ in model.named_parameters()} - learning == {
        "cls.predictions.dense.weight"
    }
    model.resize_token_embeddings(120)
    assert model.cls.predictions.dense.weight.shape == (0, 120)
    assert not model.cls.predictions.dense.weight.requires_grad
