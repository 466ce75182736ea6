"""Writes the tables of the benchmarks into README.md and docs/benchmarks.md.

    python benchmarks/update_pages.py

They come from benchmarks/results/figures.json, which `mobilebert bench figures` writes. A test
checks that the pages are current.
"""

from pathlib import Path

from mobilebert.bench.results import read_results
from mobilebert.bench.tables import page_block

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks/results/figures.json"
PAGES = (ROOT / "README.md", ROOT / "docs/benchmarks.md")


def updated(page: str) -> str:
    """Return a page with the current tables."""
    return page_block(page, read_results(RESULTS))


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")
