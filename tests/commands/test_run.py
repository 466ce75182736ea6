"""Inputs and formats of ``mobilebert run``."""

import csv
import io
import json
import subprocess

import pytest

from commands.running import answers, assert_refused, invoke, start
from mobilebert.commands.output_formats import OUTPUT_FORMATS
from mobilebert.commands.run import BACKENDS, FORMATS, INPUTS
from mobilebert.pipelines import pipeline
from mobilebert.tasks import PIPELINE_TASKS
from tolerances import PIPELINE_SCORES

MASKED = "The capital of France is [MASK]."


def test_the_choices_of_the_options_are_those_of_the_tables():
    from mobilebert.backend import BACKENDS as table
    from mobilebert.commands.inputs import INPUT_FORMATS

    assert tuple(OUTPUT_FORMATS) == FORMATS
    assert INPUT_FORMATS == INPUTS
    assert ("auto", *table) == BACKENDS


def test_the_first_command_prints_ranked_answers():
    result = invoke("run", "--task", "fill-mask", MASKED)
    assert result.exit_code == 0
    title, *lines = result.stdout.splitlines()
    assert title == MASKED
    wanted = pipeline("fill-mask", "mobilebert-mini-uncased")(MASKED)
    assert [line.split()[1] for line in lines] == [entry["token_str"] for entry in wanted]
    assert [float(line.split()[0]) for line in lines] == [round(e["score"], 4) for e in wanted]


def test_the_default_model_is_said_in_one_line():
    with start("run", "--task", "fill-mask", MASKED) as process:
        out, errors = process.communicate()
    assert out.decode().startswith(MASKED)
    (said,) = errors.decode().splitlines()
    assert "mobilebert-mini-uncased" in said
    assert "google/mobilebert-uncased" in said


def test_text_arrives_through_a_pipe():
    assert answers("run", "--task", "masked_lm", stdin=f"{MASKED}\n") == answers(
        "run", "--task", "fill-mask", MASKED
    )
    assert answers(
        "run", "--task", "fill-mask", "--input", "-", stdin=f"\ufeff{MASKED}"
    ) == answers("run", "--task", "fill-mask", MASKED)


ARGUMENTS = {
    "fill-mask": [MASKED],
    "text-classification": ["a text"],
    "token-classification": ["George went to Reykjavik"],
    "question-answering": ["who?", "George went to Reykjavik"],
    "feature-extraction": ["a text"],
    "zero-shot-classification": ["a text", "--candidate-labels", "sports, art"],
    "multiple-choice": ["a text", "a choice", "another"],
    "next-sentence-prediction": ["a text", "another"],
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("task", PIPELINE_TASKS)
def test_every_task_in_every_format(task, form, checkpoints):
    extra = ["-p", "pooling=mean"] if (task, form) == ("feature-extraction", "csv") else []
    out = answers(
        "run",
        "--task",
        task,
        "--model",
        checkpoints[task],
        "--format",
        form,
        *extra,
        *ARGUMENTS[task],
    )
    if form == "text":
        assert len(out.splitlines()) > 1
        assert out.startswith(" | ".join(ARGUMENTS[task][:1]))
    elif form == "json":
        (predictions,) = json.loads(out)
        assert isinstance(predictions, list)
        assert predictions
    elif form == "jsonl":
        record = json.loads(out)
        assert isinstance(record.pop("prediction"), list)
        assert set(record) <= {"text", "text_pair", "question", "context", "choices"}
    else:
        header, *rows = csv.reader(io.StringIO(out))
        assert all(len(row) == len(header) for row in rows)
        wanted = {
            "question-answering": ["answer", "score", "start", "end"],
            "token-classification": ["label", "score", "word", "start", "end"],
            "feature-extraction": [f"feature_{n}" for n in range(32)],
        }.get(task, ["label", "score"])
        assert header[-len(wanted) :] == wanted
        assert len(rows) == 1 or task == "token-classification"


def test_predictions_are_those_of_the_pipeline(checkpoints):
    directory = checkpoints["token-classification"]
    text = "George went to Reykjavik"
    out = answers(
        "run",
        "--task",
        "ner",
        "--model",
        directory,
        "--format",
        "jsonl",
        "-p",
        "aggregation_strategy=first",
        "-p",
        'ignore_labels=["PER"]',
        text,
    )
    wanted = pipeline("ner", directory)(text, aggregation_strategy="first", ignore_labels=["PER"])
    assert json.loads(out) == {"text": text, "prediction": wanted}


@pytest.fixture
def reviews(tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text(
        '\ufeffid,review,label\r\n1,"good, ""very""\r\ngood",x\r\n2,naïve 映画,y\r\n', "utf-8"
    )
    return path


def test_a_table_keeps_its_columns(reviews, checkpoints):
    out = answers(
        "run",
        "--model",
        checkpoints["text-classification"],
        "--input",
        reviews,
        "--column",
        "text=review",
        "--format",
        "csv",
    )
    rows = list(csv.DictReader(io.StringIO(out)))
    # click's test runner shows the line end inside the cell as \n.
    assert [row["review"] for row in rows] == ['good, "very"\ngood', "naïve 映画"]
    assert [row["label"] for row in rows] == ["x", "y"]
    assert list(rows[0]) == ["id", "review", "label", "predicted_label", "score"]
    wanted = pipeline(model=checkpoints["text-classification"])([row["review"] for row in rows])
    assert [row["predicted_label"] for row in rows] == [entry["label"] for entry in wanted]


def test_top_k_gives_a_line_for_each_prediction(reviews, checkpoints):
    out = answers(
        "run",
        "--model",
        checkpoints["text-classification"],
        "--input",
        reviews,
        "--column",
        "text=review",
        "--format",
        "csv",
        "--top-k",
        3,
    )
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["id"] for row in rows] == ["1"] * 3 + ["2"] * 3
    scores = [float(row["score"]) for row in rows[:3]]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("parameter", "options", "lines"),
    [
        ("top_k=2", {"top_k": 2}, 2),
        ("top_k=null", {"top_k": None}, 3),
        ("threshold=0.0001", {"threshold": 0.0001}, 3),
        ("return_all_scores=true", {"return_all_scores": True}, 3),
        ("return_all_scores=True", {"return_all_scores": True}, 3),
        ("return_all_scores=False", {"top_k": 1}, 1),
        ("threshold=0", {"threshold": 0}, 3),
        ("threshold=null", {"top_k": 1}, 1),
        ("threshold=None", {"top_k": 1}, 1),
    ],
)
def test_csv_has_what_parameters_choose(parameter, options, lines, checkpoints):
    directory = checkpoints["text-classification"]
    out = answers("run", "--model", directory, "--format", "csv", "-p", parameter, "some text")
    found = [row["label"] for row in csv.DictReader(io.StringIO(out))]
    wanted = pipeline(model=directory).answer_all(["some text"], **options)[0]
    assert found == [entry["label"] for entry in wanted]
    assert len(found) == lines


def test_the_score_of_no_answer_is_refused_where_it_has_no_place(checkpoints):
    model = ["run", "--model", checkpoints["question-answering"], "-p", "return_null_score=true"]
    asked = ["who?", "George went to Reykjavik"]
    for form in ("csv", "text"):
        result = invoke(*model, "--format", form, *asked)
        assert_refused(result, f"return_null_score has no place in {form}")
    (answer,) = json.loads(answers(*model, "--format", "jsonl", *asked))["prediction"]
    assert "null_score" in answer


def test_an_input_without_entities_keeps_its_line(tmp_path, checkpoints):
    path = tmp_path / "texts.txt"
    path.write_text("a\nb\n")
    out = answers(
        "run",
        "--model",
        checkpoints["token-classification"],
        "--input",
        path,
        "--format",
        "csv",
        "-p",
        'ignore_labels=["O","B-PER","I-PER","B-LOC","I-LOC"]',
    )
    assert out == "text,label,score,word,start,end\na,,,,,\nb,,,,,\n"


def test_all_kinds_of_files_say_the_same(tmp_path, checkpoints):
    rows = [{"question": "who?", "context": "George went"}, {"question": "b", "context": "c d"}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n\n" for row in rows))
    (tmp_path / "a.csv").write_text("question,context\nwho?,George went\n\nb,c d\n")
    (tmp_path / "a.tsv").write_text("c\tq\tx\nGeorge went\twho?\t1\nc d\tb\t2")
    model = ["--model", checkpoints["question-answering"], "--format", "json"]
    first = answers("run", *model, "--input", tmp_path / "a.jsonl")
    assert first == answers("run", *model, "--input", tmp_path / "a.csv")
    columns = ["--column", "question=q,context=c"]
    assert first == answers("run", *model, "--input", tmp_path / "a.tsv", *columns)
    stdin = (tmp_path / "a.jsonl").read_text()
    assert first == answers("run", *model, "--input-format", "jsonl", stdin=stdin)


def test_choices_from_columns(tmp_path, checkpoints):
    (tmp_path / "a.csv").write_text("start,end0,end1\nHe,went,slept\n")
    out = answers(
        "run",
        "--model",
        checkpoints["multiple-choice"],
        "--input",
        tmp_path / "a.csv",
        "--column",
        "text=start",
        "--column",
        "choices=end0+end1",
        "--format",
        "json",
    )
    assert {entry["label"] for entry in json.loads(out)[0]} == {"went", "slept"}


def test_pairs_from_columns(tmp_path, checkpoints):
    model = ["--model", checkpoints["text-classification"], "--format", "json"]
    (tmp_path / "a.csv").write_text("text,text_pair,other\nA,B,C\n")

    def run(*columns):
        return json.loads(answers("run", *model, "--input", tmp_path / "a.csv", *columns))

    classify = pipeline(model=checkpoints["text-classification"])
    assert run() == [[classify(("A", "B"))]]
    assert run("--column", "text=text") == [[classify("A")[0]]]
    assert run("--column", "text=text,text_pair=other") == [[classify(("A", "C"))]]


def test_several_masks(tmp_path):
    out = answers("run", "--task", "fill-mask", "--format", "csv", "[MASK] and [MASK]")
    assert len(out.splitlines()) == 3
    assert "[MASK] 2" in answers("run", "--task", "fill-mask", "[MASK] and [MASK]")


def test_the_output_format_follows_the_suffix(tmp_path, checkpoints):
    (tmp_path / "in.txt").write_text("a text\n")
    for suffix in ("csv", "json", "jsonl", "txt"):
        output = tmp_path / f"out.{suffix}"
        model = ["--model", checkpoints["text-classification"]]
        result = invoke("run", *model, "--input", tmp_path / "in.txt", "--output", output)
        assert result.exit_code == 0
        assert "1/1" in result.stderr  # progress
        form = "text" if suffix == "txt" else suffix
        wanted = answers("run", *model, "--format", form, "a text")
        assert output.read_text() == wanted
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "in.txt",
        "out.csv",
        "out.json",
        "out.jsonl",
        "out.txt",
    ]


def test_another_column_with_a_lone_surrogate_does_no_harm(tmp_path, checkpoints):
    (tmp_path / "in.jsonl").write_text('{"text": "fine", "note": "\\ud800"}\n')
    for form in ("jsonl", "text"):
        out = answers(
            "run",
            "--model",
            checkpoints["text-classification"],
            "--input",
            tmp_path / "in.jsonl",
            "--format",
            form,
        )
        assert "\\ud800" in out


@pytest.mark.parametrize("backend", ["torch", "keras"])
def test_a_framework_computes_when_asked(backend, checkpoints):
    model = ["run", "--model", checkpoints["text-classification"], "--format", "json", "a text"]
    ((wanted,),) = json.loads(answers(*model, "--dtype", "float32"))
    ((answer,),) = json.loads(answers(*model, "--backend", backend, "--dtype", "float64"))
    assert wanted["label"] == answer["label"]
    assert wanted["score"] == pytest.approx(answer["score"], rel=PIPELINE_SCORES)


def test_standard_input_is_answered_as_it_arrives(checkpoints):
    with start(
        *("run", "--model", checkpoints["text-classification"]),
        *("--format", "jsonl", "--batch-size", 2),
        stdin=subprocess.PIPE,
    ) as process:
        process.stdin.write(b"one\ntwo\n")
        process.stdin.flush()
        for text in ("one", "two"):  # while the pipe is still open
            assert json.loads(process.stdout.readline())["text"] == text
        out, _ = process.communicate(b"three\n")
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["three"]
    assert process.returncode == 0


def test_nothing_to_answer(tmp_path, checkpoints):
    model = ["--model", checkpoints["text-classification"]]
    (tmp_path / "empty.csv").write_text("text\n")
    assert_refused(invoke("run", *model, "--input", tmp_path / "empty.csv"), "holds no inputs")
    assert_refused(invoke("run", *model, stdin=""), "standard input holds no inputs")
