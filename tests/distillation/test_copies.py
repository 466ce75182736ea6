"""What a student takes over."""

import pytest
import torch

from distillation.transfers import student_of, teacher_of
from mobilebert.distillation.choices import EmbeddingNorm
from mobilebert.distillation.copies import copy_from_teacher
from mobilebert.errors import InputError

NORM = "mobilebert.embeddings.LayerNorm.weight"


def named(model):
    return {name: x.detach().clone() for name, x in model.named_parameters()}


@pytest.mark.parametrize("norm", EmbeddingNorm)
def test_embeddings_and_heads_are_copied_and_layers_are_not(norm):
    student, teacher = student_of(), teacher_of()
    before, theirs = named(student), named(teacher)
    found = copy_from_teacher(student, teacher, norm)
    after = named(student)
    assert set(found.copied) | {name for name, _ in found.left} == set(after)
    for name, parameter in after.items():
        is_norm = "embeddings.LayerNorm" in name
        taken = norm is EmbeddingNorm.COPIED if is_norm else "encoder." not in name
        assert (name in found.copied) is taken, name
        assert torch.equal(parameter, theirs[name] if taken else before[name]), name
        assert not torch.equal(before[name], theirs.get(name, before[name][:0])), name


def test_norms_of_one_kind_are_copied():
    student, teacher = student_of(normalization_type="layer_norm"), teacher_of()
    assert NORM in copy_from_teacher(student, teacher).copied


def test_reasons():
    student, teacher = student_of(), teacher_of("masked_lm")
    left = dict(copy_from_teacher(student, teacher).left)
    assert left["cls.seq_relationship.weight"] == "the teacher has none"
    assert left[NORM] == "the norm of the embeddings is of another kind"
    assert "learned" in left["mobilebert.encoder.layer.0.attention.self.query.weight"]


def test_a_raw_pooler_has_nothing_to_copy():
    student, teacher = student_of(), teacher_of(classifier_activation=False)
    left = dict(copy_from_teacher(student, teacher).left)
    assert left["mobilebert.pooler.dense.weight"] == "the teacher has none"


def test_a_student_with_a_decoder_of_its_own_takes_the_teachers_table():
    student, teacher = student_of(tie_word_embeddings=False), teacher_of()
    copy_from_teacher(student, teacher)
    assert torch.equal(
        student.cls.predictions.decoder.weight, teacher.cls.predictions.decoder.weight
    )


def test_shapes_that_differ_copy_nothing():
    student, teacher = student_of(), teacher_of(max_position_embeddings=50)
    before = named(student)
    with pytest.raises(InputError, match=r"position_embeddings.*\(40, 32\).*\(50, 32\)"):
        copy_from_teacher(student, teacher)
    assert all(torch.equal(before[name], x) for name, x in named(student).items())
    with pytest.raises(InputError, match="no choice 'no'.* same-kind, copied"):
        copy_from_teacher(student, teacher, "no")
