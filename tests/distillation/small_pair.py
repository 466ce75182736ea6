"""A teacher and a student on disk, neither of them trained, and runs of both."""

import pytest

from mobilebert.config import MobileBertConfig
from mobilebert.distillation.distill import distill
from mobilebert.torch.models import MobileBertForPreTraining
from pretraining.small_text import small_tokenizer, write_config

__all__ = ["LAYERS", "SETTINGS", "distilled", "student", "teacher"]

LAYERS = 2
# 5 steps of each layer and 8 of words; 6 steps read all sequences once.
SETTINGS = {
    "batch_size": 16,
    "learning_rate": 1e-4,
    "checkpoint_every": 3,
    "transfer_steps": 10,
    "distillation_steps": 8,
    "warmup": 0.2,
}


@pytest.fixture(scope="session")
def student(tmp_path_factory, tokenizer):
    directory = tmp_path_factory.mktemp("small-student")
    return write_config(directory, len(tokenizer), num_hidden_layers=LAYERS)


@pytest.fixture(scope="session")
def teacher(tmp_path_factory, tokenizer):
    directory = tmp_path_factory.mktemp("small-teacher")
    file = write_config(directory, len(tokenizer), "teacher", num_hidden_layers=LAYERS)
    config = MobileBertConfig.from_json_file(file)
    MobileBertForPreTraining(config).save_pretrained(directory)
    return small_tokenizer(directory)


@pytest.fixture
def distilled(teacher, student, prepared, tmp_path):
    """Distil into a directory of the test."""

    def distilled(name="model", **options):
        given = {"data": prepared, "teacher": teacher, "student": student} | SETTINGS | options
        return distill(output=tmp_path / name, **given)

    return distilled
