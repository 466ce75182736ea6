"""What a padding neighbour contributes: the peer's way, and the way that leaves answers alone."""

import numpy as np
import pytest
import torch

import mobilebert
from assertions import assert_close
from mobilebert.reference import forward
from mobilebert.tasks import TASKS
from models import VARIANTS, random_batch
from parity.implementations import config_for, flat_outputs, load, tensors_for
from tolerances import FLOAT64

TRIGRAM_VARIANTS = tuple(name for name in VARIANTS if VARIANTS[name].get("trigram_input", True))
LENGTHS = (11, 9, 7)


def numpy_model(variant, task, pad_neighbor):
    config = config_for(variant, task)

    def run(ids, mask, types):
        return forward(
            tensors_for(variant, task), config, task, ids, mask, types, pad_neighbor=pad_neighbor
        )

    return run


def torch_model(variant, task, pad_neighbor, attention):
    config = config_for(variant, task, attn_implementation=attention)
    build = getattr(mobilebert, TASKS[task].class_name)
    model = build(config, pad_neighbor=pad_neighbor).double()
    load(model, tensors_for(variant, task), config, task)
    assert model.pad_neighbor == pad_neighbor
    model.eval()

    @torch.no_grad()
    def run(ids, mask, types):
        arrays = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        outputs = model(**{name: torch.from_numpy(x) for name, x in arrays.items()})
        return {name: x.numpy() for name, x in flat_outputs(outputs).items()}

    return run


MODELS = {
    "numpy": numpy_model,
    "eager": lambda *arguments: torch_model(*arguments, "eager"),
    "sdpa": lambda *arguments: torch_model(*arguments, "sdpa"),
}


def batch_for(variant, task):
    return random_batch(config_for(variant, task), choices=2 if TASKS[task].choices else 0)


def worst_difference(run, batch, task):
    """Compare each row of a padded batch with the same row on its own, where it is text."""
    together = run(*batch)
    worst = 0.0
    for row, length in enumerate(LENGTHS):
        alone = run(*(x[row : row + 1, ..., :length] for x in batch))
        for name, value in alone.items():
            padded = together[name][row : row + 1]
            per_position = padded.ndim > 1 and padded.shape[1] == batch[0].shape[-1]
            padded = padded[:, :length] if per_position and not TASKS[task].choices else padded
            worst = max(worst, float(np.abs(padded - value).max()))
    return worst


@pytest.mark.parametrize("implementation", MODELS)
@pytest.mark.parametrize("task", TASKS)
def test_zero_makes_answers_independent_of_padding(task, implementation):
    for variant in TRIGRAM_VARIANTS:
        run = MODELS[implementation](variant, task, "zero")
        assert worst_difference(run, batch_for(variant, task), task) < FLOAT64


@pytest.mark.parametrize("implementation", MODELS)
@pytest.mark.parametrize("task", TASKS)
def test_the_padding_embedding_changes_answers(task, implementation):
    # The twin, and the reason for the option: this is what transformers does.
    run = MODELS[implementation]("mobilebert", task, "pad_embedding")
    assert worst_difference(run, batch_for("mobilebert", task), task) > 1e-3


@pytest.mark.parametrize("implementation", MODELS)
def test_zero_and_the_padding_embedding_agree_without_padding_or_trigram(implementation):
    task = "masked_lm"
    for variant in ("mobilebert", "no_trigram"):
        ids, mask, types = batch_for(variant, task)
        mask = np.ones_like(mask) if variant == "mobilebert" else mask
        runs = [MODELS[implementation](variant, task, way) for way in ("zero", "pad_embedding")]
        zero, padding = (run(ids, mask, types)["logits"] for run in runs)
        assert_close(zero, padding, FLOAT64)


def test_the_padding_embedding_is_the_default_of_the_classes():
    config = config_for("mobilebert", "masked_lm")
    for row in TASKS.values():
        assert getattr(mobilebert, row.class_name)(config).pad_neighbor == "pad_embedding"
    assert "pad_neighbor" not in config.to_dict()
