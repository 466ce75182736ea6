"""What the benchmark of --quick keeps of the tasks that it measured before."""

import json

import pytest

from recipes.benchmark_modules import benchmark


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """The benchmark, its default results elsewhere, and rows that are made up."""
    module = benchmark("quick")
    row = {"data": "D", "examples": 9, "judged": 3, "steps": 2, "metric": "f1", "baseline": None}

    def measured(task, data, limits):
        return row | {"seconds": 60.0, "found": 0.5, "limits": limits}

    monkeypatch.setattr(module, "measured", measured)
    monkeypatch.setattr(module, "machine", lambda threads: "P, 2 threads, load 0.1 before it")
    monkeypatch.setattr(module, "weights_of", {module.BUNDLED_MODEL: "aa"}.get)
    monkeypatch.setattr(module, "RESULTS", tmp_path / "quick.json")
    return module


def tasks_of(path):
    return list(json.loads(path.read_text())["tasks"])


def test_other_tasks_are_kept(quick, monkeypatch, capsys):
    quick.main(["--data", "D", "--tasks", "regression", "fill-mask"])
    # The load is no part of the machine.
    monkeypatch.setattr(quick, "machine", lambda threads: "P, 2 threads, load 1.7 before it")
    quick.main(["--data", "D", "--tasks", "text-classification", "regression"])
    wanted = ["text-classification", "regression", "fill-mask"]
    assert tasks_of(quick.RESULTS) == wanted
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in told[-3:]] == wanted


@pytest.mark.parametrize("differs", ["machine", "limits", "weights"])
def test_what_was_measured_otherwise_is_not_mixed(quick, monkeypatch, differs):
    words = ["--data", "D", "--json", str(quick.RESULTS), "--tasks", "regression"]
    quick.main(words)
    before = quick.RESULTS.read_text()
    if differs == "machine":
        monkeypatch.setattr(quick, "machine", lambda threads: "Q, 2 threads, load 0.1 before it")
    elif differs == "weights":
        monkeypatch.setattr(quick, "weights_of", {quick.BUNDLED_MODEL: "bb"}.get)
    else:
        words += ["--max-steps", "2"]
    with pytest.raises(SystemExit, match="give another --json, or remove it"):
        quick.main(words)
    assert quick.RESULTS.read_text() == before


def test_a_trial_needs_a_place_of_its_own(quick, tmp_path, capsys):
    words = ["--data", "D", "--tasks", "regression", "--max-steps", "2"]
    with pytest.raises(SystemExit):
        quick.main(words)
    assert "--max-steps needs --json FILE" in capsys.readouterr().err
    assert not quick.RESULTS.exists()
    quick.main([*words, "--json", str(tmp_path / "trial.json")])
    assert tasks_of(tmp_path / "trial.json") == ["regression"]
