"""Layers of models of different depths."""

from itertools import pairwise

import pytest

from mobilebert.distillation.layer_mapping import LayerMapping
from mobilebert.errors import InputError


@pytest.mark.parametrize(
    ("student", "teacher", "rule", "wanted"),
    [
        (3, 3, "last-of-group", (0, 1, 2)),
        (3, 3, "uniform", (0, 1, 2)),
        # The example of Model Garden's code.
        (6, 24, "last-of-group", (3, 7, 11, 15, 19, 23)),
        (6, 24, "uniform", (0, 5, 9, 14, 18, 23)),
        (4, 6, "uniform", (0, 2, 3, 5)),
        (1, 7, "uniform", (6,)),
        (2, 5, (1, 4), (1, 4)),
        (3, 2, (0, 1, 1), (0, 1, 1)),
    ],
)
def test_mapped_layers(student, teacher, rule, wanted):
    assert LayerMapping.between(student, teacher, rule).layers == wanted


def test_uniform_mappings_begin_and_end_with_the_teacher_and_rise():
    for teacher in range(2, 30):
        for student in range(2, teacher + 1):
            layers = LayerMapping.between(student, teacher, "uniform").layers
            assert (layers[0], layers[-1]) == (0, teacher - 1)
            gaps = {b - a for a, b in pairwise(layers)}
            assert min(gaps) >= 1
            assert max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize(
    ("student", "teacher", "rule", "said"),
    [
        (5, 24, "last-of-group", "teacher's 24 layers cannot be cut into 5 groups"),
        (8, 4, "last-of-group", "student's 8 layers are more than the teacher's 4"),
        (8, 4, "uniform", "student's 8 layers are more than the teacher's 4"),
        (2, 4, "first", "no rule 'first'.* last-of-group, uniform"),
        (2, 4, (1,), "1 of the teacher's layers are given, and the student has 2"),
        (2, 4, (1, 4), "given as 1, 4; it has 4, so that allowed are 0 to 3"),
        (2, 4, (3, 1), "given as 3, 1; each has to be at or above"),
        (0, 4, (), "given as none"),
    ],
)
def test_layers_that_do_not_map(student, teacher, rule, said):
    with pytest.raises(InputError, match=said):
        LayerMapping.between(student, teacher, rule)
