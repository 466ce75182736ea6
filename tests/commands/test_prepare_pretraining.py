"""Preparing data from the command line: what is said, refused, and survives being stopped."""

import os
import signal
import subprocess
import sys
import time

import pytest

from commands.running import answers, assert_refused, invoke
from corpora.texts import documents, write
from mobilebert.corpora.prepared import PreparedCorpus

# Units of some thousand characters, so that a small text has many.
START = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from mobilebert.corpora import units
units.UNIT_CHARACTERS, units._PIECE_CHARACTERS = 20_000, 10_000
from mobilebert.commands.main import main
if __name__ == "__main__":
    main()
"""


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    directory = tmp_path_factory.mktemp("text")
    write(directory, "a.txt.xz", documents(300))
    return directory


def start(tmp_path, text, output, *options):
    script = tmp_path / "start.py"
    script.write_text(START)
    arguments = ["prepare-pretraining", "--input", text, "--output", output, "--processes", 2]
    return subprocess.Popen(
        [sys.executable, script, *map(str, (*arguments, *options))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )


def wait_for_shards(process, output, count):
    while len(list(output.glob("preparing/*.json"))) < count + 1:  # and what was asked for
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)


def content(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_what_is_said(text, tmp_path):
    result = invoke("prepare-pretraining", "--input", text, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert "a.txt.xz: text, encoding utf-8" in result.stderr
    assert "300 documents" in result.stderr
    assert "sequences to train on" in result.stdout
    assert "MB of text and" in result.stdout
    assert str(tmp_path / "out") in result.stdout
    assert len(PreparedCorpus.open(tmp_path / "out", "held-out")) > 0
    again = answers("prepare-pretraining", "--input", text, "--output", tmp_path / "out")
    assert "Nothing was to be done" in again


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--input", "/nowhere.txt"), "Cannot read /nowhere.txt"),
        (("--tokenizer", "/nowhere"), "/nowhere"),
        (("--max-length", "3"), "max_length"),
        (("--held-out", "0.7"), "held_out"),
        (("--processes", "0"), "processes"),
        (("--encoding", "utf-9"), "utf-9"),
    ],
)
def test_bad_options(text, tmp_path, arguments, message):
    where = ("--input", text) if "--input" not in arguments else ()
    result = invoke("prepare-pretraining", *where, *arguments, "--output", tmp_path / "out")
    assert_refused(result, message)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT])
def test_stopped_and_gone_on_with(text, tmp_path, signal_number):
    whole = start(tmp_path, text, tmp_path / "whole")
    _, told = whole.communicate()
    assert whole.returncode == 0, told
    stopped = start(tmp_path, text, tmp_path / "out")
    wait_for_shards(stopped, tmp_path / "out", 3)
    stopped.send_signal(signal_number)
    _, told = stopped.communicate()  # ends when no process holds the pipe any more
    assert b"Traceback" not in told
    if signal_number == signal.SIGINT:
        assert stopped.returncode == 130
        assert b"what is finished is kept, and the same command goes on" in told
    assert not (tmp_path / "out" / "manifest.json").exists()
    kept = {
        path.name: path.stat().st_mtime_ns
        for path in (tmp_path / "out").glob("*.npy")
        if (tmp_path / "out" / "preparing" / f"{path.name.split('.')[0]}.json").exists()
    }
    assert len(kept) >= 6
    again = start(tmp_path, text, tmp_path / "out")
    out, told = again.communicate()
    assert again.returncode == 0, told
    assert b"sequences to train on" in out
    assert content(tmp_path / "out") == content(tmp_path / "whole")
    assert (
        kept.items()
        <= {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.npy")}.items()
    )
