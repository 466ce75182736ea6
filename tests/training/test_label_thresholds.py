"""Several labels at once: those whose probability reaches what was tuned, or a number."""

import numpy as np
import pytest

from mobilebert.datasets.items import FinetuneTask, TextItem
from mobilebert.errors import InputError
from mobilebert.pipelines import pipeline
from mobilebert.pipelines.label_thresholds import store_thresholds
from mobilebert.training.evaluation import evaluate_items
from training.scripted import ScriptedBackend

NAMES = {0: "calm", 1: "glad", 2: "sad"}
# Of the probabilities 0.9, 0.4 and 0.1.
LOGITS = [float(np.log(p / (1 - p))) for p in (0.9, 0.4, 0.1)]


@pytest.fixture
def ask(tokenizer):
    def ask(**parameters):
        backend = ScriptedBackend(
            "text-classification",
            lambda ids, types: LOGITS,
            id2label=NAMES,
            problem_type="multi_label_classification",
        )
        return pipeline("text-classification", backend, tokenizer, **parameters)

    return ask


def labels(answer):
    return [entry["label"] for entry in answer]


@pytest.mark.parametrize(
    ("threshold", "wanted"),
    [(0.5, ["calm"]), (0.3, ["calm", "glad"]), (0, ["calm", "glad", "sad"]), (1, [])],
)
def test_labels_that_reach_a_number(ask, threshold, wanted):
    answerer = ask(threshold=threshold)
    assert labels(answerer("a")) == wanted
    assert labels(ask()("a", threshold=threshold)) == wanted
    assert [labels(answer) for answer in answerer(["a", "b"])] == [wanted] * 2
    assert labels(answerer("a", top_k=1)) == wanted[:1]


def test_labels_that_reach_what_was_tuned(ask):
    answerer = ask(threshold="tuned")
    assert labels(answerer("a")) == ["calm"]
    store_thresholds(answerer.config, {"calm": 0.95, "glad": 0.35, "sad": 0.05})
    assert labels(answerer("a")) == ["glad", "sad"]
    plain = ask()  # they are not used unless asked for
    store_thresholds(plain.config, {"calm": 0.95})
    assert labels(plain("a")) == ["calm"]


@pytest.mark.parametrize("threshold", ["high", -0.1, 1.5, float("nan"), True])
def test_impossible_thresholds(ask, threshold):
    with pytest.raises(InputError, match="a number from 0 to 1 or 'tuned'"):
        ask(threshold=threshold)


def test_judging_reads_all_scores_whatever_the_threshold_of_answers(ask, tokenizer):
    items = [TextItem("f", "a", None, ("calm",)), TextItem("f", "b", None, ("sad",))]
    backend = ask().model
    found, plain = (
        evaluate_items(FinetuneTask.MULTI_LABEL, backend, tokenizer, items, parameters=given)
        for given in ({"threshold": 0.99}, {})
    )
    assert found.metrics == plain.metrics
