"""Models are judged during a run as their examples were read, and thresholds are kept."""

import json

import pytest
import transformers

from mobilebert import pipeline
from mobilebert.config import MobileBertConfig
from mobilebert.datasets.items import FinetuneTask
from mobilebert.errors import ConfigError, InputError
from mobilebert.pipelines.encoding import SequenceBuilder
from mobilebert.pipelines.label_thresholds import store_thresholds, stored_thresholds
from mobilebert.pipelines.null_answers import stored_null_threshold
from mobilebert.pipelines.parameters import LengthOptions
from mobilebert.training import evaluation_answers, evaluation_labels, finetune as finetune_module
from mobilebert.training.encoding import encode_items
from mobilebert.training.finetune import finetune
from mobilebert.training.judging import evaluate
from mobilebert.training.objectives import build_objective
from mobilebert.training.settings import FinetuneSettings
from mobilebert.training.start import Start
from mobilebert.training.treatment import (
    check_settings,
    judging_options,
    judging_parameters,
    parameters_to_keep,
)
from pipelines.random_checkpoints import write_checkpoint
from recipes.small_data import squad

QUIET = {"max_steps": 4, "batch_size": 8, "learning_rate": 1e-3, "max_length": 24}
LONG = " ".join(f"the film {number} was long" for number in range(40))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("start") / "encoder", "fill-mask")


@pytest.mark.parametrize(
    ("task", "settings", "wanted"),
    [
        ("regression", {}, {"truncation": False, "max_length": 64}),
        ("text-classification", {"max_length": 24}, {"truncation": False, "max_length": 24}),
        (
            "multi-label-classification",
            {"max_length": 99, "long_text": "truncate"},
            {"truncation": True, "max_length": 64},
        ),
        (
            "text-classification",
            {"long_text": "head_tail"},
            {"truncation": "head_tail", "max_length": 64},
        ),
        ("multiple-choice", {}, {"truncation": True, "max_length": 64}),
        ("question-answering", {}, {"max_answer_len": 30}),
        ("question-answering", {"max_length": 40}, {"max_answer_len": 30, "max_seq_len": 40}),
        ("question-answering", {"doc_stride": 0}, {"doc_stride": 0, "max_answer_len": 30}),
        ("token-classification", {"long_text": "truncate"}, {}),
    ],
)
def test_the_pipeline_is_told_how_examples_were_read(task, settings, wanted):
    assert judging_parameters(FinetuneTask(task), FinetuneSettings(**settings), 64) == wanted


@pytest.mark.parametrize(
    ("task", "told", "kept"),
    [
        ("regression", {"truncation": False, "max_length": 24}, ...),
        ("multiple-choice", {"truncation": "head_tail", "max_length": 24}, ...),
        ("question-answering", {"handle_impossible_answer": False, "max_seq_len": 384}, {}),
        ("question-answering", {"handle_impossible_answer": True, "max_seq_len": 512}, ...),
        ("token-classification", {}, {}),
        ("fill-mask", {}, {"max_length": 24}),
    ],
)
def test_what_pipelines_do_anyway_is_not_kept(task, told, kept):
    settings = FinetuneSettings(max_length=24)
    wanted = told if kept is ... else kept
    assert parameters_to_keep(FinetuneTask(task), told, settings) == wanted


def test_masked_words_are_judged_in_blocks_as_long_as_those_of_training():
    assert judging_options(FinetuneSettings(max_length=24)).max_length == 24


@pytest.mark.parametrize("metric", [None, "matthews"])
def test_the_metric_is_that_of_the_settings(metric):
    # Both sides of the table of figures are judged with these options.
    assert judging_options(FinetuneSettings(judge_by=metric)).judge_by == metric


def test_pipelines_cut_the_middle(tokenizer):
    builder = SequenceBuilder(tokenizer, 64)
    ids = list(range(1000, 1040))
    lengths = LengthOptions.read("head_tail", 22)
    assert builder.fit(ids, None, lengths).ids == [101, *ids[:5], *ids[-15:], 102]
    pair = builder.fit([7, 8], ids, LengthOptions.read("head_tail", 23)).ids
    assert pair == [101, 7, 8, 102, *ids[:4], *ids[-14:], 102]


@pytest.mark.parametrize("treatment", ["window", "head_tail", "truncate"])
def test_the_metrics_are_those_of_the_treatment(model, tmp_path, treatment):
    train = tmp_path / "rows.csv"
    train.write_text("text,score\n" + "".join(f"{n} {LONG} {n},{n}\n" for n in range(20)))
    dev = tmp_path / "dev.csv"
    rows = [(f"{n} {LONG} the end {n}", n) for n in range(3, 9)]
    dev.write_text("text,score\n" + "".join(f"{text},{n}\n" for text, n in rows))
    options = QUIET | {"long_text": treatment}
    result = finetune(
        "regression", train=train, dev=dev, model=model, output=tmp_path / "m", **options
    )
    read = pipeline("text-classification", str(tmp_path / "m"), dtype="float32")
    cut = {"window": False, "head_tail": "head_tail", "truncate": True}
    others = set()
    for name, truncation in cut.items():
        told = read([text for text, _ in rows], truncation=truncation, max_length=24)
        pairs = zip(told, rows, strict=True)
        error = sum((answer["score"] - n) ** 2 for answer, (_, n) in pairs) / len(rows)
        if name == treatment:
            assert result.metrics["mean_squared_error"] == pytest.approx(error, rel=1e-4)
        else:
            others.add(error)
    right = result.metrics["mean_squared_error"]
    assert all(other != pytest.approx(right, rel=1e-4) for other in others)
    # The directory says the rest: its pipeline and `evaluate` are told nothing.
    told = read([text for text, _ in rows])
    error = sum((answer["score"] - n) ** 2 for answer, (_, n) in zip(told, rows, strict=True))
    assert right == pytest.approx(error / len(rows), rel=1e-4)
    judged = evaluate(tmp_path / "m", dev, dtype="float32").metrics
    assert judged["mean_squared_error"] == pytest.approx(right, rel=1e-4)
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "m")
    assert theirs.config.num_labels == 1


TAGGED = "\n".join(
    "".join(f"{word}\tO\n" for word in LONG.split()) + f"Paris{n}\tB-LOC\n" for n in range(12)
)
CHOICES = "".join(
    json.dumps(
        {
            "text": f"{n} {LONG}",
            "choices": [f"{n} yes {LONG}", f"{n} no {LONG} {n}"],
            "label": n % 2,
        }
    )
    + "\n"
    for n in range(30)
)


@pytest.mark.parametrize(
    ("task", "name", "content", "options", "metrics"),
    [
        ("multiple-choice", "rows.jsonl", CHOICES, {}, ("accuracy", "loss")),
        ("multiple-choice", "rows.jsonl", CHOICES, {"long_text": "head_tail"}, ("loss",)),
        ("token-classification", "rows.conll", TAGGED, {}, ("f1", "accuracy")),
        ("fill-mask", "rows.txt", f"{LONG}\n" * 20, {}, ("loss", "accuracy")),
        ("question-answering", "rows.json", squad(impossible=True), {}, ("f1", "exact_match")),
        ("question-answering", "rows.json", squad(impossible=False), {}, ("f1", "exact_match")),
    ],
)
def test_evaluate_finds_the_metrics_of_the_run(
    model, tmp_path, task, name, content, options, metrics
):
    data = tmp_path / name
    data.write_text(content)
    result = finetune(
        task, train=data, dev=data, model=model, output=tmp_path / "m", **(QUIET | options)
    )
    judged = evaluate(tmp_path / "m", data, dtype="float32").metrics
    for metric in metrics:
        assert judged[metric] == pytest.approx(result.metrics[metric], rel=1e-4)


def test_long_choices_are_cut_as_they_were(model, tmp_path):
    data = tmp_path / "rows.jsonl"
    data.write_text(CHOICES)
    finetune("multiple-choice", train=data, model=model, output=tmp_path / "m", **QUIET)
    ask = pipeline("multiple-choice", str(tmp_path / "m"))
    row = {"text": LONG, "choices": ["yes", LONG]}
    assert len(ask(row)) == 2
    with pytest.raises(InputError, match="pass truncation=True"):
        ask(row, truncation=False)


@pytest.mark.parametrize("impossible", [True, False])
def test_no_answer_is_one_where_it_was_learned(model, tmp_path, impossible):
    data = tmp_path / "squad.json"
    data.write_text(squad(impossible=impossible))
    output = tmp_path / "m"
    finetune("question-answering", train=data, model=model, output=output, **QUIET)
    config = MobileBertConfig.from_pretrained(output)
    kept = {"handle_impossible_answer": True} if impossible else {}
    kept |= {"max_answer_len": 30, "max_seq_len": QUIET["max_length"]}
    assert config.pipeline_parameters == kept
    # So much likelier that it is the answer, if it is one.
    ask = pipeline("question-answering", str(output), null_score_diff_threshold=-600.0)
    asked = {"question": "who?", "context": "Anna asks a question."}
    assert (ask(asked)["answer"] == "") == impossible
    assert ask(asked, handle_impossible_answer=False)["answer"] != ""
    assert ask(asked, handle_impossible_answer=True)["answer"] == ""


def test_windows_overlap_as_they_were_told(model, tmp_path, monkeypatch):
    learned = []

    def recorded(*given, **options):
        found = encode_items(*given, **options)
        learned.append(len(found.examples))
        return found

    monkeypatch.setattr(finetune_module, "encode_items", recorded)
    context = " ".join(f"{number}" for number in range(60))
    answers = [{"text": "7", "answer_start": context.index("7")}]
    asked = {"id": "a", "question": "what ?", "answers": answers}
    article = {"title": "Numbers", "paragraphs": [{"context": context, "qas": [asked]}]}
    data, output = tmp_path / "squad.json", tmp_path / "m"
    data.write_text(json.dumps({"version": "1.1", "data": [article]}))
    options = QUIET | {"train": data, "dev": data, "max_steps": 1, "doc_stride": 2}
    finetune("question-answering", model=model, output=output, **options)
    ask = pipeline("question-answering", str(output))
    assert ask.parameters.doc_stride == 2
    tokens = ask.builder.tokenize([asked["question"], context], offsets=True)
    windows = ask.prepare((asked["question"], context), tokens, ask.parameters).source.windows
    assert windows[0].stop - windows[1].start == 2
    assert learned == [len(windows)] * 2


def test_tuning_again_reads_as_long_as_it_is_told(model, tmp_path):
    data = tmp_path / "rows.csv"
    data.write_text("text,score\n" + "".join(f"{n} {LONG},{n}\n" for n in range(20)))
    options = {"train": data, "long_text": "truncate", **QUIET}
    finetune("regression", model=model, output=tmp_path / "a", **options)
    again = options | {"max_length": 40, "long_text": "window"}
    result = finetune("regression", model=tmp_path / "a", output=tmp_path / "b", **again)
    assert result.model.config.pipeline_parameters == {"truncation": False, "max_length": 40}
    # Arguments come before what is kept.
    ask = pipeline("text-classification", str(tmp_path / "b"))
    whole = ask(LONG, truncation=True, max_length=60)
    assert whole != ask(LONG) != ask(LONG, truncation=True)


@pytest.mark.parametrize(
    "kept", ["head", {"truncation": "middle"}, {"truncation": 5}, {"truncation": [1]}]
)
def test_parameters_in_a_configuration_that_cannot_be_used(checkpoints, kept):
    config = MobileBertConfig.from_pretrained(checkpoints["text-classification"])
    config.pipeline_parameters = kept
    with pytest.raises(ConfigError, match="pipeline_parameters"):
        pipeline("text-classification", checkpoints["text-classification"], config=config)


@pytest.fixture
def labelled(tmp_path):
    path = tmp_path / "rows.jsonl"
    held = [["a"], ["b"], ["a", "b"], []]
    rows = [{"text": f"film {n} of {n % 4}", "labels": held[n % 4]} for n in range(48)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_thresholds_are_tuned_and_kept(model, labelled, tmp_path, monkeypatch):
    # A threshold that the weights cannot give by chance.
    monkeypatch.setattr(evaluation_labels, "best_thresholds", lambda p, w: [0.125, 0.75])
    output = tmp_path / "m"
    result = finetune(
        "multi-label", train=labelled, model=model, output=output, tune_thresholds=True, **QUIET
    )
    stored = stored_thresholds(MobileBertConfig.from_pretrained(output))
    assert stored == {"a": 0.125, "b": 0.75}
    assert [row.threshold for row in result.report.evaluation.per_class] == [0.125, 0.75]
    plain = finetune("multi-label", train=labelled, model=model, output=tmp_path / "p", **QUIET)
    assert stored_thresholds(plain.model.config) is None


def test_the_threshold_of_no_answer_is_tuned_and_kept(model, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluation_answers, "best_null_threshold", lambda *scores: 0.125)
    data, output = tmp_path / "squad.json", tmp_path / "m"
    data.write_text(squad(impossible=True))
    options = QUIET | {"tune_thresholds": True}
    result = finetune("question-answering", train=data, model=model, output=output, **options)
    assert "was tuned" in result.report.evaluation.warnings[0]
    assert stored_null_threshold(MobileBertConfig.from_pretrained(output)) == 0.125
    plain = finetune("question-answering", train=data, model=output, output=tmp_path / "p", **QUIET)
    assert stored_null_threshold(plain.model.config) == 0


def test_a_new_task_has_no_names_or_thresholds_of_the_old_one(tmp_path):
    old = write_checkpoint(tmp_path / "old", "text-classification")
    config = MobileBertConfig.from_pretrained(old)
    store_thresholds(config, dict.fromkeys(config.id2label.values(), 0.25))
    config.save_pretrained(old)
    new = Start(FinetuneTask.QUESTION_ANSWERING, old, ())
    assert stored_thresholds(new.config()) is None
    assert new.model(0).qa_outputs.out_features == 2


@pytest.mark.parametrize(
    ("task", "settings"),
    [
        ("regression", {"class_weights": "balanced"}),
        ("question-answering", {"class_weights": "balanced"}),
        ("multi-label-classification", {"sampling": "balanced"}),
        ("token-classification", {"sampling": "balanced"}),
        ("text-classification", {"tune_thresholds": True}),
        ("token-classification", {"judge_by": "f1"}),
        ("regression", {"label_smoothing": 0.1}),
        ("token-classification", {"doc_stride": 5}),
    ],
)
def test_settings_of_other_tasks_are_refused(task, settings):
    (name,) = settings
    with pytest.raises(InputError, match=f"{task} has no {name}"):
        check_settings(FinetuneTask(task), FinetuneSettings(**settings), 512)


@pytest.mark.parametrize(
    ("task", "metric", "allowed"),
    [
        ("text-classification", "micro_f1", "accuracy or macro_f1 or matthews or f1"),
        ("multi-label-classification", "accuracy", "micro_f1 or macro_f1"),
    ],
)
def test_metrics_of_another_task_are_refused(task, metric, allowed):
    told = f"{task} is not judged by {metric}: judge_by may be {allowed}\\."
    with pytest.raises(InputError, match=told):
        check_settings(FinetuneTask(task), FinetuneSettings(judge_by=metric), 512)
    for name in allowed.split(" or "):
        check_settings(FinetuneTask(task), FinetuneSettings(judge_by=name), 512)


@pytest.mark.parametrize("task", [task for task in FinetuneTask if task != "regression"])
def test_labels_may_be_smoothed_in_other_tasks(task):
    check_settings(task, FinetuneSettings(label_smoothing=0.1), 512)
    build_objective(task, label_smoothing=0.1)


@pytest.mark.parametrize("name", ["learning_rate", "head_learning_rate", "layer_decay"])
@pytest.mark.parametrize("value", [0, 0.0])
def test_rates_of_nothing_are_refused(name, value):
    task = FinetuneTask.TEXT_CLASSIFICATION
    check_settings(task, FinetuneSettings(**{name: 1e-9}), 512)
    with pytest.raises(InputError, match=f"^{name} must be above 0, not {value}; --freeze"):
        check_settings(task, FinetuneSettings(**{name: value}), 512)


def test_rare_classes_are_made_up_for_once():
    both = {"class_weights": "balanced", "sampling": "balanced"}
    for name, value in both.items():
        check_settings(FinetuneTask.TEXT_CLASSIFICATION, FinetuneSettings(**{name: value}), 512)
    with pytest.raises(InputError, match="class_weights=balanced and .* twice; leave one of them"):
        check_settings(FinetuneTask.TEXT_CLASSIFICATION, FinetuneSettings(**both), 512)


def test_longer_sequences_than_the_model_has_positions_are_refused():
    task = FinetuneTask.TEXT_CLASSIFICATION
    check_settings(task, FinetuneSettings(max_length=64), 64)
    with pytest.raises(InputError, match="max_length is at most 64, .* not 1,000; --long-text"):
        check_settings(task, FinetuneSettings(max_length=1000), 64)


def test_a_number_of_layers_to_freeze_may_be_a_number():
    assert FinetuneSettings(freeze=2) == FinetuneSettings(freeze="2")
