import pytest

from mobilebert.errors import InputError
from mobilebert.tasks import (
    PIPELINE_TASKS,
    TASKS,
    resolve_pipeline_task,
    resolve_task,
    task_of_architecture,
)

SPELLINGS = {
    "masked_lm": ["masked_lm", "fill-mask", "fill_mask", "masked-lm", "Fill-Mask"],
    "sequence_classification": [
        "sequence_classification",
        "text-classification",
        "sentiment-analysis",
        "zero-shot-classification",
    ],
    "token_classification": ["token_classification", "token-classification", "ner"],
    "question_answering": ["question_answering", "question-answering"],
    "multiple_choice": ["multiple_choice", "multiple-choice"],
    "next_sentence_prediction": ["next_sentence_prediction", "next-sentence-prediction"],
    "feature_extraction": ["feature_extraction", "feature-extraction"],
    "pretraining": ["pretraining"],
}


@pytest.mark.parametrize(
    ("spelling", "name"), [(s, name) for name, many in SPELLINGS.items() for s in many]
)
def test_every_spelling_finds_its_row(spelling, name):
    assert resolve_task(spelling) is TASKS[name]


def test_rows_cover_the_documented_classes():
    assert {row.class_name for row in TASKS.values()} == {
        "MobileBertModel",
        "MobileBertForPreTraining",
        "MobileBertForMaskedLM",
        "MobileBertForNextSentencePrediction",
        "MobileBertForSequenceClassification",
        "MobileBertForMultipleChoice",
        "MobileBertForTokenClassification",
        "MobileBertForQuestionAnswering",
    }
    for row in TASKS.values():
        assert task_of_architecture(row.class_name) is row
        assert task_of_architecture(f"TF{row.class_name}") is row
    assert task_of_architecture("BertModel") is None


def test_zero_shot_is_a_task_of_its_own_on_a_classifier():
    assert resolve_pipeline_task("zero_shot_classification") == "zero-shot-classification"
    assert PIPELINE_TASKS["zero-shot-classification"] is TASKS["sequence_classification"]


@pytest.mark.parametrize("name", ["translation", "", None, 3, "pre training"])
def test_an_unknown_task_lists_the_known_ones(name):
    with pytest.raises(InputError, match=r"Unknown task .*fill-mask.*token-classification"):
        resolve_pipeline_task(name)
