import numpy as np
import pytest

import mobilebert
from assertions import assert_close
from mobilebert.datasets.items import Answer, ChoiceItem, FinetuneTask, QuestionItem
from mobilebert.errors import InputError
from mobilebert.pipelines.kept_parameters import keep_parameters
from mobilebert.pipelines.null_answers import store_null_threshold
from mobilebert.training.evaluation import evaluate_items
from mobilebert.training.evaluation_results import JudgingOptions
from mobilebert.training.settings import FinetuneSettings
from mobilebert.training.treatment import judging_parameters, parameters_to_keep
from tolerances import FLOAT32
from training.scripted import ScriptedBackend

ANSWERS, CHOICES = FinetuneTask.QUESTION_ANSWERING, FinetuneTask.MULTIPLE_CHOICE


def asked(line, question, context, *answers):
    places = tuple(Answer(text, context.index(text)) for text in answers)
    return QuestionItem(f"f.json, line {line}", str(line), question, context, places)


def pointing(tokenizer):
    """A model that answers with the words of the question, or with [CLS] where they are not."""

    def script(ids, types):
        ids = ids.tolist()
        end = ids.index(102)
        question, context = ids[1:end], ids[end + 1 : -1]
        start = last = 0
        for place in range(len(context) - len(question) + 1):
            if context[place : place + len(question)] == question:
                start, last = end + 1 + place, end + place + len(question)
        logits = np.full((2, len(ids)), -9.0)
        logits[0, start], logits[1, last] = 9.0, 9.0
        return logits[0], logits[1]

    return ScriptedBackend("question-answering", script)


CONTEXT = "The old king died in 1066 near the sea"


def test_answers_by_the_official_metric(tokenizer):
    items = [
        asked(1, "king died", CONTEXT, "king died", "The old king died"),  # right
        asked(2, "old king", CONTEXT, "king"),  # 1 of 2 words: F1 2/3
        asked(3, "queen", CONTEXT),  # rightly unanswered
        asked(4, "1066", CONTEXT),  # wrongly answered
    ]
    found = evaluate_items(ANSWERS, pointing(tokenizer), tokenizer, items)
    assert found.predictions == ("king died", "old king", "", "1066")
    by_hand = {
        "exact_match": 50,
        "f1": 100 * (1 + 2 / 3 + 1 + 0) / 4,
        "has_answer_exact_match": 50,
        "has_answer_f1": 100 * (1 + 2 / 3) / 2,
        "no_answer_exact_match": 50,
        "no_answer_f1": 50,
    }
    assert found.metrics.keys() == by_hand.keys() == found.baseline.keys()
    for name, score in by_hand.items():
        assert_close(found.metrics[name], score, FLOAT32, name)
    assert found.baseline["f1"] == found.baseline["exact_match"] == 50
    assert found.headline == "f1"
    assert [(error.place, error.wanted, error.told) for error in found.summary.worst] == [
        ("f.json, line 4", "no answer", "1066"),
        ("f.json, line 2", "king", "old king"),
    ]


def test_no_answer_is_only_said_where_it_may_be_right(tokenizer):
    items = [asked(1, "queen", CONTEXT, "king")]
    found = evaluate_items(ANSWERS, pointing(tokenizer), tokenizer, items)
    assert found.predictions != ("",)
    parameters = {"handle_impossible_answer": True}
    found = evaluate_items(ANSWERS, pointing(tokenizer), tokenizer, items, parameters=parameters)
    assert found.predictions == ("",)


def test_the_same_answer_to_all_is_told(tokenizer):
    items = [asked(1, "x", CONTEXT, "king"), asked(2, "y", CONTEXT), asked(3, "z", CONTEXT, "sea")]
    found = evaluate_items(ANSWERS, pointing(tokenizer), tokenizer, items)
    assert found.summary.only_class == "no answer"
    assert found.metrics == found.baseline


def test_answers_are_those_of_the_pipeline(checkpoints):
    directory = checkpoints["question-answering"]
    items = [asked(n, f"what is {n}?", f"{CONTEXT} {n} " * (1 + n), "king") for n in range(6)]
    found = evaluate_items(ANSWERS, directory, None, items, backend="numpy")
    ask = mobilebert.pipeline("question-answering", directory, backend="numpy")
    inputs = [{"question": item.question, "context": item.context} for item in items]
    assert found.predictions == tuple(answer["answer"] for answer in ask(inputs))


def test_answers_may_be_as_long_as_the_model_keeps(tokenizer):
    words = " ".join("abcdefghijklmnopqrst")
    items = [asked(1, words, f"so {words} it is", words)]
    backend = pointing(tokenizer)
    assert evaluate_items(ANSWERS, backend, tokenizer, items).predictions != (words,)
    told = judging_parameters(ANSWERS, FinetuneSettings(), 64)
    keep_parameters(backend.config, parameters_to_keep(ANSWERS, told, FinetuneSettings()))
    assert evaluate_items(ANSWERS, backend, tokenizer, items).predictions == (words,)


def unsure(tokenizer):
    """A model that points as the other one, and likes no answer the less the longer the question.

    The logarithm of no answer is that of the span and 4, less 2 for each word of the question.
    """
    points = pointing(tokenizer).script

    def script(ids, types):
        logits = np.stack(points(ids, types))
        logits[:, 0] = 9.0 + 2 - (ids.tolist().index(102) - 1)
        return logits[0], logits[1]

    return ScriptedBackend("question-answering", script)


def test_the_threshold_of_no_answer_is_tuned(tokenizer):
    items = [
        asked(1, "king", CONTEXT),  # difference 2
        asked(2, "king died", CONTEXT, "king died"),  # 0
        asked(3, "old king died", CONTEXT),  # -2
        asked(4, "The old king died", CONTEXT, "The old king died"),  # -4
        asked(5, "The old king died in", CONTEXT),  # -6
    ]
    backend = unsure(tokenizer)
    plain = evaluate_items(ANSWERS, backend, tokenizer, items)
    assert plain.predictions == ("", *(item.question for item in items[1:]))
    assert (plain.null_threshold, plain.metrics["f1"]) == (None, 60)
    assert not plain.summary.warnings
    # Now only the longest question has an answer.
    items[3] = asked(4, "The old king died", CONTEXT)
    items[4] = asked(5, "The old king died in", CONTEXT, "The old king died in")
    items[1] = asked(2, "king died", CONTEXT)
    tuned = evaluate_items(
        ANSWERS, backend, tokenizer, items, options=JudgingOptions(tune_thresholds=True)
    )
    assert tuned.predictions == ("", "", "", "", items[4].question)
    assert tuned.metrics["f1"] == 100
    assert_close(tuned.null_threshold, -5, FLOAT32)
    assert "was tuned on the questions" in tuned.summary.warnings[0]
    parameters = {"null_score_diff_threshold": tuned.null_threshold}
    again = evaluate_items(ANSWERS, backend, tokenizer, items, parameters=parameters)
    assert again.predictions == tuned.predictions
    store_null_threshold(backend.config, tuned.null_threshold)
    assert evaluate_items(ANSWERS, backend, tokenizer, items).predictions == tuned.predictions


@pytest.mark.parametrize(
    ("answers", "reason"), [(1, "all of them have one"), (0, "none of them has one")]
)
def test_the_threshold_is_not_tuned_on_questions_of_one_kind(tokenizer, answers, reason):
    items = [
        asked(number, question, CONTEXT, *[question] * answers)
        for number, question in enumerate(["king", "old king died", "The old king died"])
    ]
    parameters = {"handle_impossible_answer": True}
    backend = unsure(tokenizer)
    plain = evaluate_items(ANSWERS, backend, tokenizer, items, parameters=parameters)
    options = JudgingOptions(tune_thresholds=True)
    found = evaluate_items(
        ANSWERS, backend, tokenizer, items, parameters=parameters, options=options
    )
    assert found.null_threshold is None
    # As at 0, not as the threshold would have it that is the best here.
    assert found.predictions == plain.predictions == ("", *(item.question for item in items[1:]))
    (warning,) = found.summary.warnings
    assert warning.endswith(f"{reason}.")


@pytest.mark.parametrize("threshold", [0.0, -0.2, 0.2])
def test_answers_with_no_answer_are_those_of_the_pipeline(checkpoints, threshold):
    directory = checkpoints["question-answering"]
    items = [asked(n, f"what is {n}?", f"{CONTEXT} {n} " * (1 + n)) for n in range(9)]
    parameters = {"null_score_diff_threshold": threshold}
    found = evaluate_items(ANSWERS, directory, None, items, backend="numpy", parameters=parameters)
    ask = mobilebert.pipeline("question-answering", directory, backend="numpy")
    inputs = [{"question": item.question, "context": item.context} for item in items]
    told = ask(inputs, handle_impossible_answer=True, **parameters)
    assert found.predictions == tuple(answer["answer"] for answer in told)


def by_second_text(table):
    """A model that scores a choice by its first token, "a" to "d"."""

    def script(ids, types):
        return np.array([table[int(ids[ids.tolist().index(102) + 1]) - 1037]])

    return ScriptedBackend("multiple-choice", script, num_labels=1)


def chosen(line, label, *choices):
    return ChoiceItem(f"f, line {line}", "Which one?", choices, label)


def test_choices_by_hand(tokenizer):
    items = [chosen(1, 0, "b", "a"), chosen(2, 0, "a", "c", "b"), chosen(3, 1, "a", "c")]
    found = evaluate_items(CHOICES, by_second_text(np.log([1, 2, 5])), tokenizer, items)
    assert found.predictions == (0, 1, 1)
    assert_close(found.metrics["accuracy"], 2 / 3, FLOAT32)
    losses = -np.log([2 / 3, 1 / 8, 5 / 6])
    assert_close(found.metrics["loss"], losses.mean(), FLOAT32)
    # Two of three times it is the first one.
    assert_close(found.baseline["accuracy"], 2 / 3, FLOAT32)
    assert_close(found.baseline["loss"], -np.log([2 / 3, 2 / 3, 1 / 3]).mean(), FLOAT32)
    assert found.summary.baseline_name == "most frequent choice"
    (error,) = found.summary.worst
    assert (error.place, error.wanted, error.told) == ("f, line 2", "a", "c")
    assert_close(error.loss, np.log(8), FLOAT32)
    assert found.summary.only_class is None
    changed = [*items[:2], chosen(3, 0, "a", "c")]
    other = evaluate_items(CHOICES, by_second_text(np.log([1, 2, 5])), tokenizer, changed)
    assert other.metrics["accuracy"] < found.metrics["accuracy"]


def test_the_same_choice_always_is_told(tokenizer):
    items = [chosen(1, 0, "a", "b"), chosen(2, 1, "a", "b")]
    found = evaluate_items(CHOICES, by_second_text([0.0, 1.0]), tokenizer, items)
    assert found.summary.only_class == "choice 2"


def test_long_choices_are_cut_as_for_training(tokenizer):
    items = [chosen(1, 0, "b " * 90, "a")]
    found = evaluate_items(CHOICES, by_second_text([0.0, 1.0]), tokenizer, items)
    assert found.predictions == (0,)


@pytest.mark.parametrize("label", [None, 2])
def test_choices_that_cannot_be_judged_are_told(tokenizer, label):
    with pytest.raises(InputError, match="line 4: it is not said which"):
        evaluate_items(CHOICES, by_second_text([0.0, 1.0]), tokenizer, [chosen(4, label, "a", "b")])
