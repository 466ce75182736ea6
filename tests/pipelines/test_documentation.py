"""docs/pipelines.md names every parameter (its examples run in tests/test_readme.py)."""

import dataclasses
import re
from pathlib import Path

import pytest

from mobilebert.pipelines import PIPELINES, pipeline_class

PAGE = (Path(__file__).parents[2] / "docs" / "pipelines.md").read_text(encoding="utf-8")


def section(task):
    return PAGE.split(f"### {task}\n")[1].split("\n#")[0]


@pytest.mark.parametrize("task", PIPELINES)
def test_every_parameter_is_documented_and_exists(task):
    names = {field.name for field in dataclasses.fields(pipeline_class(task).defaults)}
    cells = re.findall(r"^\| (`.*?) \|", section(task), re.MULTILINE)
    documented = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert documented == names
