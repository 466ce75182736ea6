"""One process at a time works in a directory."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mobilebert.directory_lock import alone_in
from mobilebert.errors import InputError

HOLDER = """
import sys, time
from mobilebert.directory_lock import alone_in
with alone_in(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setenv("TMPDIR", str(directory))
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    return directory


@pytest.fixture
def holder(tmp_path):
    """Another process that holds a directory."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_another_process_is_refused(tmp_path, holder):
    with pytest.raises(InputError, match="Another process is at work in .*out; wait until"):
        alone_in(tmp_path / "out").__enter__()
    with alone_in(tmp_path / "other"):
        pass


def test_it_is_refused_by_any_name(tmp_path, holder, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("out")
    for name in ("out", "link", "./out/../out"):
        with pytest.raises(InputError, match="at work"):
            alone_in(name).__enter__()


def test_a_killed_process_holds_nothing(tmp_path, holder):
    holder.kill()
    holder.wait()
    with alone_in(tmp_path / "out"):
        pass


def test_nothing_is_left(tmp_path, temporary):
    with alone_in(tmp_path / "out"):
        assert len(list(temporary.iterdir())) == 1
    with pytest.raises(ZeroDivisionError), alone_in(tmp_path / "out"):
        raise ZeroDivisionError
    assert not list(temporary.iterdir())
    assert not (tmp_path / "out").exists()


def test_a_lock_that_was_removed_is_made_anew(tmp_path, temporary, monkeypatch):
    removed = []

    def lock(descriptor):
        if not removed:
            removed.extend(temporary.iterdir())
            removed[0].unlink()

    monkeypatch.setattr("mobilebert.directory_lock._lock", lock)
    with alone_in(tmp_path / "out"):
        assert removed
        assert removed[0].exists()


def test_where_nothing_can_be_locked_nothing_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(Path(tmp_path / "nowhere")))
    with alone_in(tmp_path / "out"):
        pass
