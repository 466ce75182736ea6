"""The commands around fine-tuning: from a CSV to answers, metrics and a comparison."""

import json
import signal

import pytest

from commands.running import answers, assert_refused, invoke, start
from pipelines.random_checkpoints import write_checkpoint

TASK = ("--task", "sentiment-analysis")
SHORT = ("--epochs", 8, "--batch-size", 8, "--learning-rate", 1e-3, "--max-length", 32)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A directory with a small random encoder and 60 reviews."""
    directory = tmp_path_factory.mktemp("finetune")
    write_checkpoint(directory / "encoder", "fill-mask")
    rows = ["review;sentiment"]
    rows += [f"{w} film {n};{s}" for n in range(30) for w, s in (("fine", "good"), ("dull", "bad"))]
    (directory / "reviews.csv").write_text("\n".join(rows), encoding="utf-16")
    return directory


@pytest.fixture(scope="module")
def tuned(files):
    where = ("--train", files / "reviews.csv", "--model", files / "encoder")
    result = invoke("finetune", *TASK, *where, *SHORT, "--output", files / "model")
    assert result.exit_code == 0, result.stderr
    return result


def test_it_says_what_it_read_and_how_good_the_model_is(tuned, files):
    assert "encoding utf-16" in tuned.stderr
    assert "delimiter semicolon" in tuned.stderr
    assert "label is 'sentiment'" in tuned.stderr
    assert "54 rows to learn from, 6 to judge by." in tuned.stderr
    assert tuned.stderr.count("accuracy") >= 4
    first, *_, last = tuned.stdout.splitlines()
    assert first.startswith("accuracy ")
    assert "majority class: 0.5000" in first
    assert str(files / "model") in last


def test_the_model_answers(tuned, files):
    shown = answers("run", "--model", files / "model", "--format", "json", "a fine film")
    ((answer,),) = json.loads(shown)
    assert answer["label"] in ("good", "bad")


def test_evaluating(tuned, files):
    where = ("--model", files / "model", "--data", files / "reviews.csv")
    metrics = json.loads(answers("evaluate", *where, "--json"))
    assert metrics["accuracy"] > 0.5
    shown = answers("evaluate", *where, "--output", files / "judged")
    assert f"accuracy           {metrics['accuracy']:.4f}   baseline 0.5000" in shown
    report = json.loads((files / "judged" / "report.json").read_text())
    assert report["evaluation"]["metrics"]["accuracy"] == metrics["accuracy"]
    assert (files / "judged" / "report.html").exists()


def test_labels_get_names(files):
    rows = (files / "reviews.csv").read_text("utf-16")
    (files / "numbers.csv").write_text(rows.replace(";good", ";1").replace(";bad", ";0"))
    where = ("--train", files / "numbers.csv", "--model", files / "encoder", "--max-steps", 1)
    names = ("--label-names", "0=bad,1=good")
    result = invoke("finetune", *TASK, *where, *names, "--output", files / "named")
    assert result.exit_code == 0, result.stderr
    assert "'0' is 'bad'; '1' is 'good'" in result.stderr
    assert json.loads((files / "named" / "config.json").read_text())["label2id"] == {
        "bad": 0,
        "good": 1,
    }
    judged = ("evaluate", "--model", files / "named", "--data", files / "numbers.csv", "--json")
    assert json.loads(answers(*judged, *names))["accuracy"] >= 0.5
    assert_refused(invoke(*judged), "say so with --label-names")


def test_a_delimiter_that_is_given(tuned, files):
    rows = (files / "reviews.csv").read_text("utf-16").replace(";", "~")
    (files / "waves.csv").write_text(rows)
    given = (files / "waves.csv", "--delimiter", "~")
    where = ("--model", files / "encoder", "--max-steps", 1, "--output", files / "waves")
    result = invoke("finetune", *TASK, *where, "--train", *given)
    assert result.exit_code == 0, result.stderr
    assert "delimiter '~' (given)" in result.stderr
    judged = answers("evaluate", "--model", files / "model", "--json", "--data", *given)
    assert json.loads(judged)["accuracy"] > 0.5
    assert "accuracy" in answers("compare", files / "model", "--data", *given)


def test_comparing(tuned, files):
    models = (files / "model", files / "model")
    shown = answers("compare", *models, "--output", files / "page.html")
    assert "ms per text" in shown
    assert shown.count(str(files / "model")) >= 2
    assert (files / "page.html").read_text().startswith("<!DOCTYPE html>")
    measured = answers("compare", *models, "--data", files / "reviews.csv")
    assert "accuracy" in measured
    assert "do not compare" not in shown + measured


def test_other_rows_do_not_compare(tuned, files):
    where = ("--train", files / "reviews.csv", "--model", files / "encoder", "--max-steps", 1)
    result = invoke("finetune", *TASK, *where, "--seed", 1, "--output", files / "other-rows")
    assert result.exit_code == 0, result.stderr
    shown = answers("compare", files / "model", files / "other-rows")
    assert "do not compare: rows kept to judge by (6 items, digest " in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--train", "/nowhere.csv"), "Cannot read /nowhere.csv"),
        (("--model", "/nowhere"), "/nowhere"),
        (("--column", "text"), "FIELD=COLUMN"),
        (("--column", "text=review,text=x"), "names text twice"),
        (("--column", "text=body"), "body"),
        (("--learning-rate", "-1"), "learning_rate must be at least 0"),
        (("--encoding", "utf-9"), "utf-9"),
        (("--delimiter", "::"), "A delimiter is one character"),
        (("--label-names", "good"), "takes LABEL=NAME"),
        (("--label-names", "god=fine"), "no row has the label 'god'"),
    ],
)
def test_bad_options(files, arguments, message):
    given = {"--train": files / "reviews.csv", "--model": files / "encoder"}
    given |= dict(zip(arguments[::2], arguments[1::2], strict=True))
    flat = [word for pair in given.items() for word in pair]
    assert_refused(invoke("finetune", *TASK, *flat, "--output", files / "bad"), message)
    assert not (files / "bad" / "report.json").exists()


def test_a_model_that_is_there_stays(tuned, files):
    where = ("--train", files / "reviews.csv", "--model", files / "encoder")
    result = invoke("finetune", *TASK, *where, "--output", files / "model")
    assert result.exit_code == 2
    assert "--overwrite" in result.stderr


def test_a_model_without_a_report_needs_data(files):
    assert_refused(invoke("compare", files / "encoder"), "--data FILE")


@pytest.mark.parametrize(
    ("command", "given", "message"),
    [
        ("evaluate", ("--output", "x", "--dtype", "int8"), "--dtype, --output have no use on prep"),
        ("evaluate", ("--backend", "auto"), "--backend has no use on prepared text"),
        ("evaluate", ("--column", "text=a", "--task", "ner"), "--task, --column have no use on"),
        ("evaluate", ("--label-names", "a=b", "--skip-bad-rows"), "--label-names, --skip-bad-rows"),
        ("evaluate", ("--overwrite",), "--overwrite has no use on prepared text"),
        ("rows", ("--words", 50_000), "--words has no use on rows"),
        ("rows", ("--overwrite",), "--overwrite has no use without --output"),
        ("compare", ("--encoding", "cp949"), "--encoding has no use without --data"),
        ("compare", ("--skip-bad-rows",), "--skip-bad-rows has no use without --data"),
        ("compare", ("--overwrite",), "--overwrite has no use without --output"),
    ],
)
def test_options_without_use_are_refused(tmp_path, command, given, message):
    (tmp_path / "manifest.json").touch()
    starts = {
        "evaluate": ("evaluate", "--model", "m", "--data", tmp_path),
        "rows": ("evaluate", "--model", "m", "--data", "rows.csv"),
        "compare": ("compare", "m"),
    }
    assert_refused(invoke(*starts[command], *given), message)


def test_interrupted_and_resumed(files):
    where = ("--train", files / "reviews.csv", "--model", files / "encoder", *SHORT)
    output = files / "interrupted"
    process = start("finetune", *TASK, *where, "--epochs", 400, "--output", output)
    for line in process.stderr:
        if line.startswith(b"step "):
            break
    process.send_signal(signal.SIGINT)
    _, told = process.communicate()
    assert process.returncode == 130, told
    assert b"interrupted (--resume goes on from here)" in told
    assert b"Traceback" not in told
    assert not (output / "report.json").exists()
    result = invoke("finetune", *TASK, *where, "--epochs", 400, "--output", output)
    assert "--resume" in result.stderr
    again = invoke(
        *("finetune", *TASK, *where, "--epochs", 400, "--output", output, "--resume"),
        *("--patience", 1),
    )
    assert "other data, settings" in again.stderr
