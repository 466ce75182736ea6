"""What csv has a place for, and that it is known before the first answer."""

import csv
import json

import pytest

from commands.running import answers, assert_refused, invoke
from mobilebert.pipelines import Pipeline


@pytest.fixture
def model(checkpoints):
    return ["run", "--model", checkpoints["text-classification"]]


def write_rows(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def test_a_bare_carriage_return_stays_in_its_cell(tmp_path, model):
    notes = ["a\rb", "a\nb", "a\r\nb", "\r\n"]
    rows = [{"text": "fine", "note": note} for note in notes]
    source = write_rows(tmp_path / "in.jsonl", *rows)
    invoke(*model, "--input", source, "--output", tmp_path / "out.csv")
    header, *found = rows_of(tmp_path / "out.csv")
    assert header == ["text", "note", "label", "score"]
    assert [row[1] for row in found] == notes
    assert b"score\nfine" in (tmp_path / "out.csv").read_bytes()


def test_columns_of_vectors_do_not_take_the_names_of_others(tmp_path, checkpoints):
    (tmp_path / "in.csv").write_text("text,feature_0\nfine,x\n")
    model = ["--model", checkpoints["feature-extraction"], "-p", "pooling=mean"]
    out = answers("run", *model, "--input", tmp_path / "in.csv", "--format", "csv")
    header, cells = csv.reader(out.splitlines())
    assert header[:4] == ["text", "feature_0", "predicted_feature_0", "feature_1"]
    assert cells[1] == "x"
    assert len(set(header)) == len(cells) == 2 + 32


@pytest.mark.parametrize(
    ("form", "last", "message"),
    [
        ("csv", {"text": "fine", "more": 1}, "Line 200 has 'more', which the first line has not"),
        ("csv", {"text": "fine", "note": "\ud800"}, "Line 200 has a lone surrogate in 'note'"),
        ("text", {"text": "fine", "note": "\ud800"}, "Line 200 has a lone surrogate in 'note'"),
    ],
)
def test_what_has_no_place_is_told_before_anything_is_answered(
    form, last, message, tmp_path, model, monkeypatch
):
    def answer_all(*arguments, **options):
        pytest.fail("answered before all was checked")

    source = write_rows(tmp_path / "in.jsonl", *[{"text": "fine", "note": ""}] * 199, last)
    monkeypatch.setattr(Pipeline, "answer_all", answer_all)
    output = tmp_path / "out"
    result = invoke(*model, "--input", source, "--format", form, "--output", output)
    assert_refused(result, message)
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_standard_output_shows_a_surrogate_escaped(tmp_path, model):
    source = write_rows(tmp_path / "in.jsonl", {"text": "fine", "note": "\ud800"})
    for form in ("csv", "text"):
        assert "\\ud800" in answers(*model, "--input", source, "--format", form)
