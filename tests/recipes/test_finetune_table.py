import json
from types import SimpleNamespace

import pytest

from mobilebert.datasets.items import FinetuneTask
from mobilebert.pipelines.encoding import ModelInput
from mobilebert.training.examples import ExampleSet, NewExample
from pipelines.random_checkpoints import write_checkpoint
from recipes.benchmark_modules import benchmark
from recipes.small_data import write_data

ROWS = ("goemotions", "stsb", "wnut17", "squad2", "arct")  # all shapes of targets


@pytest.fixture(scope="module")
def table():
    return benchmark("finetune_table")


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    directory = tmp_path_factory.mktemp("table")
    encoder = write_checkpoint(directory / "encoder", "fill-mask", num_labels=2)
    data = write_data(directory / "data")
    options = ["--data", data, "--json", directory / "found.json", "--model", encoder]
    limits = ["--max-steps", 1, "--batch-size", 4, "--max-length", 48, "--threads", 1]
    return [str(word) for word in (*options, *limits)], directory


@pytest.fixture(scope="module")
def measured(table, given):
    options, directory = given
    table.main([*options, "--seeds", "1", "--rows", *ROWS])
    return json.loads((directory / "found.json").read_text())["rows"]


@pytest.mark.parametrize("name", ROWS)
def test_both_sides_are_measured(name, table, measured):
    entry = measured[name]
    metrics = table.ROWS[name].metrics
    assert entry["budget"]["steps"] == 1
    for side in ("ours", "transformers"):
        (run,) = entry[side]["runs"]
        assert all(run["metrics"][metric] is not None for metric in metrics)
    (run,) = entry["ours"]["runs"]
    for metric in metrics:
        assert entry["ours"]["best_of_saved"][metric] == pytest.approx(run["metrics"][metric])
        assert metric in entry["ours"]["baseline"]


def test_it_goes_on_and_measures_nothing_twice(table, given, measured, monkeypatch):
    options, directory = given
    before = (directory / "found.json").read_text()
    monkeypatch.setattr(table, "ours", None)
    monkeypatch.setattr(table, "theirs", None)
    table.main([*options, "--seeds", "1", "--rows", *ROWS])
    assert (directory / "found.json").read_text() == before


def test_other_budgets_are_refused(table, given, measured):
    options, _ = given
    with pytest.raises(SystemExit, match="another --json"):
        table.main([*options, "--seeds", "2", "--rows", "arct"])


def test_ctrl_c_keeps_what_is_there(table, given, measured, tmp_path, monkeypatch, capsys):
    options, directory = given

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(table, "ours", interrupted)
    with pytest.raises(SystemExit) as ended:
        table.main([*options, "--seeds", "1", "--rows", "cola"])
    assert ended.value.code == 130
    assert "goes on" in capsys.readouterr().err
    assert set(json.loads((directory / "found.json").read_text())["rows"]) == set(ROWS)


WEIGHTS = "0123456789ab"


def entry(ours, theirs, diverged=None):
    runs = [{"seed": n, "metrics": m and {"accuracy": m}} for n, m in enumerate(theirs)]
    budget = {"train": 1000, "dev": 10, "steps": 5, "batch_size": 4, "seeds": len(ours)}
    budget["weights"] = WEIGHTS
    return {
        "title": "MR sentence polarity",
        "budget": budget,
        "ours": {
            "runs": [{"seed": n, "metrics": {"accuracy": m}} for n, m in enumerate(ours)],
            "baseline": {"accuracy": 0.5},
            "best_of_saved": {"accuracy": max(ours)},
        },
        "transformers": {"runs": [run | {"diverged": diverged} for run in runs]},
    }


@pytest.mark.parametrize(
    ("ours", "theirs", "wanted", "below"),
    [
        ([0.8, 0.9], [0.7, 0.8], "| 50.0 | 75.0 ± 7.1 | 85.0 ± 7.1 | +10.0 |", "none"),
        (
            [0.8, 0.81, 0.9],
            [0.4, 0.5, 0.42],
            "| 50.0 | 44.0 ± 5.3 (42.0) | 83.7 ± 5.5 (81.0) | +39.7 |",
            "none",
        ),
        ([0.8], [0.804], "| 50.0 | 80.4 | 80.0 | -0.4 |", "none"),
        ([0.8], [0.806], "| 50.0 | 80.6 | 80.0 | -0.6 |", "MR sentence polarity (accuracy)"),
    ],
)
def test_the_page(ours, theirs, wanted, below, table):
    facts = {"machine": "a processor", "transformers": "4"}
    page = table.page({"rows": {"mr": entry(ours, theirs)}, "facts": facts})
    assert f"| MR sentence polarity | accuracy | 1,000 | 10 | 5 × 4 {wanted}" in page
    assert f"More than 0.5 points below transformers: {below}." in page
    assert "mobilebert not above the majority: none." in page


def test_what_has_not_been_learned_is_told(table):
    facts = {"machine": "a processor", "transformers": "4"}
    page = table.page({"rows": {"mr": entry([0.5, 0.5], [0.5, 0.4])}, "facts": facts})
    assert "mobilebert not above the majority: MR sentence polarity (accuracy)." in page


@pytest.mark.parametrize(("saved", "told"), [(0.8, "none"), (0.7, "MR sentence polarity")])
def test_another_way_to_judge_is_told(saved, told, table):
    row = entry([0.8, 0.75], [0.8, 0.8])
    row["ours"]["best_of_saved"]["accuracy"] = saved
    page = table.page({"rows": {"mr": row}, "facts": {"machine": "", "transformers": "4"}})
    assert f"from disk than in the run: {told}." in page


def test_a_page_says_whose_figures_it_has(table, monkeypatch):
    content = {"rows": {"mr": entry([0.8], [0.7])}, "facts": {"machine": "", "transformers": "4"}}
    told = f"Fine-tuning of checkpoint {WEIGHTS} (SHA-256), not the one that is bundled now, with"
    assert told in table.page(content)
    monkeypatch.setattr(table, "weights_of", lambda model: WEIGHTS)
    assert "Fine-tuning of the bundled model with" in table.page(content)


def test_divergence_is_told(table):
    facts = {"machine": "a processor", "transformers": "4"}
    page = table.page({"rows": {"mr": entry([0.8], [None], diverged=3)}, "facts": facts})
    assert "| 50.0 | - (1 diverged) | 80.0 | - |" in page


def test_an_unfinished_row_is_left_out(table):
    facts = {"machine": "a processor", "transformers": "4"}
    page = table.page({"rows": {"mr": entry([0.8, 0.8], [0.7])}, "facts": facts})
    assert "MR" not in page


def test_a_side_alone_is_printed(table, tmp_path, monkeypatch, capsys):
    alone = entry([0.8, 0.9], [])
    ready = SimpleNamespace(budget=lambda seeds: alone["budget"])
    monkeypatch.setattr(table, "make_ready", lambda *_: ready)
    monkeypatch.setattr(table, "ours", lambda *_: alone["ours"])
    found = str(tmp_path / "found.json")
    options = ["--json", found, "--data", str(tmp_path), "--rows", "mr", "--threads", "1"]
    table.main([*options, "--sides", "ours"])
    line = "| MR sentence polarity | accuracy | 1,000 | 10 | 5 × 4 | 50.0 | - | 85.0 ± 7.1 | - |"
    assert capsys.readouterr().out.splitlines()[-2:] == [table.HEAD, line]
    with pytest.raises(SystemExit, match="no row that both sides have finished"):
        table.main(["--json", found, "--table", str(tmp_path / "page.md"), "--threads", "1"])
    assert not (tmp_path / "page.md").exists()
    table.main(["--json", found, "--compare", found, "--threads", "1"])
    assert "| 50.0 | 85.0 ± 7.1 | 85.0 ± 7.1 | +0.0 |" in capsys.readouterr().out


def sequence(length):
    return ModelInput(ids=list(range(1, length + 1)), types=[0] * length)


def test_choices_are_padded_together(table):
    row = NewExample([sequence(3), sequence(5)], [1], 0)
    other = NewExample([sequence(2), sequence(4)], [0], 1)
    examples = ExampleSet.build([row, other])
    batch = table.transformers_finetuning.inputs(FinetuneTask.MULTIPLE_CHOICE, list(examples))
    assert batch["input_ids"].shape == (2, 2, 5)
    assert batch["attention_mask"].sum(-1).tolist() == [[3, 5], [2, 4]]
    assert batch["labels"].tolist() == [1, 0]
