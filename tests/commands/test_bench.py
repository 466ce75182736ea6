"""``mobilebert bench``: its options, its tables, and what Ctrl-C leaves."""

import json
import signal
import time

import pytest

from bench.contents import content, record, work_name
from commands.running import answers, assert_refused, invoke, start
from mobilebert.bench.results import read_results

# One layer is enough here.
SMALL = ("--layers", 1, "--runner", "engine float32")


def test_tables_of_results_are_printed(tmp_path):
    path = tmp_path / "results.json"
    rows = (work_name(0), [record("own", 0.002, ours=True), record("peer", 0.01)])
    path.write_text(json.dumps(content(rows)))
    printed = answers("bench", "--table", path)
    assert "a processor, 2 threads; 24 layers" in printed
    assert "**5.00 x**" in printed
    assert "not measured" in printed


def test_a_shape_is_measured_and_kept(tmp_path):
    path = tmp_path / "results.json"
    arguments = ("bench", "--length", 8, "--batch", 2, "--cache", tmp_path / "cache", *SMALL)
    printed = answers(*arguments, "--output", path)
    assert "S=8, batch 2" in printed
    assert "engine float32" in printed
    (row,) = read_results(path)["rows"]
    assert row["tokens"] == 16
    assert [x["state"] for x in row["runners"]] == ["measured"]
    assert row["runners"][0]["percent_of_peak"] > 0
    assert_refused(invoke(*arguments, "--output", path), "--resume continues it")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--runner", "tvm"), "No runner is called 'tvm'"),
        (("--output", "/nowhere/at/all.json"), "no directory"),
        (("--output", "x", "--overwrite", "--resume"), "exclude each other"),
        (("--table", "/nowhere.json"), "Cannot read"),
        (("--table", "x", "--output", "y"), "--output has no use with --table"),
        (("grid", "--table", "x", "--layers", "4"), "suite, --layers have no use with --table"),
        (("--batch", "8"), "--batch has no use without --length"),
        (("--resume",), "--resume has no use without --output"),
    ],
)
def test_what_cannot_be_done_is_said(arguments, message):
    assert_refused(invoke("bench", *arguments), message)


@pytest.mark.parametrize(
    "arguments", [("everything",), ("--length", "0"), ("--minutes", "0"), ("--layers", "25")]
)
def test_options_out_of_range_are_refused(arguments):
    assert invoke("bench", *arguments).exit_code == 2


def test_ctrl_c_keeps_the_rows(tmp_path):
    """Eight works; interrupted when the first is there."""
    path = tmp_path / "results.json"
    lengths = [word for length in range(8, 16) for word in ("--length", length)]
    process = start(
        *("bench", *lengths, *SMALL),
        *("--cache", tmp_path / "cache", "--output", path),
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if path.exists() and json.loads(path.read_text())["rows"]:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in err
    assert b"--resume measures the rest" in err
    assert 1 <= len(read_results(path)["rows"]) < 8
