"""What the build is told about wheels, and what tests on wheels need.

scripts/build_wheels.sh builds and installs them, which takes minutes.
"""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

from mobilebert.checkpoint.torch_file import _SAFE_TORCH

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
WHEELS = PROJECT["tool"]["cibuildwheel"]
EXTRAS = PROJECT["project"]["optional-dependencies"]
# All of the tests on a wheel: those of the engine, and what pytest and they import beside them.
SHARED = {path.stem: path for path in (ROOT / "tests").glob("*.py")}


def names(requirements):
    return {re.match(r"[\w-]+", line)[0].replace("-", "_") for line in requirements}


def imported(path):
    """Return the top-level modules that a file imports when it is loaded."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module.split(".")[0])
    return found


def needed_by(paths):
    todo, seen, needed = list(paths), set(), set()
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        modules = imported(path)
        todo += [SHARED[name] for name in modules if name in SHARED]
        needed |= modules - SHARED.keys()
    return needed


def test_wheels_are_tested_with_the_small_extra():
    assert WHEELS["test-extras"] == ["test"]
    assert WHEELS["test-command"] == "python -m pytest tests/engine"
    assert set(WHEELS["test-sources"]) == {"tests", "pyproject.toml"}
    assert "mobilebert[test]" in EXTRAS["dev"]


def test_tests_of_the_engine_need_no_more_than_the_extra_has():
    given = names(PROJECT["project"]["dependencies"]) | names(EXTRAS["test"]) | {"mobilebert"}
    files = [ROOT / "tests/conftest.py", *(ROOT / "tests/engine").glob("*.py")]
    foreign = {"torch", "tensorflow", "keras", "transformers", "scipy", "jax"}
    needed = needed_by(files)
    assert {"numpy", "pytest", "mobilebert"} <= needed
    assert needed & foreign == set()
    from_elsewhere = {name for name in needed if name not in sys.stdlib_module_names}
    assert from_elsewhere <= given


def test_what_is_needed_is_noticed():
    """The twin: a file that imports PyTorch is seen to, through another file too."""
    assert "torch" in needed_by([ROOT / "tests/pytorch/test_engine_of_torch.py"])
    assert "torch" in needed_by([ROOT / "tests/pytorch/test_structure.py"])


def test_the_torch_that_is_installed_reads_pickles():
    least = ".".join(map(str, _SAFE_TORCH))
    assert EXTRAS["torch"] == [f"torch>={least}"]
    pinned = re.search(r"^torch==(\d+)\.(\d+)", (ROOT / "constraints.txt").read_text(), re.M)
    assert tuple(map(int, pinned.groups())) >= _SAFE_TORCH


@pytest.mark.parametrize(
    ("system", "machines"), [("linux", {"x86_64", "aarch64"}), ("macos", {"arm64"})]
)
def test_wheels_are_for_the_documented_machines(system, machines):
    assert set(WHEELS[system]["archs"]) == machines


def test_every_supported_python_has_wheels():
    built = re.fullmatch(r"cp3\{([\d,]+)\}-\*", WHEELS["build"])[1].split(",")
    supported = {
        line.rsplit(".", 1)[1]
        for line in PROJECT["project"]["classifiers"]
        if "Python :: 3." in line
    }
    assert supported <= set(built)


def test_a_failed_build_installs_without_the_engine():
    build = PROJECT["tool"]["scikit-build"]
    (fallback,) = build["overrides"]
    assert fallback["if"] == {"failed": True}
    assert fallback["wheel"] == {"cmake": False}
