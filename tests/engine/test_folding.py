"""Every rewrite is exact in float64, and the folded program is the model."""

import math

import numpy as np
import pytest

from assertions import assert_close, relative_error
from mobilebert.engine import fold
from mobilebert.engine.interpreter import apply_heads, interpret
from mobilebert.engine.program import build_program
from mobilebert.engine.ragged import RaggedBatch
from mobilebert.reference import encode, forward
from mobilebert.tasks import TASKS
from models import VARIANTS, random_batch, random_tensors, small_config
from tolerances import FLOAT64

MODEL = TASKS["feature_extraction"]

# Rewrites after which the tensors are still a model that the reference can run.
KEEP_THE_MODEL = (fold.fold_entry_norms, fold.drop_key_biases, fold.fold_value_biases)


def model(variant, task="feature_extraction", **fields):
    config = small_config(variant, **fields)
    return config, random_tensors(config, task, dtype=np.float64)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("rewrite", KEEP_THE_MODEL, ids=lambda f: f.__name__)
def test_the_model_computes_the_same_after_the_rewrite(rewrite, variant):
    config, tensors = model(variant)
    ids, mask, types = random_batch(config)
    found = forward(rewrite(tensors, config, MODEL), config, MODEL, ids, mask, types)
    wanted = forward(tensors, config, MODEL, ids, mask, types)
    for name, value in wanted.items():
        assert_close(found[name], value, FLOAT64, name)


@pytest.mark.parametrize("variant", ["mobilebert", "plain_embedding", "no_trigram"])
def test_the_norm_of_the_embeddings_goes_into_what_is_added(variant):
    config, tensors = model(variant)
    ids, mask, types = random_batch(config)
    folded = fold.fold_embedding_norm(tensors, config, MODEL)
    assert (folded["embeddings.LayerNorm.weight"] == 1).all()
    found, _ = encode(folded, config, ids, mask, types)
    wanted, _ = encode(tensors, config, ids, mask, types)
    assert_close(found[0], wanted[0], FLOAT64)


def test_a_residual_norm_becomes_a_factor_on_the_residual():
    config, tensors = model("mobilebert")
    rng = np.random.default_rng(1)
    folded = fold.fold_residual_norms(tensors, config, MODEL)
    for name, width in (("attention.output", config.true_hidden_size), ("ffn.0.output", 36)):
        path = f"encoder.layer.1.{name}"
        dense, norm = f"{path}.dense", f"{path}.LayerNorm"
        x = rng.standard_normal((5, tensors[f"{dense}.weight"].shape[1]))
        r = rng.standard_normal((5, config.true_hidden_size))
        wanted = x @ tensors[f"{dense}.weight"].T + tensors[f"{dense}.bias"] + r
        wanted = wanted * tensors[f"{norm}.weight"] + tensors[f"{norm}.bias"]
        found = x @ folded[f"{dense}.weight"].T + folded[f"{dense}.bias"]
        assert_close(found + folded[f"{norm}.weight"] * r, wanted, FLOAT64, f"{name} {width}")


def test_queries_give_scores_in_units_of_log_2():
    config, tensors = model("mobilebert")
    folded = fold.scale_queries(tensors, config, MODEL)
    size = config.true_hidden_size // config.num_attention_heads
    for part in ("weight", "bias"):
        name = f"encoder.layer.0.attention.self.query.{part}"
        # 2 ** (factor * score) == e ** (score / sqrt(size))
        assert_close(folded[name] * math.log(2.0), tensors[name] / math.sqrt(size), FLOAT64, name)


@pytest.mark.parametrize("rewrite", fold.REWRITES, ids=lambda f: f.__name__)
def test_rewrites_change_nothing_in_place(rewrite):
    config, tensors = model("mobilebert")
    before = {name: array.copy() for name, array in tensors.items()}
    rewrite(tensors, config, MODEL)
    for name, array in before.items():
        assert (tensors[name] == array).all(), name


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_folded_program_is_the_model(variant, task):
    config, tensors = model(variant, task, num_labels=3)
    spec = TASKS[task]
    ids, mask, types = random_batch(config)
    batch = RaggedBatch.from_padded(ids, mask, types)
    program = build_program(tensors, config, spec)
    states = interpret(program, batch)
    wanted, _ = encode(tensors, config, ids, mask, types, prefix=spec.prefix)
    for number, (found, state) in enumerate(zip(states, wanted, strict=True)):
        assert_close(found, state[mask == 1], FLOAT64, f"state {number}")
    found = apply_heads(program, states[-1], batch.starts[:-1], np.arange(len(batch.ids)))
    shape = (ids[:, None], mask[:, None], types[:, None]) if spec.choices else (ids, mask, types)
    outputs = forward(tensors, config, spec, *shape)
    if "vocabulary" in found:
        assert_close(found["vocabulary"], outputs[spec.emits[0]][mask == 1], FLOAT64)
    if "projection" in found:
        last = outputs[spec.emits[-1]]
        scores = found["projection"][:, -1] if spec.projection.split else found["projection"]
        assert_close(scores, last[mask == 1] if last.shape[:2] == mask.shape else last, FLOAT64)
    assert {"vocabulary", "projection", "pooled"} & found.keys()


def test_a_changed_weight_is_noticed():
    """The twin: equality fails for every tensor that is moved."""
    config, tensors = model("mobilebert")
    ids, mask, types = random_batch(config)
    batch = RaggedBatch.from_padded(ids, mask, types)
    wanted = interpret(build_program(tensors, config, MODEL), batch)[-1]
    # Neither a key bias nor an unused row changes anything.
    unseen = ("key.bias", "pooler.")
    for name in tensors:
        if any(part in name for part in unseen):
            continue
        moved = tensors | {name: tensors[name] + 1e-5}
        found = interpret(build_program(moved, config, MODEL), batch)[-1]
        assert relative_error(found, wanted) > FLOAT64, name
