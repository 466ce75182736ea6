import math

import numpy as np
import pytest
import torch
from sklearn import metrics as oracle

import mobilebert
from assertions import assert_close
from mobilebert.datasets.items import FinetuneTask, TextItem
from mobilebert.errors import InputError
from mobilebert.metrics import confusion_matrix
from mobilebert.reports.heat_map import with_fewer_classes
from mobilebert.reports.report import Confusion
from mobilebert.training.evaluation import evaluate_items
from mobilebert.training.evaluation_results import (
    JudgingOptions,
    confusion_of,
    is_better,
    negative_log,
)
from tolerances import FLOAT32, PIPELINE_SCORES
from training.scripted import ScriptedBackend

CLASSES, NUMBERS = FinetuneTask.TEXT_CLASSIFICATION, FinetuneTask.REGRESSION
# "a" to "e" are tokens of their own, with neighbouring ids.
FIRST = 1037


def script(table):
    """Answer by the first token."""
    return lambda ids, types: table[int(ids[1]) - FIRST]


def judged(table, texts, labels, tokenizer, task=CLASSES, options=None, **fields):
    backend = ScriptedBackend("text-classification", script(table), **fields)
    items = [
        TextItem(f"f.csv, line {number}", text, None, label)
        for number, (text, label) in enumerate(zip(texts, labels, strict=True), start=2)
    ]
    return evaluate_items(task, backend, tokenizer, items, options=options)


def logs(*probabilities):
    return np.log(np.array(probabilities))


TABLE = [logs(0.7, 0.2, 0.1), logs(0.1, 0.6, 0.3), logs(0.05, 0.15, 0.8), logs(0.5, 0.4, 0.1)]
NAMES = {"id2label": {0: "bad", 1: "fair", 2: "good"}}


def test_classes_by_hand(tokenizer):
    found = judged(
        TABLE, "aabcdd", ["bad", "fair", "fair", "good", "bad", "good"], tokenizer, **NAMES
    )
    assert found.predictions == ("bad", "bad", "fair", "good", "bad", "bad")
    assert found.headline == "accuracy"
    assert_close(found.score, 4 / 6, FLOAT32)
    # bad: 2 of 4 right, all found; fair: 1 of 1 right, 1 of 2 found; good: 1 of 1, 1 of 2.
    assert_close(found.metrics["macro_precision"], (2 / 4 + 1 + 1) / 3, FLOAT32)
    assert_close(found.metrics["macro_recall"], (1 + 1 / 2 + 1 / 2) / 3, FLOAT32)
    assert_close(found.metrics["macro_f1"], (2 / 3 + 2 / 3 + 2 / 3) / 3, FLOAT32)
    right = (0.7, 0.2, 0.6, 0.8, 0.5, 0.1)
    assert_close(found.metrics["loss"], -np.log(right).mean(), FLOAT32)
    summary = found.summary
    assert summary.confusion.counts == [[2, 0, 0], [1, 1, 0], [1, 0, 1]]
    assert [(row.label, row.support, row.predicted) for row in summary.per_class] == [
        ("bad", 2, 4),
        ("fair", 2, 1),
        ("good", 2, 1),
    ]
    assert [(error.place, error.wanted, error.told) for error in summary.worst] == [
        ("f.csv, line 7", "good", "bad"),
        ("f.csv, line 3", "fair", "bad"),
    ]
    assert_close(summary.worst[0].loss, -math.log(0.1), FLOAT32)
    assert summary.only_class is None
    assert sum(bin_.count for bin_ in summary.calibration) == 6
    # The baseline always says "bad", and 1/3 for each class.
    assert_close(found.baseline["accuracy"], 1 / 3, FLOAT32)
    assert_close(found.baseline["macro_f1"], (2 * (1 / 3) / (4 / 3)) / 3, FLOAT32)
    assert_close(found.baseline["loss"], math.log(3), FLOAT32)
    assert found.baseline["matthews"] == 0
    assert found.metrics.keys() == found.baseline.keys()


@pytest.mark.parametrize("classes", [3, 100, 101, 250])
def test_of_many_classes_the_most_frequent_ones_are_stored(classes):
    generator = np.random.default_rng(0)
    predicted, wanted = (generator.zipf(1.5, 2000) % classes for _ in range(2))
    names = [f"class {number}" for number in range(classes)]
    counts = confusion_matrix(predicted, wanted, classes).tolist()
    whole = Confusion(labels=names, counts=counts)
    found = confusion_of(names, predicted, wanted)
    assert found == with_fewer_classes(whole)
    assert found.others == (classes - 99 if classes > 100 else 0)


def test_another_label_gives_other_metrics(tokenizer):
    one, other = (
        judged(TABLE, "abcd", ["bad", "fair", label, "bad"], tokenizer, **NAMES).metrics
        for label in ("good", "fair")
    )
    assert all(one[name] != other[name] for name in one)


def test_two_classes_are_those_of_scikit_learn(tokenizer):
    shares = (0.9, 0.65, 0.4, 0.2, 0.7)
    table = [logs(1 - share, share) for share in shares]
    texts, labels = "abcdeabc", [1, 0, 1, 0, 1, 1, 1, 0]
    fields = {"id2label": {0: "0", 1: "1"}}
    found = judged(table, texts, [str(label) for label in labels], tokenizer, **fields)
    scores = [shares["abcde".index(text)] for text in texts]
    predicted = [int(score > 0.5) for score in scores]
    wanted = {
        "accuracy": oracle.accuracy_score(labels, predicted),
        "f1": oracle.f1_score(labels, predicted),
        "macro_f1": oracle.f1_score(labels, predicted, average="macro"),
        "macro_precision": oracle.precision_score(labels, predicted, average="macro"),
        "macro_recall": oracle.recall_score(labels, predicted, average="macro"),
        "matthews": oracle.matthews_corrcoef(labels, predicted),
        "auc": oracle.roc_auc_score(labels, scores),
        "average_precision": oracle.average_precision_score(labels, scores),
        "loss": oracle.log_loss(labels, scores),
    }
    assert found.metrics.keys() == wanted.keys()
    for name, score in wanted.items():
        assert_close(found.metrics[name], score, FLOAT32)
    assert_close(found.baseline["f1"], oracle.f1_score(labels, [1] * 8), FLOAT32)
    assert_close(found.baseline["auc"], 0.5, FLOAT32)
    assert_close(found.baseline["average_precision"], 5 / 8, FLOAT32)


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "matthews", "f1"])
def test_classes_are_judged_by_the_metric_that_is_asked_for(metric, tokenizer):
    table, names = [logs(0.7, 0.3), logs(0.2, 0.8)], {"id2label": {0: "x", 1: "y"}}
    options = JudgingOptions(judge_by=metric)
    found = judged(table, "aabb", "xyyy", tokenizer, options=options, **names)
    assert found.headline == metric
    # Of "x" one is found of one, beside one that is none; of "y" two of three are found.
    by_hand = {"accuracy": 3 / 4, "macro_f1": (2 / 3 + 4 / 5) / 2, "f1": 4 / 5}
    by_hand["matthews"] = 2 / math.sqrt(2 * 1 * 3 * 2)
    assert_close(found.score, by_hand[metric], FLOAT32)


def test_one_class_only_is_told(tokenizer):
    found = judged([logs(0.9, 0.1)] * 2, "ab", ["x", "y"], tokenizer, id2label={0: "x", 1: "y"})
    assert found.summary.only_class == "x"


def test_numbers_by_hand(tokenizer):
    table = [[1.0], [2.0], [4.0]]
    fields = {"num_labels": 1, "problem_type": "regression"}
    found = judged(table, "abc", [1.5, 2, 3], tokenizer, NUMBERS, **fields)
    assert found.headline == "spearman"
    assert_close(found.metrics["spearman"], 1.0, FLOAT32)
    assert_close(found.metrics["pearson"], np.corrcoef([1, 2, 4], [1.5, 2, 3])[0, 1], FLOAT32)
    assert_close(found.metrics["mean_squared_error"], (0.25 + 0 + 1) / 3, FLOAT32)
    assert_close(found.metrics["mean_absolute_error"], 1.5 / 3, FLOAT32)
    assert_close(found.baseline["mean_squared_error"], np.var([1.5, 2, 3]), FLOAT32)
    assert found.baseline["spearman"] == 0
    assert found.summary.worst[0].place == "f.csv, line 4"
    assert found.predictions == (1.0, 2.0, 4.0)


def test_one_number_for_all_is_told(tokenizer):
    fields = {"num_labels": 1, "problem_type": "regression"}
    found = judged([[2.0]] * 3, "abc", [1.5, 2, 3], tokenizer, NUMBERS, **fields)
    assert found.summary.only_class == "2"
    assert found.metrics["spearman"] == found.metrics["pearson"] == 0


def test_a_model_of_another_width_is_refused(tokenizer):
    with pytest.raises(InputError, match="says 3 numbers about a text, not one"):
        judged(TABLE, "a", [1.0], tokenizer, NUMBERS, **NAMES)
    with pytest.raises(InputError, match="knows one class only, 'x'"):
        judged([[1.0]], "a", ["x"], tokenizer, id2label={0: "x"})


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (TextItem("f.csv, line 9", "a"), "f.csv, line 9: there is no label to judge by"),
        (
            TextItem("f.csv, line 9", "a", None, "x"),
            r"line 9: The label 'x' is not .*'bad', 'fair'",
        ),
        (TextItem("f.csv, line 9", " ", None, "bad"), "f.csv, line 9: The text is empty"),
    ],
)
def test_what_cannot_be_judged_is_told_with_its_place(tokenizer, item, reason):
    backend = ScriptedBackend("text-classification", script(TABLE), **NAMES)
    items = [TextItem("f.csv, line 8", "a", None, "bad")] * 600 + [item]
    with pytest.raises(InputError, match=reason):
        evaluate_items(CLASSES, backend, tokenizer, items)


def test_no_items_are_told(tokenizer):
    backend = ScriptedBackend("text-classification", script(TABLE), **NAMES)
    with pytest.raises(InputError, match="nothing to judge"):
        evaluate_items(CLASSES, backend, tokenizer, [])


ITEMS = [
    TextItem("f", text, pair, f"LABEL_{number % 3}")
    for number, (text, pair) in enumerate(
        [("one text", None), ("another text", "with a pair"), ("long " * 90, None), ("x", None)]
    )
]


def test_a_model_says_what_run_says(checkpoints):
    """The metrics are those of the answers of the pipeline, whatever road they come by."""
    directory = checkpoints["text-classification"]
    inputs = [{"text": item.text, "text_pair": item.pair} for item in ITEMS]
    answers = mobilebert.pipeline("text-classification", directory, dtype="float32")(inputs)
    model = mobilebert.MobileBertForSequenceClassification.from_pretrained(directory)
    words = mobilebert.MobileBertTokenizerFast.from_pretrained(directory)
    wanted = tuple(answer["label"] for answer in answers)
    for given, name, settings in (
        (directory, None, {"dtype": "float32"}),
        (directory, None, {"backend": "numpy"}),
        (model, words, {}),
        (model, words, {"backend": "torch"}),
    ):
        found = evaluate_items(CLASSES, given, name, ITEMS, **settings)
        assert found.predictions == wanted
        sure = np.mean([answer["score"] for answer in answers])
        assert_close(_mean_confidence(found), sure, PIPELINE_SCORES)


def _mean_confidence(found):
    bins = [bin_ for bin_ in found.summary.calibration if bin_.count]
    return sum(bin_.count * bin_.confidence for bin_ in bins) / sum(bin_.count for bin_ in bins)


def test_a_model_object_is_left_as_it_was(checkpoints, tokenizer):
    model = mobilebert.MobileBertForSequenceClassification.from_pretrained(
        checkpoints["text-classification"]
    )
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for backend in ("auto", "torch"):
        model.train()
        evaluate_items(CLASSES, model, tokenizer, ITEMS, backend=backend)
        assert model.training
    model.eval()
    evaluate_items(CLASSES, model, tokenizer, ITEMS)
    assert not model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_changed_model_object_is_judged_as_it_is_now(checkpoints, tokenizer):
    model = mobilebert.MobileBertForSequenceClassification.from_pretrained(
        checkpoints["text-classification"]
    )
    before = evaluate_items(CLASSES, model, tokenizer, ITEMS).metrics["loss"]
    with torch.no_grad():
        model.classifier.bias[0] += 1
    assert evaluate_items(CLASSES, model, tokenizer, ITEMS).metrics["loss"] != before


def test_a_new_head_may_be_judged(tokenizer):
    config = ScriptedBackend("text-classification", None, num_labels=3).config
    model = mobilebert.MobileBertForSequenceClassification(config)
    assert evaluate_items(CLASSES, model, tokenizer, ITEMS).summary.items == 4


def test_progress_and_parameters_reach_the_pipeline(tokenizer):
    told = []
    backend = ScriptedBackend("text-classification", script(TABLE), **NAMES)
    items = [TextItem("f", "a " * 90, None, "bad")] * 3
    evaluate_items(
        CLASSES, backend, tokenizer, items, parameters={"truncation": True}, on_progress=told.append
    )
    assert backend.sequences == 3
    assert told == [3]


def test_what_is_sure_and_right_costs_nothing():
    assert not np.signbit(negative_log(np.ones(2))).any()


def test_better_depends_on_the_metric():
    assert is_better("accuracy", 0.9, 0.8)
    assert is_better("loss", 0.8, 0.9)
    assert not is_better("loss", 0.9, 0.8)
    assert is_better("accuracy", 0.1, None)
    assert is_better("accuracy", 0.1, math.nan)
    assert not is_better("accuracy", math.nan, 0.1)
    assert not is_better("loss", math.nan, math.nan)


@pytest.mark.parametrize(("labels", "has_f1"), [("xx", 0.0), ("yy", 1.0)])
def test_rows_of_one_class_are_told(tokenizer, labels, has_f1):
    names = {"id2label": {0: "x", 1: "y"}}
    sure = logs(1.0, 1e-30) if labels == "xx" else logs(1e-30, 1.0)
    found = judged([sure] * 2, "ab", labels, tokenizer, **names)
    (warning,) = found.summary.warnings
    assert warning.startswith(f"All 2 rows to judge by have the class {labels[0]!r}: ")
    assert found.metrics["f1"] == has_f1
    for metrics in (found.metrics, found.baseline):
        assert not {"auc", "average_precision"} & set(metrics)
        assert all(map(math.isfinite, metrics.values()))
        assert f"{metrics['loss']:.4f}" == "0.0000"
    assert not judged([sure] * 2, "ab", "xy", tokenizer, **names).summary.warnings
