"""The directory of a run: refused in one sentence, and never left in a state that blocks it."""

import shutil
import tempfile
from pathlib import Path

import pytest

from mobilebert.errors import CheckpointError, InputError
from mobilebert.training.output_directory import Existing, OutputDirectory


@pytest.fixture
def output(tmp_path):
    return OutputDirectory(tmp_path / "m")


def room_of(monkeypatch, free):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": free}))


def test_states_leave_their_place_at_once(output, monkeypatch):
    output.open(Existing.REFUSE, 0)
    (output.states / "seed-0").mkdir()
    (output.path / "report.json").write_text("{}")
    (output.path / ".report.json.abc.partial").write_text("half")
    # A program that is ended before anything is removed.
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)
    output.close()
    assert output.is_finished
    assert not list(output.path.glob(".*.partial"))


def test_what_a_killed_run_left_above_is_removed(tmp_path):
    output = OutputDirectory(tmp_path / "new" / "m")
    other = OutputDirectory(tmp_path / "new" / "other")
    with output.scratch() as first, other.scratch() as second:
        assert first.parent == second.parent == tmp_path
        killed = Path(shutil.copytree(first, f"{first}-killed"))
        output.open(Existing.REFUSE, 0)
        output.close()
        assert not killed.exists()
        assert second.is_dir()


def test_a_full_disk_leaves_nothing_to_go_on_with(output, monkeypatch):
    room_of(monkeypatch, 99)
    with pytest.raises(CheckpointError, match="has 0 MB left"):
        output.open(Existing.REFUSE, 100)
    assert not output.path.exists()
    room_of(monkeypatch, 100)
    output.open(Existing.REFUSE, 100)
    assert output.states.is_dir()


@pytest.mark.parametrize("existing", [Existing.RESUME, Existing.OVERWRITE])
def test_states_that_are_written_over_need_no_room_of_their_own(output, monkeypatch, existing):
    output.open(Existing.REFUSE, 0)
    (output.states / "seed-0").mkdir()
    (output.states / "seed-0" / "state.safetensors").write_bytes(bytes(60))
    room_of(monkeypatch, 39)
    with pytest.raises(CheckpointError, match="choose another --output"):
        output.open(existing, 100)
    room_of(monkeypatch, 40)
    output.open(existing, 100)


def unwritable(monkeypatch, place):
    made = tempfile.mkdtemp

    def refused(suffix=None, prefix=None, dir=None):  # as in the library
        if str(dir) == str(place):
            raise PermissionError(13, "Permission denied")
        return made(suffix, prefix, dir)

    monkeypatch.setattr(tempfile, "mkdtemp", refused)


def test_a_place_that_cannot_be_written_is_told(output, monkeypatch, tmp_path):
    unwritable(monkeypatch, tmp_path)
    wanted = rf"Cannot write in {tmp_path}: Permission denied; choose another --output"
    with pytest.raises(CheckpointError, match=wanted), output.scratch():
        pass


def test_a_directory_may_stand_in_one_that_cannot_be_written(output, monkeypatch, tmp_path):
    """A container's volume."""
    output.path.mkdir()
    unwritable(monkeypatch, tmp_path)
    with output.scratch() as scratch:
        assert scratch.parent == output.path
        # As a run that is killed now leaves it.
        output.check(Existing.REFUSE)
        (output.path / "other").write_text("mine")
        with pytest.raises(InputError, match="is not empty"):
            output.check(Existing.REFUSE)
    assert not scratch.exists()


def test_what_a_killed_run_left_is_removed_in_the_end(output):
    left = output.path / ".mobilebert-examples-abc"
    left.mkdir(parents=True)
    (left / "ids.npy").write_bytes(b"1")
    output.open(Existing.REFUSE, 0)
    output.close()
    assert not left.exists()
