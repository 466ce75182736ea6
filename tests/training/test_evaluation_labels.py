import numpy as np
import pytest
from sklearn import metrics as oracle

import mobilebert
from assertions import assert_close
from mobilebert.config import MobileBertConfig
from mobilebert.datasets.items import FinetuneTask, TextItem
from mobilebert.errors import ConfigError, InputError
from mobilebert.pipelines.label_thresholds import store_thresholds, stored_thresholds
from mobilebert.training.evaluation import evaluate_items
from mobilebert.training.evaluation_results import JudgingOptions
from tolerances import FLOAT32
from training.scripted import ScriptedBackend

TASK = FinetuneTask.MULTI_LABEL
FIRST = 1037  # "a"
NAMES = ("calm", "loud", "red")
# Probabilities of the labels of the texts "a" to "d".
TABLE = np.array([[0.9, 0.2, 0.3], [0.6, 0.7, 0.1], [0.1, 0.4, 0.8], [0.3, 0.3, 0.35]])
WANTED = [("calm",), ("calm", "loud"), ("loud", "red"), ()]


@pytest.fixture
def backend():
    logits = np.log(TABLE / (1 - TABLE))
    return ScriptedBackend(
        "text-classification",
        lambda ids, types: logits[int(ids[1]) - FIRST],
        id2label=dict(enumerate(NAMES)),
        problem_type="multi_label_classification",
    )


def items_of(wanted=WANTED, texts="abcd"):
    return [
        TextItem(f"f.csv, line {number}", text, None, label)
        for number, (text, label) in enumerate(zip(texts, wanted, strict=True), start=2)
    ]


def held(wanted):
    return np.array([[name in row for name in NAMES] for row in wanted])


def test_metrics_are_those_of_scikit_learn(backend, tokenizer):
    found = evaluate_items(TASK, backend, tokenizer, items_of())
    predicted, wanted = TABLE >= 0.5, held(WANTED)
    assert found.predictions == (("calm",), ("calm", "loud"), ("red",), ())
    by_hand = {
        "micro_f1": oracle.f1_score(wanted, predicted, average="micro"),
        "micro_precision": oracle.precision_score(wanted, predicted, average="micro"),
        "micro_recall": oracle.recall_score(wanted, predicted, average="micro"),
        "macro_f1": oracle.f1_score(wanted, predicted, average="macro"),
        "subset_accuracy": 3 / 4,
        "mean_average_precision": oracle.average_precision_score(wanted, TABLE, average="macro"),
        "loss": -np.log(np.where(wanted, TABLE, 1 - TABLE)).mean(),
    }
    assert found.metrics.keys() == by_hand.keys() == found.baseline.keys()
    for name, score in by_hand.items():
        assert_close(found.metrics[name], score, FLOAT32, name)
    assert found.headline == "micro_f1"
    assert [error.place for error in found.summary.worst] == ["f.csv, line 4"]
    assert (found.summary.worst[0].wanted, found.summary.worst[0].told) == ("loud, red", "red")
    assert [row.threshold for row in found.summary.per_class] == [0.5] * 3
    assert found.summary.only_class is None
    # The baseline says "calm", the first of the most frequent labels, of each text.
    always = np.array([[True, False, False]] * 4)
    assert_close(
        found.baseline["micro_f1"], oracle.f1_score(wanted, always, average="micro"), FLOAT32
    )


def test_tuned_thresholds_raise_f1_and_can_be_kept(backend, tokenizer, tmp_path):
    tuned = evaluate_items(
        TASK, backend, tokenizer, items_of(), options=JudgingOptions(tune_thresholds=True)
    )
    assert tuned.score == 1.0
    assert 0.3 < tuned.thresholds["loud"] < 0.4
    assert "tuned on the items" in tuned.summary.warnings[0]
    store_thresholds(backend.config, tuned.thresholds)
    backend.config.save_pretrained(tmp_path)
    backend.config = MobileBertConfig.from_pretrained(tmp_path)
    again = evaluate_items(TASK, backend, tokenizer, items_of())
    assert again.metrics == tuned.metrics
    assert again.thresholds == tuned.thresholds
    assert not again.summary.warnings
    given = JudgingOptions(thresholds={"loud": 0.99})
    other = evaluate_items(TASK, backend, tokenizer, items_of(), options=given)
    assert other.thresholds == {"calm": 0.5, "loud": 0.99, "red": 0.5}
    assert other.score < tuned.score


def test_labels_are_judged_by_the_metric_that_is_asked_for(backend, tokenizer):
    items = items_of([("calm",), ("calm",), ("loud", "red"), ()])
    options = JudgingOptions(judge_by="macro_f1")
    found = evaluate_items(TASK, backend, tokenizer, items, options=options)
    assert found.headline == "macro_f1"
    # "calm" and "red" are told right, "loud" of another text.
    assert_close(found.score, 2 / 3, FLOAT32)


def test_thresholds_change_no_answer_of_the_pipeline(backend, tokenizer):
    ask = mobilebert.pipeline("text-classification", backend, tokenizer, top_k=None)
    before = ask("a")
    store_thresholds(backend.config, {"calm": 0.99})
    assert ask("a") == before


def test_one_answer_for_all_is_told(tokenizer):
    backend = ScriptedBackend(
        "text-classification",
        lambda ids, types: [9.0, -9.0, -9.0],
        id2label=dict(enumerate(NAMES)),
        problem_type="multi_label_classification",
    )
    assert evaluate_items(TASK, backend, tokenizer, items_of()).summary.only_class == "calm"
    right = items_of([("calm",)] * 4)
    assert evaluate_items(TASK, backend, tokenizer, right).summary.only_class is None


@pytest.mark.parametrize("thresholds", [{"blue": 0.5}, {"red": 1.5}, {"red": "high"}])
def test_impossible_thresholds_are_refused(backend, thresholds):
    name = next(iter(thresholds))
    with pytest.raises(InputError, match=name):
        store_thresholds(backend.config, thresholds)
    backend.config.label_thresholds = thresholds
    with pytest.raises(ConfigError, match=f"label_thresholds .*{name}"):
        stored_thresholds(backend.config)


def test_thresholds_that_are_no_object_are_refused(backend):
    backend.config.label_thresholds = [0.5, 0.5]
    with pytest.raises(ConfigError, match="label_thresholds"):
        stored_thresholds(backend.config)


@pytest.mark.parametrize(
    ("label", "reason"),
    [("calm", "line 2: there are no labels"), (("x",), "line 2: The label 'x'")],
)
def test_what_cannot_be_judged_is_told_with_its_place(backend, tokenizer, label, reason):
    with pytest.raises(InputError, match=reason):
        evaluate_items(TASK, backend, tokenizer, items_of([label], "a"))


def test_rows_without_any_label_are_told(backend, tokenizer):
    found = evaluate_items(TASK, backend, tokenizer, items_of([()] * 4))
    (warning,) = found.summary.warnings
    assert warning.startswith("None of the 4 rows to judge by has a label")
    for metrics in (found.metrics, found.baseline):
        assert "mean_average_precision" not in metrics
        assert np.isfinite(list(metrics.values())).all()
