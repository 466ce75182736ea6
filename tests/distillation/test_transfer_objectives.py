"""Feature maps and attentions: values by hand, an oracle in numpy, and what gradients reach."""

import math

import numpy as np
import pytest
import torch

from assertions import assert_close, relative_error
from distillation.transfers import LENGTHS, batch_of, inside, student_of, teacher_of
from mobilebert.distillation.choices import TransferFactors, TransferForm
from mobilebert.distillation.objectives import (
    attention_transfer,
    feature_map_transfer,
    map_statistics,
    stacked_statistics,
)
from mobilebert.errors import InputError
from mobilebert.torch.packed import attention_squares
from tolerances import BFLOAT16, FLOAT64, SMALL_MISTAKE

PAPER, CODE = TransferForm.PAPER, TransferForm.CODE
LOWEST = torch.finfo(torch.float64).min


def wide(rows):
    return torch.tensor(rows, dtype=torch.float64)


# Two tokens of two features. Means and variances: student 2, 2 and 1, 4; teacher 2, 3 and 0, 4.
# Normalised: student (-1, 1) twice; teacher (0, 0) and (1, -1).
STUDENT, TEACHER = wide([[1, 3], [0, 4]]), wide([[2, 2], [5, 1]])
# Means 1, 1; variances 0, 1.
EMBEDDINGS = wide([[1, 1], [0, 2]])


def mean(summed):
    return float(summed.mean())


def test_the_papers_feature_map_transfer_by_hand():
    # Squares 1, 1 and 25, 9: means over features 1 and 17, over tokens 9.
    found = feature_map_transfer(STUDENT, TEACHER, form=PAPER)
    assert mean(found) == pytest.approx(9)
    assert float(found.units) == 2


@pytest.mark.parametrize(
    ("factors", "wanted"),
    [
        # Normalised maps differ by 1, 1 and 2, 2: squares 1 and 4, mean 2.5.
        (TransferFactors(feature_map=1, mean=0, variance=0), 2.5),
        # Means differ by 0 and 1.
        (TransferFactors(feature_map=0, mean=1, variance=0), 0.5),
        # Variances differ by 1 and 0.
        (TransferFactors(feature_map=0, mean=0, variance=1), 0.5),
        # 100, 5000 and 5 times these.
        (None, 2752.5),
    ],
)
def test_the_codes_feature_map_transfer_by_hand(factors, wanted):
    found = feature_map_transfer(STUDENT, TEACHER, factors=factors)
    assert mean(found) == pytest.approx(wanted, rel=1e-10)


def test_statistics_of_all_maps_by_hand():
    # Means of the student against the embeddings' and the map's: 1, 1, 0, 1, of which the mean is
    # 0.75; variances: 1, 3, 1, 0, mean 1.25. 250 + 5000 * 0.75 + 5 * 1.25.
    statistics = stacked_statistics([EMBEDDINGS, TEACHER])
    found = feature_map_transfer(STUDENT, TEACHER, statistics=statistics)
    assert mean(found) == pytest.approx(4006.25, rel=1e-10)


def code_by_numpy(student, teacher, factors=(100, 5000, 5)):
    def normalized(x):
        return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)

    terms = (
        ((normalized(teacher) - normalized(student)) ** 2).mean(),
        ((teacher.mean(-1) - student.mean(-1)) ** 2).mean(),
        np.abs(teacher.var(-1) - student.var(-1)).mean(),
    )
    return sum(factor * term for factor, term in zip(factors, terms, strict=True))


def test_feature_maps_of_models_as_in_numpy():
    student, teacher = student_of(), teacher_of()
    batch = batch_of(student.config)
    mine, theirs = (inside(model, batch).hidden_states[2] for model in (student, teacher))
    arrays = mine.detach().numpy(), theirs.detach().numpy()
    found = feature_map_transfer(mine, theirs)
    assert_close(found.mean().detach(), code_by_numpy(*arrays), FLOAT64)
    assert relative_error(found.mean().detach(), code_by_numpy(*arrays, (100, 5000, 6))) > FLOAT64
    paper = feature_map_transfer(mine, theirs, form=PAPER)
    assert_close(paper.mean().detach(), ((arrays[0] - arrays[1]) ** 2).mean(), FLOAT64)


# Of one sequence, two heads and two tokens. The teacher's and the student's probabilities differ
# in the first row of the first head alone.
HALVES = [[0.5, 0.5], [0.5, 0.5]]
ATTENTIONS = (
    wide([[[[0.25, 0.75], [0.25, 0.75]], HALVES]]).log(),
    wide([[[[0.5, 0.5], [0.25, 0.75]], HALVES]]).log(),
)


def test_attention_transfer_by_hand():
    # 1/2 ln(2) + 1/2 ln(2/3), over two tokens and two heads.
    found = attention_transfer([ATTENTIONS[0]], [ATTENTIONS[1]], 2, form=PAPER)
    assert mean(found) == pytest.approx(math.log(4 / 3) / 2 / 4)
    # 1/2 ln 4 + 1/2 ln(4/3); 1/4 ln 4 + 3/4 ln(4/3); twice ln 2.
    rows = 0.5 * math.log(16 / 3), math.log(4) - 0.75 * math.log(3), 2 * math.log(2)
    found = attention_transfer([ATTENTIONS[0]], [ATTENTIONS[1]], 2)
    assert mean(found) == pytest.approx(sum(rows) / 4)
    tripled = attention_transfer([ATTENTIONS[0]], [ATTENTIONS[1]], 2, factor=3.0)
    assert mean(tripled) == pytest.approx(3 * sum(rows) / 4)


@pytest.mark.parametrize("form", TransferForm)
def test_padding_adds_nothing_to_attention_transfer(form):
    wanted = attention_transfer([ATTENTIONS[0]], [ATTENTIONS[1]], 2, form=form)
    padded = [torch.full((1, 2, 4, 4), LOWEST, dtype=torch.float64) for _ in ATTENTIONS]
    for square, real in zip(padded, ATTENTIONS, strict=True):
        square[:, :, :2, :2] = real
    padded[0].requires_grad_()
    found = attention_transfer([padded[0]], [padded[1]], 2, form=form)
    assert_close(found.mean().detach(), wanted.mean(), FLOAT64)
    found.total.backward()
    assert not padded[0].grad[:, :, 2:].any()
    assert not padded[0].grad[:, :, :, 2:].any()


def test_attentions_of_models_as_in_numpy():
    student, teacher = student_of(), teacher_of()
    batch = batch_of(student.config)
    layout = batch.layout(4)
    assert any(group.mask is not None for group in layout.groups)
    mine, theirs = (inside(model, batch).attentions[1] for model in (student, teacher))
    divergence = entropy = 0.0
    for ours, other in zip(
        *(attention_squares(x, batch, layout) for x in (mine, theirs)), strict=True
    ):
        q, p = ours.detach().exp().numpy(), other.detach().exp().numpy()
        divergence += (p * np.log(p / q)).sum() / 4
        entropy -= (p * np.log(q)).sum() / 4
    tokens = sum(LENGTHS)
    paper = attention_transfer(mine, theirs, tokens, form=PAPER)
    code = attention_transfer(mine, theirs, tokens)
    assert_close(paper.mean().detach(), divergence / tokens, FLOAT64)
    assert_close(code.mean().detach(), entropy / tokens, FLOAT64)
    assert relative_error(code.mean().detach(), divergence / tokens) > FLOAT64


def reached(model, total):
    model.zero_grad()
    total.backward()
    return {n: x.grad.clone() for n, x in model.named_parameters() if x.grad is not None}


def test_divergence_and_cross_entropy_have_equal_gradients():
    student, teacher = student_of(), teacher_of()
    batch = batch_of(student.config)
    theirs = inside(teacher, batch).attentions[1]
    found = [
        reached(student, attention_transfer(mine, theirs, 1, form=form).total)
        for form in TransferForm
        for mine in [inside(student, batch).attentions[1]]
    ]
    for name, gradient in found[0].items():
        assert_close(found[1][name], gradient, FLOAT64, name)
    assert any(bool(gradient.any()) for gradient in found[0].values())


@pytest.mark.parametrize("form", TransferForm)
def test_the_teacher_gets_no_gradients(form):
    student, teacher = student_of(), teacher_of()
    batch = batch_of(student.config)
    mine, theirs = inside(student, batch), inside(teacher, batch)
    statistics = stacked_statistics(theirs.hidden_states)
    maps = feature_map_transfer(
        mine.hidden_states[1], theirs.hidden_states[1], form=form, statistics=statistics
    )
    attentions = attention_transfer(mine.attentions[0], theirs.attentions[0], 1, form=form)
    (maps.total + attentions.total).backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert student.mobilebert.encoder.layer[0].output.bottleneck.dense.weight.grad.any()


def test_derivatives():
    drawn = torch.Generator().manual_seed(0)
    rows, others = (torch.randn(3, 4, generator=drawn, dtype=torch.float64) for _ in range(2))
    scores, wanted = (
        torch.randn(2, 2, 3, 3, generator=drawn, dtype=torch.float64).log_softmax(-1)
        for _ in range(2)
    )
    rows.requires_grad_()
    scores.requires_grad_()
    for form in TransferForm:
        assert torch.autograd.gradcheck(
            lambda x, form=form: feature_map_transfer(x, others, form=form).total, (rows,)
        )
        assert torch.autograd.gradcheck(
            lambda x, form=form: attention_transfer([x], [wanted], 3, form=form).total, (scores,)
        )


def test_a_student_that_equals_its_teacher_has_no_loss():
    for form in TransferForm:
        assert mean(feature_map_transfer(TEACHER, TEACHER, form=form)) == 0
    assert mean(attention_transfer([ATTENTIONS[1]], [ATTENTIONS[1]], 2, form=PAPER)) == 0


def test_sums_are_of_float32_in_bfloat16_autocast():
    student, teacher = student_of(dtype=torch.float32), teacher_of(dtype=torch.float32)
    batch = batch_of(student.config)

    def losses():
        mine, theirs = inside(student, batch), inside(teacher, batch)
        return (
            feature_map_transfer(mine.hidden_states[1], theirs.hidden_states[1]).mean(),
            attention_transfer(mine.attentions[0], theirs.attentions[0], batch.ids.numel()).mean(),
        )

    wanted = losses()
    with torch.autocast("cpu", torch.bfloat16):
        found = losses()
    for loss, other in zip(found, wanted, strict=True):
        assert loss.dtype == torch.float32
        assert_close(loss.detach() / other.detach(), 1.0, BFLOAT16)


def test_a_small_mistake_is_noticed():
    wanted = feature_map_transfer(STUDENT, TEACHER).mean()
    moved = feature_map_transfer(STUDENT + SMALL_MISTAKE, TEACHER).mean()
    assert relative_error(moved, wanted) > FLOAT64
    statistics = map_statistics(STUDENT)
    assert_close(statistics.variance, [1, 4], FLOAT64)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: feature_map_transfer(torch.zeros(2, 3), torch.zeros(2, 4)),
            r"student's maps have shape \(2, 3\), the teacher's \(2, 4\)",
        ),
        (
            lambda: attention_transfer([torch.zeros(1, 2, 3, 3)], [torch.zeros(1, 4, 3, 3)], 3),
            r"attentions have shape \(1, 2, 3, 3\), the teacher's \(1, 4, 3, 3\)",
        ),
        (
            lambda: attention_transfer([torch.zeros(1, 2, 3, 3)], [], 3),
            "1 groups of attentions of the student, and 0",
        ),
        (lambda: TransferFactors(mean=-1), "mean is -1; allowed is a number of at least 0"),
        (lambda: TransferFactors(variance=math.nan), "variance is nan"),
    ],
)
def test_what_cannot_be_compared(call, said):
    with pytest.raises(InputError, match=said):
        call()
