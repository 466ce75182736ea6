"""Soft targets, scored a few rows at a time, against the plain formula."""

import pytest
import torch
from torch.nn import functional as F

from assertions import assert_close, relative_error
from mobilebert.errors import InputError
from mobilebert.torch import packed_vocabulary
from mobilebert.torch.packed import SoftTargets, masked_lm_loss, masked_lm_scores
from tolerances import BFLOAT16, FLOAT32, FLOAT64, SMALL_MISTAKE
from torch_models import build

ROWS = 7


@pytest.fixture(autouse=True)
def _few_rows(monkeypatch):
    monkeypatch.setattr(packed_vocabulary, "_ROWS", 3)
    monkeypatch.setattr(packed_vocabulary, "_CACHED_NUMBERS", 97)
    monkeypatch.setattr(packed_vocabulary, "_COLUMNS", 10)
    monkeypatch.setattr(packed_vocabulary, "_WORDS", 20)


def drawn(model, seed=0):
    """Rows of a last state."""
    shape, rng = (ROWS, model.config.hidden_size), torch.Generator().manual_seed(seed)
    rows = torch.randn(shape, generator=rng, dtype=torch.float64).to(model.dtype)
    return rows.requires_grad_()


def models(dtype=torch.float64):
    student = build("masked_lm", dtype=dtype)
    teacher = build("masked_lm", "teacher", dtype=dtype, hidden_size=48, intra_bottleneck_size=64)
    return student, teacher


def plain_loss(student, rows, labels, soft):
    """The formula, with everything in memory: -sum(target log p), a row of a vocabulary each."""
    scores = masked_lm_scores(student, rows)
    with torch.no_grad():
        theirs = masked_lm_scores(soft.teacher, soft.rows) / soft.temperature
    by_teacher = -(theirs.softmax(-1) * (scores / soft.temperature).log_softmax(-1)).sum(-1)
    hard = F.cross_entropy(scores, labels)
    share = soft.hard_share
    return share * hard + (1 - share) * soft.temperature**2 * by_teacher.mean()


def gradients(student, rows, loss):
    student.zero_grad()
    rows.grad = None
    loss.backward()
    named = dict(student.named_parameters()) | {"rows": rows}
    return {name: x.grad.clone() for name, x in named.items() if x.grad is not None}


LABELS = torch.tensor([1, 2, 3, 4, 96, 0, 7])


@pytest.mark.parametrize(("share", "temperature"), [(0.5, 1.0), (0.0, 1.0), (1.0, 1.0), (0.3, 2.5)])
def test_soft_targets_are_those_of_the_formula(share, temperature):
    student, teacher = models()
    rows, theirs = drawn(student), drawn(teacher, 1)
    soft = SoftTargets(teacher, theirs, share, temperature)
    found, wanted = (f(student, rows, LABELS, soft) for f in (masked_lm_loss, plain_loss))
    assert_close(found.detach(), wanted.detach(), FLOAT64)
    ours = gradients(student, rows, 0.25 * found)
    for name, gradient in gradients(student, rows, 0.25 * wanted).items():
        assert_close(ours[name], gradient, FLOAT64, name)
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert theirs.grad is None


def test_a_small_mistake_of_the_teacher_is_noticed():
    student, teacher = models()
    rows, theirs = drawn(student), drawn(teacher, 1)
    wanted = masked_lm_loss(student, rows, LABELS, SoftTargets(teacher, theirs)).detach()
    with torch.no_grad():
        teacher.cls.predictions.bias[3] += SMALL_MISTAKE
    found = masked_lm_loss(student, rows, LABELS, SoftTargets(teacher, theirs)).detach()
    assert relative_error(found, wanted) > FLOAT64


def test_hard_targets_alone_need_no_teacher():
    student, teacher = models()
    rows = drawn(student)
    found = masked_lm_loss(student, rows, LABELS, SoftTargets(teacher, drawn(teacher), 1.0))
    assert_close(found.detach(), masked_lm_loss(student, rows, LABELS).detach(), FLOAT64)


def test_a_frozen_head_gets_no_gradients():
    student, teacher = models()
    student.requires_grad_(False)
    rows = drawn(student)
    soft = SoftTargets(teacher, drawn(teacher, 1))
    found = gradients(student, rows, masked_lm_loss(student, rows, LABELS, soft))
    wanted = gradients(student, rows, plain_loss(student, rows, LABELS, soft))
    assert set(found) == set(wanted) == {"rows"}
    assert_close(found["rows"], wanted["rows"], FLOAT64)


@pytest.mark.parametrize("more", [1, 4])  # in three slices, and in one
def test_bfloat16_autocast_sums_in_float32(more, monkeypatch):
    monkeypatch.setattr(packed_vocabulary, "_MORE_ROWS", more)
    student, teacher = models(torch.float32)
    rows = drawn(student)
    soft = SoftTargets(teacher, drawn(teacher, 1).detach())
    wanted = masked_lm_loss(student, rows, LABELS, soft)
    theirs = gradients(student, rows, wanted)
    with torch.autocast("cpu", torch.bfloat16):
        found = masked_lm_loss(student, rows, LABELS, soft)
    assert found.dtype == torch.float32
    assert_close(found.detach(), wanted.detach(), BFLOAT16)
    for name, gradient in gradients(student, rows, found).items():
        assert_close(gradient, theirs[name], BFLOAT16, name)


def test_float16_weights():
    student, teacher = models(torch.float32)
    rows, theirs = drawn(student).detach(), drawn(teacher, 1).detach()
    halves = student.half(), teacher.half()
    found = masked_lm_loss(halves[0], rows, LABELS, SoftTargets(halves[1], theirs))
    wide = [model.float() for model in halves]
    wanted = masked_lm_loss(wide[0], rows, LABELS, SoftTargets(wide[1], theirs))
    assert_close(found.detach(), wanted.detach(), FLOAT32)


def test_teachers_that_do_not_fit():
    student, teacher = models()
    rows = drawn(student)
    with pytest.raises(InputError, match="6 rows and 97 words, the student 7 and 97"):
        masked_lm_loss(student, rows, LABELS, SoftTargets(teacher, drawn(teacher)[:6]))
    other = build("masked_lm", vocab_size=98, dtype=torch.float64)
    with pytest.raises(InputError, match="7 rows and 98 words"):
        masked_lm_loss(student, rows, LABELS, SoftTargets(other, drawn(other)))


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"hard_share": 1.5}, "hard_share is 1.5; allowed are 0 to 1"),
        ({"temperature": 0.0}, "temperature is 0.0; allowed is a number above 0"),
    ],
)
def test_numbers_outside_their_range(numbers, said):
    with pytest.raises(InputError, match=said):
        SoftTargets(None, torch.zeros(1, 2), **numbers)


def test_the_masked_loss_in_bfloat16_autocast():
    model = build("masked_lm")
    rows, labels = torch.randn(20, model.config.hidden_size), torch.arange(20)
    wanted = masked_lm_loss(model, rows, labels)
    with torch.autocast("cpu", torch.bfloat16):
        found = masked_lm_loss(model, rows, labels)
    assert found.dtype == torch.float32
    assert_close(found.detach(), wanted.detach(), BFLOAT16)
