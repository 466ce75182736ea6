"""One process at a time works in a directory."""

import errno
import importlib.util
import os
import subprocess
import sys
import tempfile

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
    with pytest.raises(InputError, match="Another run is at work in .*out; wait until"):
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


def nowhere():
    raise FileNotFoundError("no usable temporary directory")


def unwritable(*_):
    raise PermissionError(errno.EACCES, "Permission denied")


def without_locks(*_):
    raise OSError(errno.ENOLCK, "No locks available")


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("tempfile.gettempdir", nowhere),
        ("os.open", unwritable),
        ("mobilebert.directory_lock._lock", without_locks),
    ],
)
def test_where_nothing_can_be_locked_nothing_is_refused(tmp_path, monkeypatch, name, instead):
    monkeypatch.setattr(name, instead)
    with alone_in(tmp_path / "out"):
        pass


def test_it_needs_no_name_that_macos_lacks(monkeypatch):
    monkeypatch.delattr(errno, "EDEADLOCK")
    spec = importlib.util.find_spec("mobilebert.directory_lock")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_names_of_bytes(tmp_path, holder):
    with alone_in(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")):
        pass
