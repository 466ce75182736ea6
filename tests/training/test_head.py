"""Heads on a checkpoint whose first token reaches 2.5e7: calm first steps, ordinary files."""

import math
from contextlib import nullcontext
from functools import cache

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from assertions import assert_close, relative_error
from mobilebert.errors import ArgumentError, InputError
from mobilebert.tasks import TASKS
from mobilebert.torch import MODEL_CLASSES
from mobilebert.torch.packed import encode_packed, pack
from mobilebert.training.head import standardize_head
from outlier_model import OUTLIERS, outlier_config, outlier_tensors
from tolerances import FLOAT32, FOLDED_LOGITS, LARGEST_STANDARDISED
from torch_models import build, fill

SMALL = {
    "vocab_size": 97,
    "hidden_size": 64,
    "num_hidden_layers": 9,  # outliers grow in the seventh and the eighth
    "num_attention_heads": 2,
    "intermediate_size": 36,
    "embedding_size": 16,
    "intra_bottleneck_size": 24,
    "max_position_embeddings": 40,
    "num_feedforward_networks": 3,
}


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


HEADS = {
    "sequence_classification": "classifier",
    "multiple_choice": "classifier",
    "question_answering": "qa_outputs",
    "token_classification": "classifier",
}


@cache
def outlier_encoder(seed):
    config = outlier_config(**SMALL)
    model = MODEL_CLASSES["feature_extraction"](config)
    return fill(model, outlier_tensors(config, TASKS["feature_extraction"], seed))


@cache
def some_texts(count, seed):
    rng = np.random.default_rng(seed)
    return pack([rng.integers(1, 97, rng.integers(4, 40)) for _ in range(count)])


@cache
def features_of(seed, task, count, drawn, bfloat16=False):
    """What a head reads of some texts, [N, H]."""
    batch = some_texts(count, drawn)
    rows = batch.first if TASKS[task].pooler else None
    context = torch.autocast("cpu", torch.bfloat16) if bfloat16 else nullcontext()
    with context:
        return encode_packed(outlier_encoder(seed), batch, rows=rows).last_hidden_state


def new_model(task, **fields):
    """A model with a fresh head; of its encoder no use is made."""
    config = outlier_config(**(SMALL | {"num_hidden_layers": 1} | fields))
    return MODEL_CLASSES[task](config)


def new_modules(model):
    pooled = model.config.classifier_activation and model.task.pooler
    return (HEADS[model.task.name], *(["mobilebert.pooler.dense"] if pooled else []))


def head_of(model, seed, bfloat16=False, count=64, drawn=1, **options):
    features = features_of(seed, model.task.name, count, drawn, bfloat16)
    return standardize_head(model, features, fresh=new_modules(model), bfloat16=bfloat16, **options)


def ordinary_logits(model, features):
    pooled = model.mobilebert.pooler(features.unsqueeze(1)) if model.task.pooler else None
    return torch.stack(model.logits(features, pooled), -1).flatten(1)


PRECISIONS = pytest.mark.parametrize("bfloat16", [False, True], ids=["float32", "bfloat16"])
POOLERS = pytest.mark.parametrize("activation", [False, True], ids=["raw", "tanh"])
SEEDS = pytest.mark.parametrize("seed", range(4))


def test_the_checkpoint_has_outliers_and_a_fresh_head_explodes():
    features = features_of(0, "sequence_classification", 32, 2)
    assert float(features[:, list(OUTLIERS)].abs().max()) > 1e7
    logits = ordinary_logits(new_model("sequence_classification", num_labels=3), features)
    assert float(F.cross_entropy(logits, torch.arange(32) % 3)) > 1e3


@SEEDS
@PRECISIONS
@POOLERS
@pytest.mark.parametrize("classes", [2, 7])
def test_first_loss_of_classes(seed, bfloat16, activation, classes):
    model = new_model(
        "sequence_classification", num_labels=classes, classifier_activation=activation
    )
    head = head_of(model, seed, bfloat16)
    logits = head(features_of(seed, "sequence_classification", 32, 2, bfloat16))
    labels = torch.from_numpy(np.random.default_rng(seed).integers(0, classes, 32))
    assert float(F.cross_entropy(logits, labels)) <= 2 * math.log(classes)
    marks = F.one_hot(labels, classes).float()
    assert float(F.binary_cross_entropy_with_logits(logits, marks)) <= 2 * math.log(2)


@SEEDS
@PRECISIONS
@POOLERS
def test_first_loss_of_a_regression(seed, bfloat16, activation):
    model = new_model("sequence_classification", num_labels=1, classifier_activation=activation)
    targets = 1000 + 30 * torch.randn(64)
    head = head_of(model, seed, bfloat16, targets=targets)
    found = head(features_of(seed, "sequence_classification", 64, 2, bfloat16))[:, 0]
    variance = float(targets.var(correction=0))
    assert float(F.mse_loss(found, targets)) <= 2 * variance
    assert float(head.target_spread) == pytest.approx(math.sqrt(variance))


@SEEDS
@PRECISIONS
@POOLERS
def test_first_loss_of_choices(seed, bfloat16, activation):
    model = new_model("multiple_choice", classifier_activation=activation)
    logits = head_of(model, seed, bfloat16)(features_of(seed, "multiple_choice", 64, 2, bfloat16))
    loss = F.cross_entropy(logits.view(16, 4), torch.arange(16) % 4)
    assert float(loss) <= 2 * math.log(4)


@SEEDS
@PRECISIONS
def test_first_loss_of_tags(seed, bfloat16):
    head = head_of(new_model("token_classification", num_labels=5), seed, bfloat16)
    logits = head(features_of(seed, "token_classification", 16, 2, bfloat16))
    assert float(F.cross_entropy(logits, torch.arange(len(logits)) % 5)) <= 2 * math.log(5)


@SEEDS
@PRECISIONS
def test_first_loss_of_positions(seed, bfloat16):
    head = head_of(new_model("question_answering"), seed, bfloat16)
    logits = head(features_of(seed, "question_answering", 16, 2, bfloat16))
    for scores in logits.split(some_texts(16, 2).lengths):
        for wanted in (0, -1):  # the first token, where the outliers are, and the last
            losses = -scores.log_softmax(dim=0)[wanted]
            assert float(losses.mean()) <= 2 * math.log(len(scores))


@SEEDS
@PRECISIONS
@pytest.mark.parametrize("count", [1, 2, 8])
def test_few_rows_say_enough(seed, bfloat16, count):
    head = head_of(
        new_model("sequence_classification", num_labels=2), seed, bfloat16, count, seed + 100
    )
    logits = head(features_of(seed, "sequence_classification", 64, 2, bfloat16))
    assert float(F.cross_entropy(logits, torch.arange(64) % 2)) <= 2 * math.log(2)


@PRECISIONS
def test_channels_that_stood_still_may_move_later(bfloat16):
    features = torch.randn(64, 32)
    features[:, 0] = 0.0
    features[:, 1] = -2.5e7
    features[:, 2] = 3.0
    model = build("sequence_classification", num_labels=2, classifier_activation=False)
    head = standardize_head(model, features, fresh=["classifier"], bfloat16=bfloat16)
    later = torch.randn(64, 32) + features.mean(dim=0)
    later[:, 1] *= 1 + 2.0**-9 * torch.randn(64)
    standardised = (later - head.first.mean) / head.first.spread
    assert float(standardised.abs().max()) < LARGEST_STANDARDISED


@pytest.mark.parametrize("task", HEADS)
@POOLERS
def test_the_folded_model_is_an_ordinary_one(task, activation):
    model = new_model(task, classifier_activation=activation)
    head = head_of(model, 0, targets=3 + 2 * torch.randn(64) if task.startswith("seq") else None)
    features = features_of(0, task, 48, 3)
    for parameter in head.parameters():  # as training may leave them
        parameter += 0.05 * torch.randn_like(parameter)
    wanted = head.eval()(features)
    head.fold_()
    span = float(wanted.max() - wanted.min())
    error = float((ordinary_logits(model, features) - wanted).abs().max()) / span
    assert error < FOLDED_LOGITS
    assert head.folding_error(model, features) < FOLDED_LOGITS
    model.get_submodule(HEADS[task]).bias[0] += span / 1000
    assert head.folding_error(model, features) > FOLDED_LOGITS


@pytest.mark.parametrize("targets", [None, torch.tensor([3.0, 4.0, 8.0])])
@POOLERS
def test_a_trained_head_stays_the_same_function(activation, targets):
    model = build("sequence_classification", num_labels=1, classifier_activation=activation)
    features = 5 + 2 * torch.randn(40, 32)
    wanted = ordinary_logits(model, features)
    head = standardize_head(model, features, targets=targets, fresh=()).eval()
    assert_close(head(features), wanted, FLOAT32)
    head.fold_()
    assert_close(ordinary_logits(model, features), wanted, FLOAT32)
    fresh = standardize_head(model, features, targets=targets, fresh=new_modules(model))
    assert relative_error(fresh(features), wanted) > FLOAT32


def trained_regression(activation, targets):
    """A trained head, what it reads, and what it says of it before and in training."""
    model = build("sequence_classification", num_labels=1, classifier_activation=activation)
    features = 5 + 2 * torch.randn(40, 32)
    told = ordinary_logits(model, features)[:, 0]
    wanted = targets(told)
    return model, features, wanted, standardize_head(model, features, targets=wanted, fresh=())


@POOLERS
@pytest.mark.parametrize(
    "targets",
    [
        lambda told: 2000 + 10 * torch.randn(40),
        lambda told: 20 * told - 300,
        lambda told: 5 - told,
        lambda told: torch.full((40,), 7.0),
    ],
    ids=["others", "unit", "sign", "one"],
)
def test_first_loss_of_a_regression_that_was_trained_for_other_numbers(activation, targets):
    model, features, wanted, head = trained_regression(activation, targets)
    variance = float(wanted.var(correction=0)) or 1.0
    assert float(F.mse_loss(head.eval()(features)[:, 0], wanted)) > 2 * variance
    assert head.is_far(features, wanted)
    head.fit_(features, wanted)
    assert not head.is_far(features, wanted)
    assert float(F.mse_loss(head.eval()(features)[:, 0], wanted)) <= (1 + FLOAT32) * variance
    head.fold_()
    assert_close(ordinary_logits(model, features), head(features), FOLDED_LOGITS)


@POOLERS
def test_another_unit_loses_nothing_of_a_regression(activation):
    _, features, wanted, head = trained_regression(activation, lambda told: 20 * told - 300)
    head.eval().fit_(features, wanted)
    variance = float(wanted.var(correction=0))
    assert float(F.mse_loss(head(features)[:, 0], wanted)) < FOLDED_LOGITS * variance


@POOLERS
@pytest.mark.parametrize("noise", [0.0, 0.5, 20.0])
def test_a_regression_that_is_near_is_told(activation, noise):
    _, features, wanted, head = trained_regression(
        activation, lambda told: told + noise * told.std() * torch.randn(40)
    )
    assert not head.eval().is_far(features, wanted)
    assert head.is_far(features, wanted + 3 * wanted.std())


@POOLERS
def test_one_target_far_out_makes_no_regression_far(activation):
    """Among the rows looked at it is a larger share than among all."""
    model, features, told, _ = trained_regression(activation, lambda told: told)
    targets = told.clone()
    targets[3] += 1e6 * told.std()
    of_all = torch.cat([targets, told.repeat(100)])
    head = standardize_head(model, features, targets=of_all, fresh=()).eval()
    assert not head.is_far(features, targets)
    assert head.is_far(features, targets + 20 * of_all.std())


def test_new_modules_are_those_the_loader_made(tmp_path):
    build("masked_lm").save_pretrained(tmp_path)
    model = MODEL_CLASSES["sequence_classification"].from_pretrained(tmp_path)
    features = 5 + 2 * torch.randn(40, 32)
    head = standardize_head(model, features)
    assert torch.equal(head.first.weight, model.mobilebert.pooler.dense.weight)
    trained = build("sequence_classification")
    head = standardize_head(trained, features)
    assert not torch.equal(head.first.weight, trained.mobilebert.pooler.dense.weight)


def test_dropout_takes_standardised_features():
    head = head_of(new_model("sequence_classification", classifier_dropout=0.3), 0)
    features = features_of(0, "sequence_classification", 64, 2)
    assert float(head(features).abs().max()) < 100
    assert not torch.equal(head(features), head(features))
    assert torch.equal(head.eval()(features), head(features))


def test_the_head_trains_in_its_own_weights_and_keeps_its_state():
    model = new_model("sequence_classification")
    head = head_of(model, 0)
    before = model.classifier.weight.clone()
    head.first.weight.add_(1.0)
    assert torch.equal(model.classifier.weight, before)
    other = head_of(model, 0, drawn=9)
    other.load_state_dict(head.state_dict())
    features = features_of(0, "sequence_classification", 64, 2)
    assert torch.equal(other(features), head(features))
    assert {name for name, _ in head.named_parameters()} == {"first.weight", "first.bias"}


def test_a_head_learns():
    head = head_of(new_model("sequence_classification", num_labels=2), 0)
    features = features_of(0, "sequence_classification", 64, 2)
    losses = []
    for _ in range(30):
        with torch.enable_grad():
            loss = F.cross_entropy(head(features), torch.arange(64) % 2)
            gradients = torch.autograd.grad(loss, list(head.parameters()))
        losses.append(loss.item())
        for parameter, gradient in zip(head.parameters(), gradients, strict=True):
            parameter -= 0.5 * gradient
    assert losses[-1] < losses[0] / 2


def test_a_model_in_float16_keeps_its_type():
    model = build("sequence_classification", dtype=torch.float16, num_labels=2)
    head = standardize_head(model, torch.randn(20, 32), fresh=())
    head.fold_()
    assert head.first.weight.dtype == torch.float32
    assert model.classifier.weight.dtype == torch.float16


def test_what_cannot_be_standardised():
    with pytest.raises(ArgumentError, match="no projection"):
        standardize_head(build("masked_lm"), torch.randn(4, 32))
    model = build("question_answering")
    with pytest.raises(InputError, match="must be rows"):
        standardize_head(model, torch.randn(2, 4, 32))
    with pytest.raises(InputError, match="must be rows"):
        standardize_head(model, torch.empty(0, 32))
    features = torch.randn(4, 32)
    features[2, 7] = torch.nan
    with pytest.raises(InputError, match="in channel 7"):
        standardize_head(model, features)
