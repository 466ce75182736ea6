import ast
import dataclasses
import importlib.util
import shlex
import sys
from pathlib import Path

import click
import pytest

from mobilebert.commands.finetune import finetune as finetune_command
from mobilebert.commands.finetune_run import read_columns
from mobilebert.commands.main import cli
from mobilebert.datasets.items import FinetuneTask
from mobilebert.errors import InputError
from mobilebert.training.data import DataSource, read_training_data
from mobilebert.training.settings import FinetuneSettings
from pipelines.random_checkpoints import write_checkpoint
from recipes.small_data import write_data

RECIPES = Path(__file__).parents[2] / "recipes"
SETTINGS = [setting.name for setting in dataclasses.fields(FinetuneSettings)]


def module(name):
    spec = importlib.util.spec_from_file_location(name, RECIPES / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


sys.modules["rows"] = rows = module("rows")  # finetune.py imports it, from its own directory
ROWS = rows.ROWS
recipe = module("finetune")

EXPECTED = {"sst2", "mrpc", "stsb", "rte", "cola", "mr", "goemotions", "wnut17"}
EXPECTED |= {"squad1", "squad2", "arct", "cosmosqa"}


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


def parsed(arguments):
    """What the command makes of arguments."""
    name, *rest = arguments
    assert name == "finetune"
    # As part of the whole command: the names of the help option are remembered.
    return finetune_command.make_context(
        "finetune", rest, parent=click.Context(cli, **cli.context_settings)
    ).params


def test_all_rows_of_the_table_are_there():
    assert set(ROWS) == EXPECTED


@pytest.mark.parametrize("name", ROWS)
def test_the_command_line_accepts_it(name, data, tmp_path):
    given = [name, "--data", str(data), "--output", str(tmp_path), "--seeds", "3"]
    arguments, run = recipe.command(given)
    params = parsed(arguments)
    assert run
    assert params["seeds"] == 3
    named = ROWS[name].keywords(data)
    assert list(params["train"]) == named["train"]
    assert (list(params["dev"]) or None) == named["dev"]
    assert read_columns(params["columns"]) == named["columns"]
    assert params["group"] == named["group"]
    settings = {name: params[name] for name in SETTINGS if params[name] is not None}
    assert FinetuneSettings.read(settings) == FinetuneSettings.read(ROWS[name].settings)


def read(row, data, **changes):
    named = row.keywords(data) | changes
    source = DataSource(
        train=named["train"],
        dev=named["dev"] or (),
        columns=named["columns"],
        group=named["group"],
    )
    return read_training_data(FinetuneTask(row.task), source, dev_share=0.2, seed=0)


@pytest.mark.parametrize("name", ROWS)
def test_it_reads_data_in_the_published_form(name, data):
    found = read(ROWS[name], data)
    assert len(found.train) > len(found.dev) > 0
    assert not found.summary.problems
    assert found.summary.leaks == 0


@pytest.mark.parametrize("name", [name for name in ROWS if ROWS[name].columns])
def test_other_columns_are_refused(name, data):
    # The twin of the test above.
    strange = dict.fromkeys(ROWS[name].columns, "nowhere")
    with pytest.raises(InputError, match="nowhere"):
        read(ROWS[name], data, columns=strange)


def test_no_path_points_outside():
    names = [name for row in ROWS.values() for name in (*row.train, *row.dev)]
    assert all(not Path(name).is_absolute() and ".." not in Path(name).parts for name in names)
    for script in RECIPES.glob("*.py"):
        tree = ast.walk(ast.parse(script.read_text()))
        texts = [x.value for x in tree if isinstance(x, ast.Constant) and isinstance(x.value, str)]
        assert not [text for text in texts if text.startswith(("/", "~"))]


def test_the_page_names_all_rows():
    page = (RECIPES / "README.md").read_text()
    for name, row in ROWS.items():
        assert f"| `{name}` | {row.title} |" in page


def test_it_prints_the_command(data, tmp_path, monkeypatch, capsys):
    given = ["mrpc", "--data", str(data), "--output", str(tmp_path / "model"), "--print"]
    monkeypatch.setattr(sys, "argv", ["finetune.py", *given])
    recipe.main()
    program, *arguments = shlex.split(capsys.readouterr().out)
    assert program == "mobilebert"
    assert read_columns(parsed(arguments)["columns"])["text"] == "#1 String"
    assert not (tmp_path / "model").exists()


def test_it_runs_the_command(data, tmp_path, monkeypatch, capsys):
    encoder = write_checkpoint(tmp_path / "encoder", "fill-mask")
    given = ["mr", "--data", str(data), "--output", str(tmp_path / "model")]
    more = ["--model", str(encoder), "--max-steps", "1", "--max-length", "32"]
    monkeypatch.setattr(sys, "argv", ["finetune.py", *given, *more])
    with pytest.raises(SystemExit) as ended:
        recipe.main()
    assert ended.value.code == 0
    assert "majority class" in capsys.readouterr().out
    assert (tmp_path / "model/report.json").exists()


def test_other_names_are_refused(data, tmp_path, capsys):
    with pytest.raises(SystemExit):
        recipe.command(["mnli", "--data", str(data), "--output", str(tmp_path)])
    assert "sst2" in capsys.readouterr().err
