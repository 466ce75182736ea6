"""The tables on the pages are those of the JSON that is kept."""

import importlib.util
import json
from pathlib import Path

import pytest

from bench.contents import record, work_name

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
    """The twin: with other results in the JSON the page is no longer current."""
    content = json.loads(script.RESULTS.read_text(encoding="utf-8"))
    own, peer = record("own", 0.0123, ours=True, dtype="float32"), record("peer", 0.0456)
    content["rows"] = [{"work": work_name(0), "runners": [own, peer]}]
    monkeypatch.setattr(script, "RESULTS", tmp_path / "changed.json")
    script.RESULTS.write_text(json.dumps(content))
    page = script.PAGES[1].read_text(encoding="utf-8")
    assert script.updated(page) != page
    assert "12.3 ms (own)" in script.updated(page)
