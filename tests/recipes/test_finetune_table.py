import dataclasses
import json
import math
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from mobilebert.datasets.items import FinetuneTask
from mobilebert.directory_lock import alone_in
from mobilebert.errors import InputError
from mobilebert.pipelines.encoding import ModelInput
from mobilebert.training.examples import ExampleSet, NewExample
from mobilebert.training.settings import FinetuneSettings
from mobilebert.training.treatment import judging_options
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
    rows = json.loads((directory / "found.json").read_text())["rows"]
    assert all(rows[name] == measured[name] for name in ROWS)
    assert not {"ours", "transformers"} & rows["cola"].keys()


def test_a_row_that_fails_keeps_none_from_being_measured(table, given, measured, monkeypatch):
    options, directory = given
    made = table.make_ready
    asked = []

    def failing(row, *rest):
        asked.append(row.title)
        if row is table.ROWS["squad1"]:
            raise InputError("no such file")
        return made(row, *rest)

    monkeypatch.setattr(table, "make_ready", failing)
    with pytest.raises(SystemExit) as ended:
        table.main([*options, "--seeds", "1", "--rows", "squad1", "mrpc", "--sides", "ours"])
    assert asked == ["SQuAD v1", "MRPC"]
    assert str(ended.value).splitlines()[1:] == ["squad1: no such file"]
    rows = json.loads((directory / "found.json").read_text())["rows"]
    assert rows["mrpc"]["ours"]["baseline"]
    assert "squad1" not in rows


def test_a_judgement_that_is_lacking_is_made_up_for(table, given, measured, tmp_path, monkeypatch):
    options, directory = given
    content = json.loads((directory / "found.json").read_text())
    for lost in ("baseline", "baseline_name", "best_of_saved"):
        del content["rows"]["arct"]["ours"][lost]
    (directory / "found.json").write_text(json.dumps(content))
    monkeypatch.setattr(table, "ours", None)
    table.main([*options, "--seeds", "1", "--rows", "arct"])
    assert json.loads((directory / "found.json").read_text())["rows"]["arct"] == measured["arct"]


@pytest.mark.parametrize("interrupted", [True, False])
def test_what_to_remove_is_told_where_states_are_of_other_settings(
    interrupted, table, tmp_path, monkeypatch
):
    directory = tmp_path / "found" / "arct"
    (directory / "training" if interrupted else directory).mkdir(parents=True)

    def refusing(*_, resume, **__):
        assert resume is interrupted
        raise InputError("These are of other settings.")

    monkeypatch.setattr(table, "finetune", refusing)
    ready = SimpleNamespace(model="m", settings=FinetuneSettings(evaluate_every=1))
    with pytest.raises(InputError) as refused:
        table.ours(table.ROWS["arct"], ready, tmp_path, directory, {}, 1)
    assert (f"no --overwrite: remove {directory}." in str(refused.value)) is interrupted


def test_two_at_once_are_refused(table, given):
    options, directory = given
    with alone_in(directory / "found.json"), pytest.raises(SystemExit, match="Another run"):
        table.main([*options, "--rows", "arct"])


def test_a_place_that_cannot_be_written_is_told_first(table, given, tmp_path, monkeypatch):
    options, _ = given
    monkeypatch.setattr(table, "ours", None)
    options = [*options, "--json", str(tmp_path / "no" / "found.json"), "--rows", "arct"]
    with pytest.raises(SystemExit, match="found.json"):
        table.main(options)


def test_settings_of_one_side_alone_are_refused(table, given, measured, monkeypatch):
    options, directory = given
    row = table.ROWS["arct"]
    smoothed = dataclasses.replace(row, settings={**row.settings, "label_smoothing": 0.1})
    monkeypatch.setitem(table.ROWS, "arct", smoothed)
    other = [*options, "--json", str(directory / "other.json"), "--seeds", "1", "--rows", "arct"]
    with pytest.raises(SystemExit, match="label_smoothing would be of mobilebert alone"):
        table.main(other)


def test_a_budget_is_of_settings_and_of_rows_to_judge_by(table, given, measured, tmp_path):
    options, _ = given
    data, model = options[1], options[5]
    limits = {"max_steps": 1, "batch_size": 4, "max_length": 48}
    row = table.ROWS["arct"]
    ready = table.make_ready(row, Path(data), limits, model)
    assert ready.budget(1) == measured["arct"]["budget"]
    elsewhere = shutil.copytree(data, tmp_path / "elsewhere")
    assert table.make_ready(row, elsewhere, limits, model).budget(1) == ready.budget(1)
    fewer = dataclasses.replace(ready, dev=ready.dev[1:])
    other = dataclasses.replace(ready, settings=dataclasses.replace(ready.settings, dropout=0.3))
    budgets = [one.budget(1) for one in (ready, fewer, other)]
    assert [one["judged_by"] == budgets[0]["judged_by"] for one in budgets] == [True, False, True]
    assert [one["settings"] == budgets[0]["settings"] for one in budgets] == [True, True, False]
    assert not any(model in str(one) for one in budgets)


@pytest.mark.parametrize(("steps", "judged"), [(1, 1), (4, 4), (6, 3), (9, 3), (11, 4)])
def test_a_run_is_judged_four_times_at_most(steps, judged, table, given):
    options, _ = given
    limits = {"max_steps": steps, "batch_size": 4, "max_length": 48}
    ready = table.make_ready(table.ROWS["arct"], Path(options[1]), limits, options[5])
    assert ready.steps == steps
    assert math.ceil(steps / ready.settings.evaluate_every) == judged <= table.JUDGED


@pytest.mark.parametrize(("name", "metric"), [("cola", "matthews"), ("mrpc", None), ("rte", None)])
def test_both_sides_are_judged_by_the_metric_that_is_compared(name, metric, table, monkeypatch):
    settings = FinetuneSettings(**table.ROWS[name].settings)
    peer, told = table.transformers_finetuning, []
    monkeypatch.setattr(peer, "evaluate_items", lambda *_, options, **__: told.append(options))
    model = SimpleNamespace(
        save_pretrained=lambda directory: None, config=SimpleNamespace(max_position_embeddings=64)
    )
    tokenizer = SimpleNamespace(model_max_length=64)
    peer.judge(FinetuneTask.TEXT_CLASSIFICATION, model, tokenizer, [], settings)
    assert told[0].judge_by == judging_options(settings).judge_by == metric
    assert table.ROWS[name].metrics[0] == (metric or "accuracy")


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
    assert "the trigram of the last token of shorter texts has [PAD]" in page


def test_what_has_not_been_learned_is_told(table):
    facts = {"machine": "a processor", "transformers": "4"}
    page = table.page({"rows": {"mr": entry([0.5, 0.5], [0.5, 0.4])}, "facts": facts})
    assert "mobilebert not above the majority: MR sentence polarity (accuracy)." in page


@pytest.mark.parametrize(
    ("ours", "told"),
    [([0.504, 0.504], "GoEmotions (micro f1)"), ([0.51, 0.51], "none"), ([0.5, 0.54], "GoEmo")],
)
def test_tuned_thresholds_have_to_gain_more_than_chance(ours, told, table):
    row = entry(ours, ours)
    for side in ("ours", "transformers"):
        for run in row[side]["runs"]:
            run["metrics"] = dict.fromkeys(table.ROWS["goemotions"].metrics, 0.9) | {
                "micro_f1": run["metrics"]["accuracy"]
            }
    row["title"] = "GoEmotions"
    row["ours"]["baseline"] = row["ours"]["best_of_saved"] = {"micro_f1": 0.5}
    content = {"rows": {"goemotions": row}, "facts": {"machine": "", "transformers": "4"}}
    assert f"mobilebert not above the majority: {told}" in table.page(content)


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


def test_a_model_that_is_not_judged_yet_is_unfinished(table, tmp_path, monkeypatch, capsys):
    unjudged = entry([0.8, 0.9], [0.7, 0.8])
    del unjudged["ours"]["baseline"], unjudged["ours"]["best_of_saved"]
    found = tmp_path / "found.json"
    facts = {"machine": "a processor", "transformers": "4"}
    found.write_text(json.dumps({"rows": {"mr": unjudged}, "facts": facts}))
    ready = SimpleNamespace(budget=lambda seeds: unjudged["budget"], check_alike=lambda: None)
    monkeypatch.setattr(table, "make_ready", lambda *_: ready)
    options = ["--json", str(found), "--threads", "1"]
    more = ["--data", str(tmp_path), "--rows", "mr", "--seeds", "2", "--sides", "transformers"]
    table.main([*options, *more])
    line = "| MR sentence polarity | accuracy | 1,000 | 10 | 5 × 4 | - | 75.0 ± 7.1 | - | - |"
    assert capsys.readouterr().out.splitlines()[-1] == line
    with pytest.raises(SystemExit, match="no row that both sides have finished"):
        table.main([*options, "--table", str(tmp_path / "page.md")])


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
