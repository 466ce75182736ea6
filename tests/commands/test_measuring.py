"""Where `evaluate` and `compare` put what they measured, and that it is not lost."""

import pytest

from commands.running import assert_refused, invoke
from mobilebert.errors import CheckpointError
from mobilebert.reports import comparison, writing
from mobilebert.training import comparing, judging


@pytest.fixture
def commands(tmp_path, checkpoints):
    """Each command, and the file that it writes to what is behind it."""
    data = tmp_path / "rows.csv"
    data.write_text("text,label\nfine,LABEL_0\ndull,LABEL_1\n")
    model = checkpoints["text-classification"]
    return {
        "evaluate": (("evaluate", "--model", model, "--data", data, "--output"), "report.json"),
        "compare": (("compare", model, "--data", data, "--output"), "page.html"),
    }


def place_of(command, name, folder):
    return folder if command == "evaluate" else folder / name


@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_a_place_is_refused_before_anything_is_measured(
    command, commands, tmp_path, checkpoints, monkeypatch
):
    def measure(*arguments, **options):
        pytest.fail("measured before the place was looked at")

    monkeypatch.setattr(judging, "evaluate", measure)
    monkeypatch.setattr(comparing, "compare", measure)
    (start, name), folder = commands[command], tmp_path / "old"
    folder.mkdir()
    (folder / name).write_text("mine")
    result = invoke(*start, place_of(command, name, folder))
    assert_refused(result, "exists; --overwrite replaces it")
    assert (folder / name).read_text() == "mine"
    result = invoke(*start, place_of(command, name, folder / name))
    assert_refused(result, "is no directory")


@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_what_is_there_is_replaced_when_asked(command, commands, tmp_path):
    (start, name), folder = commands[command], tmp_path / "old"
    for number in range(2):
        result = invoke(*start, place_of(command, name, folder), *["--overwrite"] * number)
        assert result.exit_code == 0, result.stderr
        assert "accuracy" in result.stdout
        assert (folder / name).stat().st_size > 4
        (folder / name).write_text("mine")


@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_what_was_measured_is_shown_where_the_file_cannot_be_written(
    command, commands, tmp_path, monkeypatch
):
    def write(*arguments):
        raise CheckpointError("Cannot write it: No space left on device")

    monkeypatch.setattr(writing, "write_report", write)
    monkeypatch.setattr(comparison, "write_comparison", write)
    start, name = commands[command]
    result = invoke(*start, place_of(command, name, tmp_path / "new"))
    assert result.exit_code == 2
    assert "No space left on device" in result.stderr
    assert "accuracy" in result.stdout
