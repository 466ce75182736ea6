"""Files of many rows: read again rather than kept, and repetitions counted rather than listed."""

import pytest

from datasets.files import read, write
from mobilebert.datasets import fingerprints, item_sets, reading
from mobilebert.datasets.problems import ProblemKind

CLASSES = "text-classification"

GOOD = "text,label\na fine film,1\na dull one,0\n"


@pytest.mark.parametrize("on_error", ["refuse", "skip"])
def test_a_large_file_is_read_again_each_time(on_error, tmp_path, monkeypatch):
    path = write(tmp_path, "rows.csv", GOOD + "a dull one,0\n" + "x,\n" * (on_error == "skip"))
    kept = read(CLASSES, path, on_error=on_error)
    monkeypatch.setattr(reading, "LARGEST_IN_MEMORY", 10)
    monkeypatch.setattr(item_sets, "LARGEST_IN_MEMORY", 10)
    streamed = read(CLASSES, path, on_error=on_error)
    assert not isinstance(streamed.items, list)
    assert list(streamed) == list(streamed) == list(kept)
    assert streamed.problems == kept.problems
    assert len(streamed) == 3
    some = streamed.only([0, 2])
    assert not isinstance(some.items, list)
    assert list(some) == list(some) == list(kept.only([0, 2])) == [kept.items[0], kept.items[2]]
    assert some.labels == {"1": 1, "0": 1}
    monkeypatch.setattr(item_sets, "LARGEST_IN_MEMORY", path.stat().st_size * 2 // 3)
    assert streamed.only([0, 2]).items == [kept.items[0], kept.items[2]]
    assert not isinstance(streamed.only([0, 1, 2]).items, list)


def test_repetitions_are_all_counted_and_the_first_ones_named(tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprints, "KEPT_PROBLEMS", 2)
    rows = "".join(f"film {n % 5},{n % 5 % 2 if n < 15 else 2}\n" for n in range(20))
    path = write(tmp_path, "rows.csv", f"text,label\n{rows}")
    items = read(CLASSES, path)
    assert items.counts == {ProblemKind.DUPLICATE: 10, ProblemKind.CONTRADICTION: 5}
    assert [(one.kind, str(one)) for one in items.problems] == [
        (kind, f"{path}, line {line}: {reason} {path}, line {first}.")
        for kind, reason, line, first in [
            (ProblemKind.DUPLICATE, "the same as", 7, 2),
            (ProblemKind.DUPLICATE, "the same as", 8, 3),
            (ProblemKind.CONTRADICTION, "another label than the same text in", 17, 2),
            (ProblemKind.CONTRADICTION, "another label than the same text in", 18, 3),
        ]
    ]
