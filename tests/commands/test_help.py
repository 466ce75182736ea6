"""Help, version and the page about the command line."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import mobilebert
from commands.running import answers, invoke
from mobilebert.commands.main import SUBCOMMANDS

ROOT = Path(__file__).parents[2]
HEAVY = ("numpy", "torch", "tokenizers", "tqdm", "huggingface_hub")


def test_version():
    assert mobilebert.__version__ in answers("--version")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["-V"], *([name, "-h"] for name in SUBCOMMANDS)]
)
def test_help_imports_nothing_heavy(arguments):
    code = (
        "import sys\nfrom mobilebert.commands.main import cli\n"
        f"cli({arguments!r}, standalone_mode=False)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[-1] == "[]"


def test_every_option_is_explained():
    text = answers("run", "--help")
    for option in (
        *("--task", "--model", "--backend", "--device", "--dtype", "--input", "--column"),
        *("--candidate-labels", "--top-k", "--output", "--overwrite", "--resume", "--format"),
        *("--batch-size", "--parameter", "--revision", "--allow-untrained", "--input-format"),
    ):
        assert option in text


@pytest.mark.parametrize(
    ("command", "default"),
    [
        ("pretrain", "that of --init, or the bundled one"),
        ("distill", "that of --init if it has one, or the teacher's"),
    ],
)
def test_the_tokenizer_that_is_taken_is_told(command, default):
    assert f"Default: {default}." in " ".join(answers(command, "--help").split())


def test_an_unknown_command_is_refused():
    result = invoke("serve")
    assert result.exit_code == 2
    assert "No such command 'serve'" in result.stderr


def load_script():
    spec = importlib.util.spec_from_file_location("update", ROOT / "docs/update_command_line.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current():
    script = load_script()
    page = script.PAGE.read_text(encoding="utf-8")
    assert len(script.BLOCK.findall(page)) == 1 + len(SUBCOMMANDS)
    assert script.updated(page) == page, "run python docs/update_command_line.py"


def test_an_old_page_is_seen():
    script = load_script()
    page = script.PAGE.read_text(encoding="utf-8")
    assert script.updated(page.replace("--overwrite  ", "--replace  ")) == page
