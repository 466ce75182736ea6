"""Teachers that cannot teach a student, and why."""

import pytest

from distillation.transfers import student_of, teacher_of
from mobilebert.distillation.choices import TransferFactors
from mobilebert.distillation.compatibility import (
    Partner,
    TeacherOutput,
    check_partners,
    outputs_of,
)
from mobilebert.distillation.layer_mapping import LayerMapping
from mobilebert.distillation.strategies import joint, pretraining_stage, progressive
from mobilebert.errors import InputError
from models import small_config

STAGES = progressive(2, 4, 4)
SAME = LayerMapping.between(2, 2)


def partners(vocabularies=("a", "a"), outputs=frozenset(TeacherOutput), student=None, **teacher):
    ours = small_config(**student or {})
    theirs = small_config("teacher", **teacher)
    return (
        Partner(config=ours, vocabulary=vocabularies[0]),
        Partner(config=theirs, vocabulary=vocabularies[1], outputs=outputs),
    )


def test_partners_that_fit():
    check_partners(*partners(), STAGES, SAME, length=40)
    check_partners(*partners(("a", None)), STAGES, SAME)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"vocabularies": ("a", "b")}, "vocabulary: a of the student, b of the teacher"),
        ({"vocab_size": 98}, "vocab_size: 97 of the student, 98 of the teacher"),
        ({"hidden_size": 48}, "hidden_size: 32 of the student, 48 of the teacher"),
        ({"embedding_size": 8}, "embedding_size: 16 of the student, 8 of the teacher"),
        ({"trigram_input": False}, "trigram_input: True of the student, False of the teacher"),
        ({"type_vocab_size": 3}, "type_vocab_size: 2 of the student, 3 of the teacher"),
        ({"max_position_embeddings": 30}, "max_position_embeddings: 40 of the student, 30 of"),
        (
            {"num_attention_heads": 8},
            "attention heads of layer 0 and of layer 0: 4 of the student, 8 of the teacher",
        ),
        (
            {"pruned_heads": {1: [0]}},
            "attention heads of layer 1 and of layer 1: 4 of the student, 3 of the teacher",
        ),
        (
            {"outputs": frozenset({TeacherOutput.FEATURE_MAPS})},
            "gives no attentions, which the stages need; the teacher gives no scores of masked",
        ),
        ({"outputs": frozenset()}, "gives no feature maps"),
        ({"num_hidden_layers": 3}, "mapped from 2 of a student to 2 .* these have 2 and 3"),
        ({"student": {"num_hidden_layers": 3}}, "layer-00 is for a student of 2 layers"),
    ],
)
def test_partners_that_do_not_fit(choice, said):
    with pytest.raises(InputError, match=said):
        check_partners(*partners(**choice), STAGES, SAME)


def test_everything_that_is_wrong_is_named():
    with pytest.raises(InputError, match=r"vocab_size.*hidden_size.*embedding_size"):
        check_partners(*partners(vocab_size=98, hidden_size=48, embedding_size=8), STAGES, SAME)


def test_only_what_is_needed_has_to_fit():
    distillation = (pretraining_stage(2, 4),)
    other = partners(hidden_size=48, num_attention_heads=8, embedding_size=8)
    check_partners(*other, distillation, SAME, copies=False)
    check_partners(*partners(num_hidden_layers=3), distillation, None)
    maps = joint(2, 4, 0, factors=TransferFactors(attention=0))
    check_partners(*partners(num_attention_heads=8), maps, SAME)
    only_maps = frozenset({TeacherOutput.FEATURE_MAPS})
    check_partners(*partners(outputs=only_maps), maps, SAME)


def test_layers_that_are_compared_have_to_be_mapped():
    with pytest.raises(InputError, match="stages compare layers; give the mapping"):
        check_partners(*partners(), STAGES, None)


def test_texts_longer_than_a_model_reads():
    with pytest.raises(InputError, match="40 of the student, and the data has texts of 64 tokens"):
        check_partners(*partners(), STAGES, SAME, length=64)


def test_what_models_give():
    assert outputs_of(student_of()) == set(TeacherOutput)
    assert TeacherOutput.WORD_SCORES not in outputs_of(teacher_of("feature_extraction"))
