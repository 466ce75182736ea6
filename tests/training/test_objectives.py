"""Losses against PyTorch's means and against numbers computed by hand."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from assertions import assert_close, relative_error
from mobilebert.datasets.items import FinetuneTask
from mobilebert.errors import InputError
from mobilebert.training.objectives import (
    ClassObjective,
    LabelObjective,
    NumberObjective,
    build_objective,
    choice_scores,
    r_drop,
    span_scores,
)
from tolerances import FLOAT64, SMALL_MISTAKE

ROWS, CLASSES = 9, 4


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture
def scores(rng):
    return torch.tensor(rng.standard_normal((ROWS, CLASSES)), requires_grad=True)


@pytest.fixture
def classes(rng):
    drawn = torch.tensor(rng.integers(0, CLASSES, ROWS))
    drawn[[2, 5]] = -100
    return drawn


def class_weights():
    return torch.tensor([0.2, 1.0, 3.0, 0.5], dtype=torch.float64)


@pytest.mark.parametrize("weights", [None, class_weights()])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_classes_have_the_mean_of_pytorch(scores, classes, weights, smoothing):
    found = ClassObjective(weights, smoothing).loss(scores, classes).mean()
    wanted = F.cross_entropy(scores, classes, weights, label_smoothing=smoothing)
    assert_close(found.detach(), wanted.detach(), FLOAT64)
    other = F.cross_entropy(scores, classes, weights, label_smoothing=smoothing + SMALL_MISTAKE)
    assert relative_error(found.detach(), other.detach()) > FLOAT64
    (gradient,) = torch.autograd.grad(found, scores)
    (wanted_gradient,) = torch.autograd.grad(wanted, scores)
    assert_close(gradient, wanted_gradient, FLOAT64)


def labels_of(rng, unknown=False):
    drawn = torch.tensor(rng.integers(0, 2, (ROWS, CLASSES)), dtype=torch.float32)
    if unknown:
        drawn[1, 2] = drawn[4, 0] = -100
    return drawn


@pytest.mark.parametrize("weights", [None, class_weights()])
def test_labels_have_the_mean_of_pytorch(scores, rng, weights):
    labels = labels_of(rng)
    found = LabelObjective(weights).loss(scores, labels)
    wanted = F.binary_cross_entropy_with_logits(scores, labels.double(), pos_weight=weights)
    assert_close(found.mean().detach(), wanted.detach(), FLOAT64)
    assert int(found.units) == ROWS * CLASSES


def test_unknown_labels_do_not_count(scores, rng):
    labels = labels_of(rng, unknown=True)
    known = labels != -100
    found = LabelObjective().loss(scores, labels)
    wanted = F.binary_cross_entropy_with_logits(scores[known], labels[known].double())
    assert_close(found.mean().detach(), wanted.detach(), FLOAT64)
    assert int(found.units) == ROWS * CLASSES - 2


def test_smoothed_labels_by_hand():
    scores = torch.tensor([[math.log(3)]], dtype=torch.float64)  # a probability of 3/4
    found = LabelObjective(label_smoothing=0.2).loss(scores, torch.ones(1, 1))
    assert_close(found.total, -0.9 * math.log(0.75) - 0.1 * math.log(0.25), FLOAT64)


@pytest.mark.parametrize("shape", [(ROWS,), (ROWS, 1)])
def test_numbers_have_the_mean_of_pytorch(rng, shape):
    scores, targets = torch.tensor(rng.standard_normal(shape)), torch.tensor(rng.random(ROWS))
    found = NumberObjective().loss(scores, targets)
    assert_close(found.mean(), F.mse_loss(scores.reshape(-1), targets), FLOAT64)
    assert int(found.units) == ROWS


def test_spans_have_the_mean_of_start_and_end(rng):
    lengths = torch.tensor([3, 5, 2])
    packed = torch.tensor(rng.standard_normal((10, 2)), requires_grad=True)
    targets = torch.tensor([[0, 2], [4, 4], [1, -100]])
    found = ClassObjective().loss(span_scores(packed, lengths), targets)
    by_target = [
        F.cross_entropy(packed[first:last, side][None], targets[row, side][None])
        for row, (first, last) in enumerate([(0, 3), (3, 8), (8, 10)])
        for side in range(2)
        if targets[row, side] != -100
    ]
    assert int(found.units) == 5
    assert_close(found.total.detach(), sum(by_target).detach(), FLOAT64)
    (gradient,) = torch.autograd.grad(found.total, packed)
    (wanted,) = torch.autograd.grad(sum(by_target), packed)
    assert_close(gradient, wanted, FLOAT64)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_examples_may_have_different_numbers_of_choices(rng, smoothing):
    packed = torch.tensor(rng.standard_normal((5, 1)), requires_grad=True)
    scores = choice_scores(packed, torch.tensor([3, 2]))
    objective = ClassObjective(label_smoothing=smoothing)
    found = objective.loss(scores, torch.tensor([2, 0]))
    wanted = F.cross_entropy(
        packed[:3].T, torch.tensor([2]), label_smoothing=smoothing
    ) + F.cross_entropy(packed[3:].T, torch.tensor([0]), label_smoothing=smoothing)
    assert_close(found.total.detach(), wanted.detach(), FLOAT64)
    (gradient,) = torch.autograd.grad(found.total, packed)
    assert bool(gradient.isfinite().all())
    with pytest.raises(InputError, match=r"targets holds 3; allowed are 0 to 2"):
        objective.loss(scores, torch.tensor([3, 0]))


OBJECTIVES = {
    "classes": ClassObjective(),
    "weighted classes": ClassObjective(class_weights(), 0.1),
    "labels": LabelObjective(class_weights(), 0.1),
    "numbers": NumberObjective(),
}


def case(name, scores, classes, rng):
    """An objective with scores of two passes and targets."""
    second = scores.detach() + torch.tensor(rng.standard_normal(scores.shape))
    if name == "numbers":
        return OBJECTIVES[name], scores[:, 0], second[:, 0], torch.tensor(rng.random(ROWS))
    targets = labels_of(rng, unknown=True) if name == "labels" else classes
    return OBJECTIVES[name], scores, second, targets


@pytest.mark.parametrize("name", OBJECTIVES)
def test_parts_of_a_batch_add_up(name, scores, classes, rng):
    objective, first, second, targets = case(name, scores, classes, rng)
    whole = r_drop(objective, first, second, targets, 0.7)
    parts = [
        r_drop(objective, first[part], second[part], targets[part], 0.7)
        for part in (slice(0, 4), slice(4, 6), slice(6, ROWS))
    ]
    total, units = sum(part.total for part in parts), sum(part.units for part in parts)
    assert_close((total / units).detach(), whole.mean().detach(), FLOAT64)
    # The mean of the parts' means is another number.
    means = sum(part.mean() for part in parts) / 3
    assert relative_error(means.detach(), whole.mean().detach()) > FLOAT64


@pytest.mark.parametrize("name", OBJECTIVES)
def test_where_nothing_counts_the_loss_is_0_with_zero_gradients(name, scores):
    rows = scores[:0] if name != "numbers" else scores[:0, 0]
    shape = (0, CLASSES) if name == "labels" else (0,)
    empty = OBJECTIVES[name].loss(rows, torch.zeros(shape, dtype=torch.long)).mean()
    assert float(empty.detach()) == 0
    if name != "numbers":
        shape = (ROWS, CLASSES) if name == "labels" else (ROWS,)
        none = OBJECTIVES[name].loss(scores, torch.full(shape, -100)).mean()
        (gradient,) = torch.autograd.grad(none, scores)
        assert float(none.detach()) == 0
        assert not gradient.any()


def test_r_drop_by_hand():
    """Two classes, probabilities 1/2 and 3/4 of the right one."""
    first = torch.tensor([[0.0, 0.0]], dtype=torch.float64)
    second = torch.tensor([[math.log(3), 0.0]], dtype=torch.float64)
    found = r_drop(ClassObjective(), first, second, torch.tensor([0]), weight=5.0)
    one_way = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    other_way = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    wanted = -math.log(0.5) - math.log(0.75) + 5.0 * (one_way + other_way) / 2
    assert_close(found.total, wanted / 2, FLOAT64)
    assert int(found.units) == 1
    assert relative_error(found.total, wanted / 2 + SMALL_MISTAKE) > FLOAT64


def test_r_drop_of_labels_by_hand():
    """The same numbers: a label's probability is 1/2 and 3/4."""
    first, second = (torch.tensor([[x]], dtype=torch.float64) for x in (0.0, math.log(3)))
    labels = LabelObjective().divergence(first, second, torch.ones(1, 1))
    both = [torch.cat([x, torch.zeros_like(x)], 1) for x in (first, second)]
    assert_close(labels, ClassObjective().divergence(*both, torch.tensor([0])), FLOAT64)
    numbers = NumberObjective().divergence(first, second, torch.ones(1, 1))
    assert_close(numbers, math.log(3) ** 2, FLOAT64)


def test_r_drop_of_equal_passes_is_the_loss(scores, classes):
    for objective in (OBJECTIVES["classes"], OBJECTIVES["weighted classes"]):
        twice = r_drop(objective, scores, scores, classes, 3.0)
        assert_close(
            twice.mean().detach(), objective.loss(scores, classes).mean().detach(), FLOAT64
        )


def test_divergence_of_choices_has_gradients(rng):
    packed = torch.tensor(rng.standard_normal(5), requires_grad=True)
    first = choice_scores(packed, torch.tensor([3, 2]))
    second = choice_scores(packed.detach() * 2, torch.tensor([3, 2]))
    found = ClassObjective().divergence(first, second, torch.tensor([0, 1]))
    parts = [
        ClassObjective().divergence(packed[None, part], 2 * packed.detach()[None, part], target)
        for part, target in ((slice(0, 3), torch.tensor([0])), (slice(3, 5), torch.tensor([1])))
    ]
    assert_close(found.detach(), sum(parts).detach(), FLOAT64)
    (gradient,) = torch.autograd.grad(found, packed)
    assert bool(gradient.isfinite().all())
    assert bool(gradient.any())


def test_sixteen_bits_are_summed_in_thirty_two():
    scores, targets = (
        torch.zeros(3000, 2, dtype=torch.bfloat16),
        torch.zeros(3000, dtype=torch.long),
    )
    found = ClassObjective(torch.ones(2)).loss(scores, targets)
    assert found.total.dtype == torch.float32
    assert_close(found.mean(), math.log(2), SMALL_MISTAKE)


@pytest.mark.parametrize("task", FinetuneTask)
def test_every_task_has_an_objective(task):
    objective = build_objective(task)
    shapes = {
        FinetuneTask.REGRESSION: ((3,), torch.zeros(3)),
        FinetuneTask.MULTI_LABEL: ((3, 4), torch.zeros(3, 4)),
    }
    shape, targets = shapes.get(task, ((3, 4), torch.zeros(3, dtype=torch.long)))
    guessing = {FinetuneTask.REGRESSION: 0.0, FinetuneTask.MULTI_LABEL: math.log(2)}
    found = objective.loss(torch.zeros(shape), targets).mean()
    assert_close(found, guessing.get(task, math.log(4)), SMALL_MISTAKE)


def test_settings_reach_the_objective():
    weights = torch.tensor([1.0, 2.0])
    built = build_objective(
        FinetuneTask.TEXT_CLASSIFICATION, class_weights=weights, label_smoothing=0.1
    )
    assert isinstance(built, ClassObjective)
    assert (built.class_weights is weights, built.label_smoothing) == (True, 0.1)
    built = build_objective(FinetuneTask.MULTI_LABEL, positive_weights=weights)
    assert isinstance(built, LabelObjective)
    assert built.positive_weights is weights


@pytest.mark.parametrize(
    ("task", "settings", "named"),
    [
        ("regression", {"label_smoothing": 0.1}, "regression has no label_smoothing"),
        ("fill-mask", {"class_weights": [1.0]}, "fill-mask has no class_weights"),
        ("text-classification", {"positive_weights": [1.0]}, "has no positive_weights; it has cla"),
        ("text-classification", {"label_smoothing": 1.0}, "label_smoothing is 1.0"),
        ("text-classification", {"label_smoothing": float("nan")}, "label_smoothing is nan"),
        ("text-classification", {"class_weights": [1.0, -1.0]}, "class_weights holds"),
        ("multi-label-classification", {"positive_weights": [float("inf")]}, "positive_weights h"),
    ],
)
def test_impossible_settings_are_refused(task, settings, named):
    given = {k: torch.tensor(v) if isinstance(v, list) else v for k, v in settings.items()}
    with pytest.raises(InputError, match=named):
        build_objective(FinetuneTask(task), **given)


@pytest.mark.parametrize("objective", [LabelObjective(), NumberObjective()])
def test_other_shapes_are_refused(objective, scores):
    with pytest.raises(InputError, match=r"shape \(3, 3\), but the scores have shape \(9, 4\)"):
        objective.loss(scores, torch.zeros(3, 3))
