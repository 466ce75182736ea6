"""Processes that are ended from outside: one sentence, and what is finished stays."""

import multiprocessing
import subprocess
import sys

import pytest

from corpora.test_holding_out import sources_of
from corpora.texts import documents, write
from mobilebert.corpora import units
from mobilebert.corpora.preparation_directory import PreparationDirectory, Wanted
from mobilebert.corpora.settings import PreparationSettings
from mobilebert.corpora.units import HeldOutCounts, make_units
from mobilebert.corpora.workers import make_shards
from mobilebert.errors import TrainingError


@pytest.fixture
def work(tmp_path, tokenizer, monkeypatch):
    """Some units, and what makes shards of them."""
    monkeypatch.setattr(units, "UNIT_CHARACTERS", 8_000)
    sources = sources_of(write(tmp_path, "a.txt", documents(40)))
    directory = PreparationDirectory(tmp_path / "out")
    directory.open(Wanted({}, "", ()), 0, overwrite=False)
    made = make_units(sources, {}, [HeldOutCounts()])
    return list(made), (tokenizer, PreparationSettings(), directory, "key")


def test_shards_are_noted_where_they_are_made(work):
    some, arguments = work
    directory = arguments[2]
    records = {shard.name: shard for _, shard in make_shards(some, arguments, 2)}
    assert len(records) == len(some) > 3
    for unit in some:
        assert directory.kept(unit.name, unit.fingerprint("key")) == records[unit.name]
        assert directory.kept(unit.name, unit.fingerprint("other")) is None


def test_a_process_that_is_ended_is_told(work):
    some, arguments = work

    def ending():
        for number, unit in enumerate(some):
            if number == 2:
                for process in multiprocessing.active_children():
                    process.kill()
            yield unit

    with pytest.raises(TrainingError, match="was ended.*the same command goes on"):
        list(make_shards(ending(), arguments, 2))


def test_a_script_that_begins_anew_in_each_process_is_told(tmp_path):
    # With the bundled tokenizer, which is more than a pipe takes at once.
    write(tmp_path, "a.txt", documents(400))
    script = tmp_path / "script.py"
    script.write_text(
        "import mobilebert\nmobilebert.prepare_pretraining('a.txt', 'out', processes=2)\n"
    )
    ran = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 1
    assert "below `if __name__ == '__main__':`" in ran.stderr.splitlines()[-1]


def test_no_more_is_read_than_there_is_time_for(work):
    some, arguments = work
    taken = []

    def reading():
        for unit in some:
            taken.append(unit.name)
            yield unit

    for done, _ in enumerate(make_shards(reading(), arguments, 2), start=1):
        assert len(taken) <= done + 2 + 2
    assert len(taken) == len(some)
