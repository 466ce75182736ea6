"""The tables on the pages are those of the JSON that is kept."""

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("pages", ROOT / "benchmarks/update_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_current(script):
    marked = 0
    for path in script.PAGES:
        page = path.read_text(encoding="utf-8")
        marked += page.count("<!-- benchmarks: figures -->")
        assert script.updated(page) == page, "run python benchmarks/update_pages.py"
    assert marked


def test_another_table_is_seen(script, tmp_path, monkeypatch):
    """The twin: with one time changed in the JSON the page is no longer current."""
    content = json.loads(script.RESULTS.read_text(encoding="utf-8"))
    measured = [
        record
        for row in content["rows"]
        for record in row["runners"]
        if record["state"] == "measured"
    ]
    for record in measured:
        record["median"] *= 1.5
    monkeypatch.setattr(script, "RESULTS", tmp_path / "changed.json")
    script.RESULTS.write_text(json.dumps(content))
    page = script.PAGES[1].read_text(encoding="utf-8")
    assert script.updated(page) != page
