"""Losses against transformers, with gradients; and what is right where the peer is wrong."""

import numpy as np
import pytest
import torch

from assertions import assert_close
from mobilebert.tasks import TASKS
from models import PEER_VARIANTS
from parity.implementations import (
    flat_outputs,
    fresh_models,
    gradients,
    load,
    tensors_for,
    torch_inputs,
)
from parity.inputs import CHOICES, LENGTH, ROWS, inputs_for
from parity.labels import CASES
from tolerances import FLOAT32, FLOAT64

VARIANT = "mobilebert"


def call(model, task, labels, dtype=torch.float64, **options):
    inputs = inputs_for("padded_pairs", model.config, task)
    return model(**torch_inputs(inputs, dtype), **torch_inputs(labels, dtype), **options)


@pytest.mark.parametrize("case", CASES)
def test_losses_equal_transformers(case):
    task, fields, labels = CASES[case]
    peer, ours = fresh_models(task, **fields)
    wanted, found = call(peer, task, labels), call(ours, task, labels)
    assert found.loss.shape == wanted.loss.shape == ()
    assert_close(found.loss.item(), wanted.loss.item(), FLOAT64, "loss")
    wanted_gradients, found_gradients = gradients(peer, wanted.loss), gradients(ours, found.loss)
    assert found_gradients.keys() == wanted_gradients.keys()
    for name in wanted_gradients:
        assert_close(found_gradients[name], wanted_gradients[name], FLOAT64, name)
    for name, value in flat_outputs(call(ours, task, {})).items():
        assert torch.equal(value, found[name])  # labels change no other output


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize(
    "case", ["masked_lm", "pretraining", "next sentence", "tokens", "choices", "classes", "span"]
)
@pytest.mark.parametrize("variant", [name for name in PEER_VARIANTS if name != VARIANT])
def test_losses_of_every_variant_equal_transformers_in_float32(variant, case, attention):
    task, fields, labels = CASES[case]
    models = [model.float() for model in fresh_models(task, variant, attention, **fields)]
    losses = [call(model, task, labels, torch.float32).loss for model in models]
    assert_close(losses[1].item(), losses[0].item(), FLOAT32, "loss")
    wanted, found = (gradients(*pair) for pair in zip(models, losses, strict=True))
    for name in wanted:
        assert_close(found[name], wanted[name], FLOAT32, name)


@pytest.mark.parametrize("case", CASES)
def test_losses_equal_transformers_as_tuples_in_float32(case):
    task, fields, labels = CASES[case]
    with torch.no_grad():
        wanted, found = (
            call(model.float(), task, labels, torch.float32, return_dict=False)
            for model in fresh_models(task, **fields)
        )
    assert len(found) == len(wanted) == 1 + len(TASKS[task].emits)
    for number, value in enumerate(wanted):
        assert found[number].dtype == value.dtype == torch.float32
        assert_close(found[number], value, FLOAT32, f"element {number}")


def test_every_task_with_a_loss_is_tried():
    assert {task for task, _, _ in CASES.values()} == {t for t, row in TASKS.items() if row.labels}


@pytest.mark.parametrize(
    "case",
    [case for case, (*_, labels) in CASES.items() if labels[next(iter(labels))].dtype == np.int64],
)
def test_labels_may_be_narrow_integers(case):
    # transformers raises: its cross-entropy takes int64 only.
    task, fields, labels = CASES[case]
    _, ours = fresh_models(task, **fields)
    wanted = call(ours, task, labels).loss
    for dtype in (np.int32, np.int16):
        narrow = {name: x.astype(dtype) for name, x in labels.items()}
        assert torch.equal(call(ours, task, narrow).loss, wanted)


def test_several_labels_may_be_true_or_false():
    # transformers raises, whether the problem is named or not.
    task, fields, labels = CASES["several labels"]
    _, ours = fresh_models(task)
    wanted = call(ours, task, labels).loss
    answers = {"labels": labels["labels"].astype(bool)}
    for named in (None, "multi_label_classification"):
        _, ours = fresh_models(task, **fields, problem_type=named)
        assert torch.equal(call(ours, task, answers).loss, wanted)
        assert ours.config.problem_type == "multi_label_classification"


def test_one_kind_of_labels_does_not_forbid_another():
    # transformers keeps the kind it inferred first in the configuration and fails on the next; we
    # store it too, for checkpoints and pipelines, and infer anew.
    _, ours = fresh_models("sequence_classification")
    for case in ("several labels", "classes", "several labels"):
        task, fields, labels = CASES[case]
        peer, _ = fresh_models(task, **fields)
        assert_close(
            call(ours, task, labels).loss.item(), call(peer, task, labels).loss.item(), FLOAT64
        )
        assert ours.config.problem_type == peer.config.problem_type is not None


def test_pretraining_learns_from_one_set_of_labels():
    # transformers returns no loss then, although it documents one for `labels` alone.
    _, ours = fresh_models("pretraining")
    _, _, labels = CASES["pretraining"]
    single = [call(ours, "pretraining", {name: x}).loss for name, x in labels.items()]
    assert_close(sum(single).item(), call(ours, "pretraining", labels).loss.item(), FLOAT64)
    peer, words = fresh_models("masked_lm")
    load(peer, tensors_for(VARIANT, "pretraining"), words.config, "masked_lm")
    alone = call(peer, "masked_lm", {"labels": labels["labels"]}).loss
    assert_close(single[0].item(), alone.item(), FLOAT64)


ALL_IGNORED = {
    "masked_lm": {"labels": np.full((ROWS, LENGTH), -100)},
    "pretraining": {
        "labels": np.full((ROWS, LENGTH), -100),
        "next_sentence_label": np.full(ROWS, -100),
    },
    "next_sentence_prediction": {"labels": np.full(ROWS, -100)},
    "token_classification": {"labels": np.full((ROWS, LENGTH), -100)},
    "multiple_choice": {"labels": np.full(ROWS, -100)},
    "sequence_classification": {"labels": np.full(ROWS, -100)},
    "question_answering": {
        "start_positions": np.full(ROWS, LENGTH),
        "end_positions": np.full(ROWS, LENGTH),
    },
}


@pytest.mark.parametrize("task", ALL_IGNORED)
def test_nothing_to_learn_from_gives_zero(task):
    # transformers gives NaN, which ends a training run.
    peer, ours = fresh_models(task)
    assert torch.isnan(call(peer, task, ALL_IGNORED[task]).loss)
    loss = call(ours, task, ALL_IGNORED[task]).loss
    assert loss.item() == 0
    assert not any(gradient.any() for gradient in gradients(ours, loss).values())


def test_negative_positions_do_not_count():
    # transformers takes them for the first token.
    _, ours = fresh_models("question_answering")

    def loss(positions):
        labels = {name: np.array(positions) for name in ("start_positions", "end_positions")}
        return call(ours, "question_answering", labels).loss.item()

    assert loss([4, -1, 2]) == loss([4, LENGTH, 2]) != loss([4, 0, 2])


@pytest.mark.parametrize("given", ["start_positions", "end_positions"])
def test_one_position_alone_gives_no_loss(given):
    for model in fresh_models("question_answering"):
        assert call(model, "question_answering", {given: np.array([1, 2, 3])}).loss is None


def test_choices_may_be_views():
    # transformers flattens with `view`, which fails on an expanded or transposed tensor.
    _, ours = fresh_models("multiple_choice")
    inputs = torch_inputs(inputs_for("padded_pairs", ours.config, "multiple_choice"))
    inputs["token_type_ids"] = inputs["token_type_ids"][:, :1].expand(-1, CHOICES, -1)
    views = {name: x.transpose(0, 1).contiguous().transpose(0, 1) for name, x in inputs.items()}
    whole = {name: x.contiguous() for name, x in inputs.items()}
    assert not any(x.is_contiguous() for x in views.values())
    assert torch.equal(ours(**views).logits, ours(**whole).logits)


def test_the_old_name_of_the_next_sentence_label_is_taken_with_a_warning():
    peer, ours = fresh_models("next_sentence_prediction")
    labels = {"next_sentence_label": np.array([0, 1, 1])}
    losses = []
    for model in (peer, ours):
        with pytest.warns(FutureWarning, match="next_sentence_label"):
            losses.append(call(model, "next_sentence_prediction", labels).loss.item())
    assert_close(losses[1], losses[0], FLOAT64, "loss")


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_label_is_seen(case):
    # The twin: the loss must depend on each set of labels.
    task, fields, labels = CASES[case]
    _, ours = fresh_models(task, **fields)
    right = call(ours, task, labels).loss
    for name, given in labels.items():
        wrong = given.copy()
        if given.dtype == np.int64:
            wrong[0] = np.where(given[0] == -100, -100, 1 - np.clip(given[0], 0, 1))
        else:
            wrong[0] = 1 - given[0]
        with pytest.raises(AssertionError):
            assert_close(
                call(ours, task, labels | {name: wrong}).loss.item(), right.item(), FLOAT64
            )
