"""Numbers of 16 bits: float16 stays finite where published checkpoints leave its range."""

import numpy as np
import pytest
import torch

from assertions import assert_close
from mobilebert.tasks import TASKS
from mobilebert.torch import MODEL_CLASSES
from mobilebert.torch.precision import arithmetic_dtype, in_float32
from models import VARIANTS, random_tensors, small_config
from tolerances import BFLOAT16, FLOAT32
from torch_models import batch_for, build, fill

LARGEST_FLOAT16 = 65504.0


def loud_model(task, variant, dtype=torch.float32):
    """A model whose first position is like google/mobilebert-uncased's, in float16 weights."""
    config = small_config(variant)
    tensors = random_tensors(config, task)
    prefix = f"{TASKS[task].prefix}embeddings."
    tensors[f"{prefix}position_embeddings.weight"][0] *= 4e4
    if config.normalization_type == "no_norm":
        tensors[f"{prefix}LayerNorm.weight"] *= 500.0
    rounded = {name: x.astype(np.float16).astype(np.float32) for name, x in tensors.items()}
    assert all(np.isfinite(x).all() for x in rounded.values())
    return fill(MODEL_CLASSES[task](config), rounded).to(dtype).eval()


def flat(output):
    for name, value in output.items():
        for tensor in value if isinstance(value, tuple) else (value,):
            yield name, tensor


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_float16_weights_give_the_answers_of_float32(variant, task):
    model, narrow = loud_model(task, variant), loud_model(task, variant, torch.float16)
    assert {p.dtype for p in narrow.parameters()} == {torch.float16}
    batch = batch_for(model)
    options = {"output_hidden_states": True, "output_attentions": True}
    wanted = model(**batch, **options)
    if model.config.normalization_type == "no_norm":
        assert wanted.hidden_states[0].abs().max() > 100 * LARGEST_FLOAT16
    for (name, ours), (_, reference) in zip(
        flat(narrow(**batch, **options)), flat(wanted), strict=True
    ):
        assert ours.dtype == torch.float32
        assert torch.isfinite(ours).all(), name
        assert_close(ours, reference, FLOAT32, name)


@pytest.mark.parametrize("task", TASKS)
@torch.no_grad()
def test_float16_autocast_stays_finite(task):
    model = loud_model(task, "mobilebert")
    batch = batch_for(model)
    wanted = model(**batch)
    with torch.autocast("cpu", torch.float16):
        found = model(**batch)
    for name in wanted:
        assert_close(found[name], wanted[name], FLOAT32, name)


def test_a_plain_float16_product_would_overflow():
    # The twin: without widening, the first bottleneck is infinite.
    model = loud_model("feature_extraction", "mobilebert", torch.float16)
    stream = model(**batch_for(model), output_hidden_states=True).hidden_states[0]
    assert torch.isinf(stream.half()).any()
    narrow = model.encoder.layer[0].bottleneck.input
    assert not torch.isfinite(narrow(stream.half())).all()
    assert torch.isfinite(in_float32(narrow, stream)).all()


def test_float16_models_can_be_called_with_float16_embeddings():
    model = build(dtype=torch.float16)
    ids = batch_for(model)["input_ids"]
    rows = model.get_input_embeddings()(ids)
    assert rows.dtype == torch.float16
    assert torch.equal(model(inputs_embeds=rows)[0], model(ids)[0])


def test_float16_models_give_gradients():
    model = build("sequence_classification", dtype=torch.float16)
    batch = batch_for(model)
    model(**batch, labels=torch.tensor([0, 1, 1])).loss.backward()
    wide = build("sequence_classification")
    wide.load_state_dict(model.state_dict())
    wide(**batch, labels=torch.tensor([0, 1, 1])).loss.backward()
    for (name, ours), wanted in zip(model.named_parameters(), wide.parameters(), strict=True):
        assert ours.grad.dtype == torch.float16
        assert_close(ours.grad.float(), wanted.grad, BFLOAT16, name)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("autocast", [False, True])
@torch.no_grad()
def test_bfloat16(task, autocast):
    model = build(task)
    batch = batch_for(model)
    wanted = model(**batch)
    if autocast:
        with torch.autocast("cpu", torch.bfloat16):
            found = model(**batch)
    else:
        found = model.bfloat16()(**batch)
    for name in wanted:
        assert autocast or found[name].dtype == torch.bfloat16
        assert_close(found[name].float(), wanted[name], BFLOAT16, name)


def test_what_a_model_computes_in():
    assert arithmetic_dtype(torch.float16) == torch.float32
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        assert arithmetic_dtype(dtype) == dtype


@pytest.mark.parametrize("task", TASKS)
def test_models_without_memory_run(task):
    model = build(task).to("meta")
    given = {name: tensor.to("meta") for name, tensor in batch_for(model).items()}
    for tensor in model(**given).to_tuple():
        assert tensor.is_meta
