"""The data of a run: what is learned, what is judged by, and what is said about them."""

import pytest

from datasets.files import write
from mobilebert.datasets import item_sets, reading
from mobilebert.datasets.items import FinetuneTask
from mobilebert.training.data import DataSource, read_training_data

CLASSES = FinetuneTask.TEXT_CLASSIFICATION


def table(directory, name, count):
    lines = [f"text {number},{number % 2}\n" for number in range(count)]
    return str(write(directory, name, "".join(["text,label\n", *lines])))


def read(source, task=CLASSES, **options):
    return read_training_data(task, source, **({"dev_share": 0.5, "seed": 0} | options))


def test_rows_to_judge_by_are_drawn(tmp_path):
    source = DataSource(train=[table(tmp_path, "rows.csv", 40)])
    whole, drawn, other = (
        read(source, **options) for options in ({}, {"dev_rows": 5}, {"dev_rows": 5, "seed": 1})
    )
    assert [len(data.dev) for data in (whole, drawn, other)] == [20, 5, 5]
    assert drawn.train.items == whole.train.items
    places = [item.place for item in whole.dev]
    assert [place for place in places if place in {item.place for item in drawn.dev}] == [
        item.place for item in drawn.dev
    ]
    assert set(drawn.dev) != set(other.dev)
    assert drawn.summary.dev_items == 5
    assert drawn.summary.split.endswith("5 of 20 rows to judge by are drawn (seed 0).")
    assert "drawn" not in whole.summary.split


def test_a_file_to_judge_by_that_is_small_enough_is_used_whole(tmp_path):
    source = DataSource(
        train=[table(tmp_path, "train.csv", 8)], dev=[table(tmp_path, "dev.csv", 6)]
    )
    assert len(read(source, dev_rows=6).dev) == 6
    assert read(source, dev_rows=6).summary.split == ""
    assert read(source, dev_rows=4).summary.split.startswith("4 of 6 rows")


def test_tags_are_counted_in_words(tmp_path):
    sentences = "".join(f"Ann{number} B-person\nruns O\nfast O\n\n" for number in range(10))
    source = DataSource(train=[str(write(tmp_path, "rows.conll", sentences))])
    said = read(source, FinetuneTask.TOKEN_CLASSIFICATION).sentences()
    assert "2 tags, of 5 to 10 words." in said


@pytest.mark.parametrize("options", [{}, {"dev_rows": 5}])
def test_large_files_are_read_a_few_times_and_give_the_same(tmp_path, monkeypatch, options):
    source = DataSource(train=[table(tmp_path, "rows.csv", 2500)])
    kept = read(source, dev_share=0.1, **options)
    for module in (reading, item_sets):
        monkeypatch.setattr(module, "LARGEST_IN_MEMORY", 10_000)
    told = []
    streamed = read(source, dev_share=0.1, on_progress=told.append, **options)
    # The first rows, what is there, what stays together, and what is held back.
    assert told.count(1000) == 4
    assert not isinstance(streamed.train.items, list)
    assert isinstance(streamed.dev.items, list)
    assert list(streamed.train) == list(kept.train)
    assert list(streamed.dev) == list(kept.dev)
    assert streamed.labels == kept.labels
    assert streamed.summary == kept.summary
