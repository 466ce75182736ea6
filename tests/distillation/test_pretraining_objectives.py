"""Masked words and next sentences: values by hand, and the two meanings of a temperature."""

import math

import pytest
import torch

from assertions import assert_close, relative_error
from distillation.transfers import student_of, teacher_of
from mobilebert.distillation.choices import TransferForm
from mobilebert.distillation.objectives import next_sentence, pretraining_distillation
from mobilebert.errors import InputError
from mobilebert.torch.packed import masked_lm_scores
from tolerances import FLOAT64

PAPER, CODE = TransferForm.PAPER, TransferForm.CODE


def saying(model, probabilities):
    """Make a model say the same of every word."""
    head = model.cls.predictions
    with torch.no_grad():
        head.decoder.weight.zero_()
        head.dense.weight.zero_()
        head.bias.copy_(torch.tensor(probabilities, dtype=torch.float64).log())
    return model


def rows_of(model, count=1, seed=0):
    drawn = torch.Generator().manual_seed(seed)
    return torch.randn(count, model.config.hidden_size, generator=drawn, dtype=torch.float64)


@pytest.mark.parametrize(
    ("share", "wanted"),
    [
        # The target is (1/2 + 1/8, 1/8, 1/4), the logarithms are -1, -2 and -2 times ln 2.
        (0.5, 1.375),
        (1.0, 1.0),
        # (1/4, 1/4, 1/2)
        (0.0, 1.75),
    ],
)
def test_mixed_targets_by_hand(share, wanted):
    student = saying(student_of(vocab_size=3), (0.5, 0.25, 0.25))
    teacher = saying(teacher_of(vocab_size=3), (0.25, 0.25, 0.5))
    found = pretraining_distillation(
        student,
        rows_of(student, 2),
        torch.tensor([0, 0]),
        teacher,
        rows_of(teacher, 2),
        hard_share=share,
        form=PAPER,
    )
    assert float(found.mean().detach()) == pytest.approx(wanted * math.log(2))
    assert float(found.units) == 2


def test_the_code_adds_a_little_to_the_number_of_words():
    student = saying(student_of(vocab_size=3), (0.5, 0.25, 0.25))
    found = pretraining_distillation(
        student, rows_of(student, 2), torch.tensor([0, 1]), hard_share=1.0
    )
    assert float(found.total.detach()) == pytest.approx(3 * math.log(2))
    assert float(found.mean().detach()) == pytest.approx(3 * math.log(2) / (2 + 1e-5), rel=1e-7)


def test_a_temperature_in_the_code_multiplies_the_teachers_state():
    student, teacher = student_of(), teacher_of()
    rows, theirs = rows_of(student, 4), rows_of(teacher, 4, 1)
    labels = torch.arange(4)

    def by_formula(scores, temperature=1.0):
        logs = (masked_lm_scores(student, rows) / temperature).log_softmax(-1)
        return -((scores / temperature).softmax(-1) * logs).sum(-1).mean() * temperature**2

    options = {"hard_share": 0.0, "temperature": 2.0}
    with torch.no_grad():
        code, paper = (
            pretraining_distillation(student, rows, labels, teacher, theirs, form=form, **options)
            for form in (CODE, PAPER)
        )
        assert_close(code.total / 4, by_formula(masked_lm_scores(teacher, 2 * theirs)), FLOAT64)
        assert_close(paper.mean(), by_formula(masked_lm_scores(teacher, theirs), 2.0), FLOAT64)
        assert relative_error(code.total / 4, paper.mean()) > FLOAT64


def test_gradients_reach_the_student_alone():
    student, teacher = student_of(), teacher_of()
    rows, theirs = (rows_of(model, 4).requires_grad_() for model in (student, teacher))
    pretraining_distillation(student, rows, torch.arange(4), teacher, theirs).total.backward()
    assert theirs.grad is None
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert rows.grad.any()
    assert student.cls.predictions.dense.weight.grad.any()


def test_next_sentences_by_hand():
    # Probabilities 1/4 and 3/4; the last does not count.
    scores = torch.tensor([[0.0, math.log(3)]] * 3, dtype=torch.float64)
    found = next_sentence(scores, torch.tensor([1, 0, -100]))
    assert float(found.total.detach()) == pytest.approx(math.log(4 / 3) + math.log(4))
    assert float(found.units) == 2


def test_a_teacher_is_needed_for_soft_targets():
    student = student_of()
    with pytest.raises(InputError, match=r"hard_share is 0.5, so a teacher is needed"):
        pretraining_distillation(student, rows_of(student), torch.tensor([1]))
