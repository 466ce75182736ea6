"""Teachers that a run takes, and those that it refuses before anything is made."""

import shutil

import pytest
import torch

from distillation.small_pair import LAYERS, distilled, student, teacher
from mobilebert import MobileBertForMaskedLM, MobileBertForPreTraining
from mobilebert.errors import CheckpointError, InputError
from pretraining.small_fixtures import prepared, tokenizer, tokenizer_dir
from pretraining.small_text import WORDS, small_tokenizer, write_config

__all__ = ["distilled", "prepared", "student", "teacher", "tokenizer", "tokenizer_dir"]

# A few steps of the teacher's words.
WORDS_ALONE = {"strategy": "distillation", "transfer_steps": None, "distillation_steps": 2}


def saved_as(kind, teacher, directory):
    """Save a teacher with the heads that another class has."""
    kind.from_pretrained(teacher).save_pretrained(directory)
    return small_tokenizer(directory)


def test_a_teacher_of_masked_words_alone_teaches_them(distilled, teacher, tmp_path):
    masked = saved_as(MobileBertForMaskedLM, teacher, tmp_path)
    result = distilled(teacher=masked, **WORDS_ALONE)
    (first, _) = (entry["parts"] for entry in result.history if "loss" in entry)
    assert first.keys() == {"masked words", "next sentence"}


@pytest.mark.parametrize("value", [torch.nan, -torch.inf])
def test_a_teacher_whose_weights_are_no_numbers_is_refused(distilled, teacher, tmp_path, value):
    broken = "mobilebert.encoder.layer.1.output.dense.bias"
    model = MobileBertForPreTraining.from_pretrained(teacher)
    with torch.no_grad():
        model.get_parameter(broken)[3] = value
    model.save_pretrained(tmp_path / "broken")
    small_tokenizer(tmp_path / "broken")
    with pytest.raises(CheckpointError, match=f"broken has .* no numbers, in {broken}: give"):
        distilled(teacher=tmp_path / "broken")
    assert not (tmp_path / "model").exists()


def test_a_teacher_of_other_words_is_refused(distilled, teacher, tokenizer_dir, tmp_path):
    other = shutil.copytree(teacher, tmp_path / "other")
    small_tokenizer(other, WORDS[::-1])  # as many, in another order
    with pytest.raises(InputError, match="cannot teach this student. vocabulary: "):
        distilled(teacher=other, tokenizer=tokenizer_dir)
    assert not (tmp_path / "model").exists()


def test_a_teacher_without_a_tokenizer_needs_one_that_is_given(
    distilled, teacher, tokenizer_dir, tmp_path
):
    bare = tmp_path / "bare"
    MobileBertForPreTraining.from_pretrained(teacher).save_pretrained(bare)
    with pytest.raises(CheckpointError, match="bare.* has neither vocab"):
        distilled(teacher=bare, **WORDS_ALONE)
    result = distilled(teacher=bare, tokenizer=tokenizer_dir, **WORDS_ALONE)
    assert (result.output_dir / "vocab.txt").exists()
    # What is left of a tokenizer might be one of other words.
    (bare / "tokenizer_config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="bare.* has neither vocab"):
        distilled("other", teacher=bare, tokenizer=tokenizer_dir, **WORDS_ALONE)


def test_layers_that_nothing_compares_need_not_map(distilled, tokenizer, tmp_path):
    deeper = write_config(tmp_path, len(tokenizer), num_hidden_layers=LAYERS + 1)
    result = distilled(student=deeper, **WORDS_ALONE)
    assert result.model.config.num_hidden_layers == LAYERS + 1
    assert [entry["stage"] for entry in result.history if "loss" in entry] == ["distillation"] * 2
