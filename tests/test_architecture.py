"""ARCHITECTURE.md says what is there, and the rooms import only from below."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PATH = re.compile(r"`([\w./-]+(?:/|\.py|\.pyi|\.toml|\.md))`")


def named_paths() -> list[str]:
    return sorted(set(PATH.findall((ROOT / "ARCHITECTURE.md").read_text())))


@pytest.mark.parametrize("name", named_paths())
def test_every_path_named_exists(name):
    assert (ROOT / name).exists() or (ROOT / "src" / "mobilebert" / name).exists()


def test_every_room_is_named():
    rooms = {
        path.name
        for path in (ROOT / "src" / "mobilebert").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    text = (ROOT / "ARCHITECTURE.md").read_text()
    assert {room for room in rooms if room not in text} == set()


def test_the_document_stays_short():
    assert len((ROOT / "ARCHITECTURE.md").read_text().splitlines()) <= 120


def lint(config: Path) -> subprocess.CompletedProcess:
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    arguments = [sys.executable, "-c", command, "--no-cache", "--config", str(config)]
    return subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, check=False)


def test_rooms_import_only_from_below():
    result = lint(ROOT / "pyproject.toml")
    assert result.returncode == 0, result.stdout
    assert "2 kept, 0 broken" in result.stdout


def test_the_layer_check_can_fail(tmp_path):
    """The twin: with two rooms exchanged the same check reports broken imports."""
    config = (ROOT / "pyproject.toml").read_text()
    exchanged = config.replace('    "config",\n', "").replace(
        '    "commands",\n', '    "config",\n    "commands",\n'
    )
    assert exchanged != config
    (tmp_path / "pyproject.toml").write_text(exchanged)
    result = lint(tmp_path / "pyproject.toml")
    assert result.returncode != 0
    assert "1 broken" in result.stdout
