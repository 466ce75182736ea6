"""The JSON: whole at every moment, refused when it is something else, continued when asked."""

import copy
import json

import pytest

from bench.contents import content, record
from mobilebert.bench.results import Results, read_results
from mobilebert.errors import CheckpointError, InputError

FACTS = {name: value for name, value in content().items() if name not in ("schema", "rows")}


def begin(path, overwrite=False, resume=False, **changes):
    return Results.begin(path, FACTS | changes, overwrite, resume)


def row(name="w"):
    return {"work": name, "runners": [record("own", 0.1, ours=True)]}


def test_rows_are_on_disk_as_soon_as_they_are_there(tmp_path):
    path = tmp_path / "results.json"
    results = begin(path)
    assert not path.exists()
    results.add(row("one"))
    assert [x["work"] for x in read_results(path)["rows"]] == ["one"]
    results.add(row("two"))
    assert [x["work"] for x in read_results(path)["rows"]] == ["one", "two"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_run_is_continued(tmp_path):
    path = tmp_path / "results.json"
    begin(path).add(row("one"))
    again = begin(path, resume=True, peaks={"gemm": {}})
    assert again.done("one")
    assert not again.done("two")
    assert again.facts["peaks"] == FACTS["peaks"]


@pytest.mark.parametrize("field", ["machine", "versions", "commit", "model", "threads"])
def test_a_run_of_something_else_is_not_continued(tmp_path, field):
    path = tmp_path / "results.json"
    begin(path).add(row())
    with pytest.raises(InputError, match=f"is of another {field}"):
        begin(path, resume=True, **{field: {"name": "other"}})


def test_a_file_that_is_there_is_kept(tmp_path):
    path = tmp_path / "results.json"
    begin(path).add(row())
    with pytest.raises(InputError, match="--resume continues it"):
        begin(path)
    with pytest.raises(InputError, match="exclude each other"):
        begin(path, overwrite=True, resume=True)
    assert begin(path, overwrite=True).rows == []
    with pytest.raises(InputError, match="no directory"):
        begin(tmp_path / "absent" / "x.json")


def test_without_a_file_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = begin(None)
    results.add(row())
    assert results.rows
    assert not list(tmp_path.iterdir())


def changed(**changes):
    return content(("w", [record("own", 0.1)])) | changes


def without(name):
    found = copy.deepcopy(changed())
    del found["rows"][0]["runners"][0][name]
    return found


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (changed(schema=99), "schema is 99, not 1"),
        (changed(peaks=None), "peaks is None"),
        (changed(rows={}), "rows is {}"),
        (changed(rows=[3]), "a row has no work"),
        (changed(rows=[{"work": "w"}]), "w has no runners"),
        (changed(rows=[{"work": "w", "runners": [3]}]), "w: a runner is 3"),
        (without("median"), "w: median is None"),
        (without("error"), "w: error is None"),
        (without("state"), "w: state is None"),
        ({}, "schema is None"),
    ],
)
def test_other_files_are_refused(tmp_path, wrong, message):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(wrong))
    with pytest.raises(InputError, match=message):
        read_results(path)


def test_a_file_that_is_not_there():
    with pytest.raises(CheckpointError):
        read_results(__import__("pathlib").Path("absent.json"))


def test_results_are_read_as_written(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(changed()))
    assert read_results(path) == changed()
