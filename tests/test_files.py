import os
import stat
import sys

import pytest

from mobilebert.errors import CheckpointError
from mobilebert.files import atomic_path, read_json, read_text, write_atomic


def test_write_replaces_the_whole_file(tmp_path):
    path = tmp_path / "a.txt"
    write_atomic(path, "first")
    write_atomic(path, b"second")
    assert path.read_bytes() == b"second"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "a.txt"
    write_atomic(path, "old")

    def interrupted():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="has no permissions of this kind")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_files_follow_the_umask_and_nothing_touches_it(tmp_path, monkeypatch, mask):
    before = os.umask(mask)
    try:
        with monkeypatch.context() as patch:
            # It is the process's: another thread's files would be made without it meanwhile.
            patch.setattr(os, "umask", None)
            write_atomic(tmp_path / "a.txt", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o666 & ~mask


def test_unwritable_places_are_named(tmp_path):
    (tmp_path / "directory").mkdir()
    for target in (tmp_path / "absent" / "a.txt", tmp_path / "directory"):
        with pytest.raises(CheckpointError, match=f"Cannot write .*{target.name}"):
            write_atomic(target, "x")
    assert [p.name for p in tmp_path.iterdir()] == ["directory"]


def test_bad_utf8_names_the_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\ntwo\n\xff three\n")
    with pytest.raises(CheckpointError, match=r"not UTF-8: byte 0xff in line 3"):
        read_text(path)


def test_json_must_be_an_object(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"a": 1}')
    assert read_json(path) == {"a": 1}
    path.write_text('"text"')
    with pytest.raises(CheckpointError, match="holds a str"):
        read_json(path)
    with pytest.raises(CheckpointError, match="Cannot read"):
        read_json(tmp_path / "absent.json")
