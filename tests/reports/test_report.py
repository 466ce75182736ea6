"""report.json: what is written can be read, and what cannot be read is said in a sentence."""

import copy
import dataclasses
import itertools
import json
import math
import re
import statistics
from pathlib import Path

import numpy as np
import pytest

from mobilebert.errors import CheckpointError, InputError
from mobilebert.reports import read_report, report as parts, write_report
from reports.example_report import HOSTILE, example_report, hostile_report

ROOT = Path(__file__).parents[2]


def strictly(text):
    """Parse JSON as other languages do: without NaN and Infinity."""

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_a_report_is_the_same_once_read(tmp_path):
    report = example_report()
    write_report(report, tmp_path)
    # NaN is not equal to itself, so the written forms are compared.
    assert repr(read_report(tmp_path)) == repr(report)
    assert repr(read_report(tmp_path / "report.json")) == repr(report)


def test_another_report_is_another(tmp_path):
    """The twin: one number deep inside is enough to see the difference."""
    report = example_report()
    write_report(report, tmp_path)
    report.evaluation.calibration[7].accuracy += 1e-9
    assert repr(read_report(tmp_path)) != repr(report)


def test_numbers_that_are_not_finite_are_valid_json(tmp_path):
    report = example_report()
    losses = [math.nan, math.inf, -math.inf]
    report.history.steps = [parts.StepEntry(step=i, loss=x) for i, x in enumerate(losses)]
    written = write_report(report, tmp_path)
    content = strictly(written.numbers.read_text(encoding="utf-8"))
    assert [entry["loss"] for entry in content["history"]["steps"]] == [
        "NaN",
        "Infinity",
        "-Infinity",
    ]
    found = [entry.loss for entry in read_report(tmp_path).history.steps]
    assert np.array_equal(found, losses, equal_nan=True)


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_survives(tmp_path, text):
    report = hostile_report(text)
    written = write_report(report, tmp_path)
    strictly(written.numbers.read_bytes())
    assert repr(read_report(tmp_path)) == repr(report)


def test_numbers_of_numpy_become_plain_ones():
    report = example_report()
    report.evaluation.metrics = {"accuracy": np.float32(0.5), "loss": np.float64("nan")}
    report.model.parameters = np.int64(12)
    report.evaluation.confusion.counts = np.array([[1, 2], [3, 4]])
    report.settings = {"path": Path("a") / "b", "rates": (np.float64(0.5), 1), "on": np.True_}
    content = report.to_json()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content["evaluation"]["metrics"] == {"accuracy": 0.5, "loss": "NaN"}
    assert content["model"]["parameters"] == 12
    assert content["evaluation"]["confusion"]["counts"] == [[1, 2], [3, 4]]
    assert content["settings"] == {"path": "a/b", "rates": [0.5, 1], "on": True}


def test_fields_with_a_default_may_be_absent():
    report = parts.Report.from_json({"schema": 1, "task": "fill-mask", "model": {"name": "m"}})
    assert report == parts.Report(task="fill-mask", model=parts.ModelSummary(name="m"))


def changed(path, value):
    content = copy.deepcopy(example_report().to_json())
    inside = content
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    return content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "should be an object"),
        ({"task": "fill-mask"}, "schema None; .* reads 1"),
        (changed(["schema"], 2), "schema 2; .* reads 1"),
        (changed(["schema"], True), "schema True"),
        ({"schema": 1, "task": "fill-mask"}, "model is missing"),
        (changed(["colour"], 1), "colour is not known .* it knows task, model"),
        (changed(["model", "colour"], 1), r"model\.colour is not known"),
        (changed(["model"], 3), "model should be an object, but is 3"),
        (changed(["seconds"], "soon"), "seconds should be a number, but is 'soon'"),
        (changed(["seconds"], True), "seconds should be a number, but is True"),
        (changed(["model", "parameters"], 1.5), r"model\.parameters should be a whole number"),
        (changed(["task"], 3), "task should be text"),
        (changed(["data", "problems", 0, "skipped"], 1), r"problems\[0\]\.skipped should be true"),
        (changed(["data", "train_labels"], []), r"train_labels should be an object"),
        (changed(["data", "files"], {}), r"data\.files should be a list"),
        (changed(["data", "train_labels", "positive"], "x"), r"train_labels\['positive'\] should"),
        (changed(["evaluation", "confusion", "counts", 1, 0], None), r"counts\[1\]\[0\] should"),
        (changed(["evaluation", "confusion", "labels"], ["a"]), "of 1 classes needs 1 rows of 1"),
    ],
)
def test_what_is_no_report_is_refused(content, said):
    with pytest.raises(InputError, match=said) as refusal:
        parts.Report.from_json(content, "models/x/report.json")
    assert str(refusal.value).startswith("models/x/report.json")


def test_a_missing_or_broken_file_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"report\.json"):
        read_report(tmp_path)
    (tmp_path / "report.json").write_text('{"schema": 1,')
    with pytest.raises(CheckpointError, match="not a valid JSON"):
        read_report(tmp_path)


def test_entries_of_the_loop_are_sorted():
    entries = [
        {"step": 10, "epoch": 0.5, "loss": 0.7, "rate": 1e-4, "tokens_per_second": 12.0},
        {"step": 20, "epoch": 1.0, "metrics": {"accuracy": 0.5}},
        {"step": 10, "epoch": 0.5, "event": "went back", "to": 10, "reason": "loss is nan"},
        {"step": 30, "epoch": 1.5, "loss": 0.6},
    ]
    history = parts.History.of(entries, best_step=20)
    assert [entry.step for entry in history.steps] == [10, 30]
    assert history.steps[0].rate == 1e-4
    assert math.isnan(history.steps[1].rate)
    assert history.evaluations == [
        parts.EvaluationEntry(step=20, epoch=1.0, metrics={"accuracy": 0.5})
    ]
    assert history.events == [parts.Event(kind="went back", step=10, reason="loss is nan")]
    assert history.best_step == 20


def test_seeds_have_a_mean_and_the_deviation_of_a_sample():
    values = [0.5, 0.7, 0.9]
    runs = [parts.SeedRun(seed=i, metrics={"accuracy": x}) for i, x in enumerate(values)]
    runs[0].metrics["loss"] = 1.0  # that the others do not have
    seeds = parts.Seeds.of(runs)
    assert seeds.mean == {"accuracy": pytest.approx(statistics.mean(values))}
    assert seeds.deviation == {"accuracy": pytest.approx(statistics.stdev(values))}
    assert math.isnan(parts.Seeds.of(runs[:1]).deviation["accuracy"])
    assert parts.Seeds.of([]).mean == {}


@pytest.mark.parametrize(
    "lengths",
    [
        [],
        [5],
        [5, 5, 6],
        range(1, 25),
        range(1, 26),
        [1, 512],
        [3, 100_000, 4, 77],
        range(0, 600, 7),
        [*range(40, 80)] * 30 + [50_000, 60_000],
    ],
)
def test_every_length_is_in_one_bin(lengths):
    bins = parts.LengthBin.over(list(lengths))
    assert len(bins) <= 24
    for one in bins:
        assert one.count == sum(one.least <= length <= one.most for length in lengths)
    assert sum(one.count for one in bins) == len(lengths)
    assert all(one.most + 1 == other.least for one, other in itertools.pairwise(bins))


def test_the_page_of_the_schema_lists_every_field():
    page = (ROOT / "docs/report.md").read_text(encoding="utf-8")
    seen = re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE)
    fields = [
        field.name
        for name in parts.__all__
        if dataclasses.is_dataclass(kind := getattr(parts, name))
        for field in dataclasses.fields(kind)
    ]
    assert sorted(seen) == sorted([*fields, "schema"])
