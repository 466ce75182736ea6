"""Outputs are whole or not there, and an interrupted one is continued exactly."""

import contextlib
import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from commands.running import assert_refused, invoke, start
from mobilebert.pipelines import Pipeline
from pipelines.random_checkpoints import write_checkpoint

COUNT = 40
LINES = [f"text number {n} " + "word " * (n * 7 % 13) for n in range(COUNT)]


@pytest.fixture
def command(tmp_path, checkpoints):
    path = tmp_path / "in.txt"
    path.write_text("".join(f"{line}\n" for line in LINES))
    return [
        "run",
        "--model",
        checkpoints["text-classification"],
        "--input",
        path,
        "--batch-size",
        1,
    ]


def interrupt_after(monkeypatch, calls, error=KeyboardInterrupt):
    """Let the pipeline answer some chunks and then stop."""
    answer_all, count = Pipeline.answer_all, 0

    def answer(self, items, **options):
        nonlocal count
        count += 1
        if count > calls:
            raise error
        return answer_all(self, items, **options)

    monkeypatch.setattr(Pipeline, "answer_all", answer)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("form", ["json", "jsonl", "csv", "text"])
@pytest.mark.parametrize("chunks", [0, 1, 3, 4])
def test_resume_gives_the_same_bytes(form, chunks, command, tmp_path, monkeypatch):
    whole, output = tmp_path / "whole", tmp_path / "out"
    assert invoke(*command, "--format", form, "--output", whole).exit_code == 0
    with monkeypatch.context() as patch:
        interrupt_after(patch, chunks)
        result = invoke(*command, "--format", form, "--output", output)
        assert result.exit_code == 130
        assert f"Interrupted after {8 * chunks} of {COUNT}" in result.stderr
    assert not output.exists()
    if chunks:
        assert names(tmp_path) == ["in.txt", "out.partial", "out.partial.json", "whole"]
        assert whole.read_bytes().startswith((tmp_path / "out.partial").read_bytes())
    result = invoke(*command, "--format", form, "--output", output, "--resume")
    assert result.exit_code == 0, result.stderr
    assert output.read_bytes() == whole.read_bytes()
    assert names(tmp_path) == ["in.txt", "out", "whole"]


def test_resume_cuts_off_half_a_chunk(command, tmp_path, monkeypatch):
    whole, output = tmp_path / "whole.csv", tmp_path / "out.csv"
    invoke(*command, "--output", whole)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        invoke(*command, "--output", output)
    with (tmp_path / "out.csv.partial").open("ab") as stream:
        stream.write(b"text numb")
    assert invoke(*command, "--output", output, "--resume").exit_code == 0
    assert output.read_bytes() == whole.read_bytes()


def test_a_killed_process_leaves_something_to_resume(command, tmp_path):
    whole, output = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    invoke(*command, "--output", whole)
    process = start(*command, "--output", output)
    state = tmp_path / "out.jsonl.partial.json"
    while not state.exists() and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert not output.exists() or process.returncode == 0
    result = invoke(*command, "--output", output, "--resume")
    assert result.exit_code == 0, result.stderr
    assert output.read_bytes() == whole.read_bytes()


def test_control_c_ends_with_130_and_no_traceback(command, tmp_path):
    (tmp_path / "in.txt").write_text("".join(f"{line}\n" for line in LINES * 500))
    process = start(*command, "--output", tmp_path / "out.jsonl")
    state = tmp_path / "out.jsonl.partial.json"
    while not state.exists() and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert b"--resume continues" in errors
    assert b"Traceback" not in errors
    assert not (tmp_path / "out.jsonl").exists()


@pytest.fixture
def control_c():
    """Listen to Ctrl-C as a terminal's program does; in the background it may be ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("control_c")
def test_an_interrupt_that_python_drops_still_stops(command, tmp_path, monkeypatch):
    answer_all = Pipeline.answer_all

    def answer(self, items, **options):
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        return answer_all(self, items, **options)

    monkeypatch.setattr(Pipeline, "answer_all", answer)
    result = invoke(*command, "--output", tmp_path / "out.csv")
    assert result.exit_code == 130
    assert f"Interrupted after 8 of {COUNT}" in result.stderr
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_resume_of_a_complete_file_says_so(command, tmp_path):
    output = tmp_path / "out.csv"
    invoke(*command, "--output", output)
    before = output.read_bytes()
    result = invoke(*command, "--output", output, "--resume")
    assert result.exit_code == 0
    assert "complete already. Whether it is of this input" in result.stderr
    assert output.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (["--top-k", "2"], "parameters"),
        (["--format", "jsonl"], "format"),
        (["--batch-size", "2"], "--batch-size"),
        (["--dtype", "float64"], "--backend"),
        (["--column", "text=text"], "--column"),
        (["--revision", "other"], "--revision"),
        (["--allow-untrained"], "--allow-untrained"),
    ],
)
def test_resume_refuses_other_options(change, what, command, tmp_path, monkeypatch):
    output = tmp_path / "out.csv"
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        invoke(*command, "--output", output)
    before = (tmp_path / "out.csv.partial").read_bytes()
    result = invoke(*command, "--output", output, "--resume", *change)
    assert_refused(result, f"begun with another {what}")
    assert (tmp_path / "out.csv.partial").read_bytes() == before


def test_resume_refuses_another_number_of_candidate_labels(tmp_path, checkpoints, monkeypatch):
    """Zero-shot classification has no parameter of that name."""
    (tmp_path / "in.txt").write_text("text\n" * 200)
    model = ["--model", checkpoints["zero-shot-classification"], "--candidate-labels", "x,y,z"]
    command = ["run", *model, "--task", "zero-shot-classification", "--input", tmp_path / "in.txt"]
    command += ["--output", tmp_path / "out.jsonl"]
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        invoke(*command, "--top-k", 2)
    result = invoke(*command, "--resume", "--top-k", 1)
    assert_refused(result, "begun with another --top-k")


def test_resume_refuses_a_model_that_was_replaced(command, tmp_path, monkeypatch):
    command[2] = write_checkpoint(tmp_path / "model", "sequence_classification")
    output = tmp_path / "out.csv"
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        invoke(*command, "--output", output)
    write_checkpoint(tmp_path / "model", "sequence_classification", seed=1)
    result = invoke(*command, "--output", output, "--resume")
    assert_refused(result, "begun with another state of the model")


def test_resume_goes_on_with_a_copy_of_the_model(command, tmp_path, monkeypatch):
    """A model that was fetched again has other times."""
    model = tmp_path / "model"
    command[2] = write_checkpoint(model, "sequence_classification")
    output = tmp_path / "out.csv"
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        invoke(*command, "--output", output)
    model.rename(tmp_path / "old")
    shutil.copytree(tmp_path / "old", model, copy_function=shutil.copyfile)
    assert invoke(*command, "--output", output, "--resume").exit_code == 0


def test_resume_of_an_output_whose_note_lacks_the_state_of_the_model(
    command, tmp_path, monkeypatch
):
    output, note = tmp_path / "out.csv", tmp_path / "out.csv.partial.json"
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        invoke(*command, "--output", output)
    state = json.loads(note.read_text())
    del state["facts"]["state of the model"]
    note.write_text(json.dumps(state))
    assert invoke(*command, "--output", output, "--resume").exit_code == 0


def test_resume_refuses_another_input(command, tmp_path, monkeypatch):
    output = tmp_path / "out.csv"
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        invoke(*command, "--output", output)
    (tmp_path / "in.txt").write_text("".join(f"{line}!\n" for line in LINES))
    assert_refused(invoke(*command, "--output", output, "--resume"), "begun with another input")
    assert_refused(invoke(*command, "--output", output), "half done")
    assert invoke(*command, "--output", output, "--overwrite").exit_code == 0
    assert names(tmp_path) == ["in.txt", "out.csv"]


def test_an_existing_file_needs_overwrite(command, tmp_path):
    output = tmp_path / "out.csv"
    output.write_text("mine")
    assert_refused(invoke(*command, "--output", output), "--overwrite replaces it")
    assert output.read_text() == "mine"
    assert_refused(
        invoke(*command, "--output", output, "--overwrite", "--resume"), "exclude each other"
    )
    assert invoke(*command, "--output", output, "--overwrite").exit_code == 0
    assert output.read_text().startswith("text,label,score")


def test_overwriting_keeps_the_old_file_until_the_new_one_is_whole(command, tmp_path, monkeypatch):
    output = tmp_path / "out.csv"
    output.write_text("mine")
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        assert invoke(*command, "--output", output, "--overwrite").exit_code == 130
    assert output.read_text() == "mine"
    assert invoke(*command, "--output", output, "--resume").exit_code == 0
    assert output.read_text() != "mine"


def test_a_full_disk_is_one_sentence_and_can_be_continued(command, tmp_path, monkeypatch):
    output = tmp_path / "out.csv"
    whole = tmp_path / "whole.csv"
    invoke(*command, "--output", whole)
    calls = 0

    def full(descriptor):
        nonlocal calls
        calls += 1
        if calls > 1:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert_refused(invoke(*command, "--output", output), "No space left on device")
    assert not output.exists()
    assert invoke(*command, "--output", output, "--resume").exit_code == 0
    assert output.read_bytes() == whole.read_bytes()


def test_a_link_stays_a_link(command, tmp_path):
    (tmp_path / "real.csv").write_text("mine")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    assert invoke(*command, "--output", tmp_path / "link.csv", "--overwrite").exit_code == 0
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text().startswith("text,label,score")


def test_an_input_that_is_not_there_beside_an_output_that_is(command, tmp_path):
    (tmp_path / "out.csv").write_text("mine")
    command[4] = tmp_path / "missing.txt"
    result = invoke(*command, "--output", tmp_path / "out.csv", "--overwrite")
    assert_refused(result, "Cannot read")
    assert (tmp_path / "out.csv").read_text() == "mine"


def test_a_pipe_is_read_once(command, tmp_path):
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as stream:
        stream.write((tmp_path / "in.txt").read_bytes())
    whole, output = tmp_path / "whole.csv", tmp_path / "out.csv"
    invoke(*command, "--output", whole)
    command[4] = f"/dev/fd/{reading}"
    result = invoke(*command, "--input-format", "txt", "--output", output)
    os.close(reading)
    assert result.exit_code == 0, result.stderr
    assert output.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("left", [COUNT - 1, COUNT + 1])
def test_an_input_that_changes_is_no_whole_answer(left, command, tmp_path, monkeypatch):
    check = Pipeline.check

    def change_behind(self, items, **options):
        check(self, items, **options)
        (tmp_path / "in.txt").write_text("text\n" * left)

    command[-1] = 8  # one chunk
    monkeypatch.setattr(Pipeline, "check", change_behind)
    result = invoke(*command, "--output", tmp_path / "out.csv")
    assert_refused(result, f"it had {COUNT} inputs, and then {left}")
    assert not (tmp_path / "out.csv").exists()


def test_the_input_is_not_overwritten(command, tmp_path):
    result = invoke(*command, "--output", tmp_path / "in.txt", "--overwrite")
    assert_refused(result, "choose another output")


def test_state_file_is_json(command, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        invoke(*command, "--output", tmp_path / "out.csv")
    state = json.loads((tmp_path / "out.csv.partial.json").read_text())
    assert state["rows"] == 8
    assert state["size"] == (tmp_path / "out.csv.partial").stat().st_size


@pytest.mark.parametrize("from_file", [True, False])
def test_a_closed_pipe_ends_quietly(from_file, command, tmp_path):
    (tmp_path / "in.txt").write_text("".join(f"{line}\n" for line in LINES * 20))
    arguments = command if from_file else [*command[:3], "--batch-size", 1]
    with (
        (tmp_path / "in.txt").open("rb") as stream,
        start(*arguments, "--format", "jsonl", stdin=stream) as process,
    ):
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait() == 141
    assert errors == b""


@pytest.mark.parametrize("arguments", [["run", "--task", "fill-mask", "a [MASK]"], ["info"]])
def test_standard_output_that_is_full_is_one_sentence(arguments):
    with Path("/dev/full").open("wb") as full, start(*arguments, stdout=full) as process:
        errors = process.stderr.read().decode()
        assert process.wait() == 2
    assert errors.splitlines()[-1] == (
        "Error: Cannot write standard output: No space left on device."
    )
    assert "Traceback" not in errors


@pytest.mark.parametrize("state", ["{}", '{"facts": 5, "rows": 1, "size": 1}', '{"facts": {}}'])
def test_a_damaged_state_file_is_refused(state, command, tmp_path, monkeypatch):
    interrupt_after(monkeypatch, 1)
    assert invoke(*command, "--output", tmp_path / "out").exit_code == 130
    (tmp_path / "out.partial.json").write_text(state)
    result = invoke(*command, "--output", tmp_path / "out", "--resume")
    assert_refused(result, "out.partial.json is damaged; --overwrite starts again")
