"""The data of a run: what is learned, what is judged by, and what is said about them."""

import gzip
import json

import pytest

from datasets.files import write
from mobilebert.datasets import item_sets, reading
from mobilebert.datasets.items import FinetuneTask
from mobilebert.errors import InputError
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


def labelled(directory, name, labels):
    rows = [f"text {number},{label}\n" for number, label in enumerate(labels)]
    return str(write(directory, name, "".join(["text,label\n", *rows])))


def test_leaks_are_counted_among_what_is_judged_by(tmp_path):
    train = labelled(tmp_path, "train.csv", "xy" * 10)
    source = DataSource(
        train=[train], dev=[labelled(tmp_path, "dev.csv", "xyzz" * 2)], skip_bad_rows=True
    )
    data = read(source)
    assert (data.summary.dev_items, data.summary.leaks) == (4, 4)
    (file,) = (file for file in data.summary.files if file.role == "dev")
    assert (file.rows, file.used) == (8, 4)
    drawn = read(source, dev_rows=3)
    assert (drawn.summary.dev_items, drawn.summary.leaks) == (3, 3)
    places = {item.place for item in drawn.dev}
    assert all(example.split(": ")[0] in places for example in drawn.summary.leak_examples)
    assert "3 rows to judge by stand in the training data too" in drawn.sentences()[-1]


def test_fewer_rows_to_judge_by_have_fewer_leaks(tmp_path):
    paths = [labelled(tmp_path, name, "xy" * 3) for name in ("train.csv", "dev.csv")]
    data = read(DataSource(train=paths[:1], dev=paths[1:]))
    fewer = data.judged_by(data.dev.only([0, 2]))
    assert (data.summary.leaks, fewer.summary.leaks) == (6, 2)
    assert fewer.summary.dev_items == 2
    assert fewer.summary.dev_labels == {"x": 2}
    assert fewer.summary.train_items == 6


def test_files_to_judge_by_are_read_a_few_times(tmp_path, monkeypatch):
    source = DataSource(
        train=[table(tmp_path, "train.csv", 2500)], dev=[table(tmp_path, "dev.csv", 2500)]
    )
    for module in (reading, item_sets):
        monkeypatch.setattr(module, "LARGEST_IN_MEMORY", 10_000)
    told = []
    assert read(source, on_progress=told.append).summary.leaks == 2500
    # Of each file the first rows, what is there and its texts; and the places of equal ones.
    assert told.count(1000) == 7


def test_all_rows_of_a_file_that_is_split_are_counted(tmp_path):
    source = DataSource(train=[labelled(tmp_path, "rows.csv", "x" * 40)])
    with pytest.raises(InputError, match="all 40 rows have the same label 'x'"):
        read(source, dev_share=0.1)


def test_columns_of_files_to_judge_by_are_those_of_training(tmp_path):
    train, dev = (table(tmp_path, name, 8) for name in ("train.csv", "dev.csv"))
    data = read(DataSource(train=[train], dev=[dev], columns={"label": "label"}))
    facts = {file.role: " ".join(file.facts) for file in data.summary.files}
    assert "label is 'label' (given)" in facts["train"]
    assert "label is 'label' (as in the training data)" in facts["dev"]


def test_a_delimiter_that_is_given(tmp_path):
    path = str(write(tmp_path, "rows.csv", "text~label\na, b;~x\nb, c;~y\n"))
    data = read(DataSource(train=[path], dev=[path], delimiter="~"))
    assert [item.text for item in data.dev] == ["a, b;", "b, c;"]


def test_masked_words_of_a_table_called_txt(tmp_path):
    path = str(write(tmp_path, "rows.txt", "term\ttext\nsea\twide water\nhill\thigh land\n"))

    def texts(**options):
        source = DataSource(train=[path], **options)
        return [item.text for item in source.read(FinetuneTask.MASKED_LM, source.train)]

    assert texts() == ["term\ttext", "sea\twide water", "hill\thigh land"]
    assert texts(delimiter="tab") == ["wide water", "high land"]


@pytest.mark.parametrize("name", ["rows.text", "rows.TXT", "rows.v2.Text.GZ"])
def test_masked_words_of_plain_text_by_other_names(name, tmp_path):
    content = b"term\ttext\nsea\twide water\n"
    path = str(write(tmp_path, name, gzip.compress(content) if "GZ" in name else content))
    read = DataSource(train=[path]).read(FinetuneTask.MASKED_LM, [path])
    assert [item.text for item in read] == ["term\ttext", "sea\twide water"]


def test_masked_words_of_a_table_are_read_by_its_last_suffix(tmp_path):
    path = str(write(tmp_path, "rows.txt.csv", "text,label\nwide water,x\nhigh land,y\n"))
    read = DataSource(train=[path]).read(FinetuneTask.MASKED_LM, [path])
    assert [item.text for item in read] == ["wide water", "high land"]


def grouped(directory, name, users, column="user"):
    rows = [f"{name} {number},{number % 2},{user}\n" for number, user in enumerate(users)]
    return str(write(directory, name, "".join([f"text,label,{column}\n", *rows])))


def test_groups_of_files_to_judge_by_are_compared_with_those_of_training(tmp_path):
    train, dev = grouped(tmp_path, "train.csv", "abcc"), grouped(tmp_path, "dev.csv", "dca")
    data = read(DataSource(train=[train], dev=[dev], group="user"))
    (problem,) = data.summary.problems
    assert (problem.kind, problem.count, problem.skipped) == (
        "group of the training data",
        2,
        False,
    )
    assert problem.examples[0] == f"{dev}, line 3: the group 'c' has rows of the training data too."
    assert any("group of the training data: 2" in sentence for sentence in data.sentences())
    assert not read(DataSource(train=[train], dev=[dev])).summary.problems


def test_a_file_to_judge_by_without_the_column_of_groups(tmp_path):
    train, dev = grouped(tmp_path, "train.csv", "abc"), grouped(tmp_path, "dev.csv", "abc", "who")
    summary = read(DataSource(train=[train], dev=[dev], group="user")).summary
    assert not summary.problems
    assert "there is no column 'user'" in summary.files[1].facts[-1]
    with pytest.raises(InputError, match="no column 'who'"):
        read(DataSource(train=[train], dev=[dev], group="who"))


def test_questions_of_one_context_are_on_one_side(tmp_path):
    rows = [f"who {n}?,It is context {n % 5}.,\n" for n in range(40)]
    path = str(write(tmp_path, "rows.csv", "".join(["question,context,answers\n", *rows])))
    data = read(DataSource(train=[path]), FinetuneTask.QUESTION_ANSWERING, dev_share=0.2)
    contexts = [{item.context for item in part} for part in (data.train, data.dev)]
    assert not contexts[0] & contexts[1]
    assert len(data.dev) == 8
    assert "rows of the same context on one side" in data.summary.split
    assert "too few contexts" not in data.summary.split


def questions(directory, name, count, contexts):
    rows = [f"who {n // 2}?,It is context {n % contexts}.,\n" for n in range(count)]
    return str(write(directory, name, "".join(["question,context,answers\n", *rows])))


@pytest.mark.parametrize("contexts", [1, 3])
def test_questions_about_few_contexts_are_divided(contexts, tmp_path):
    source = DataSource(train=[questions(tmp_path, "rows.csv", 60, contexts)])
    data = read(source, FinetuneTask.QUESTION_ANSWERING, dev_share=0.1)
    assert len(data.dev) == 6
    parts = [{(item.question, item.context) for item in part} for part in (data.train, data.dev)]
    assert not parts[0] & parts[1]
    assert "rows of the same question and context on one side" in data.summary.split
    assert data.summary.split.endswith("have contexts of the others, so the metrics flatter.")


def squad(directory, articles):
    """Write articles of the given numbers of paragraphs, each with two questions."""
    data = [
        {
            "title": f"article {number}",
            "paragraphs": [
                {
                    "context": f"It is context {place} of {number}.",
                    "qas": [
                        {"id": f"{number}-{place}-{n}", "question": f"who {n}?", "answers": []}
                        for n in range(2)
                    ],
                }
                for place in range(paragraphs)
            ],
        }
        for number, paragraphs in enumerate(articles)
    ]
    return str(write(directory, "rows.json", json.dumps({"data": data})))


def sides(data, name):
    """Return what both parts have of an attribute, and what they share."""
    train, dev = ({getattr(item, name) for item in part} for part in (data.train, data.dev))
    return len(train), len(dev), len(train & dev)


def test_an_article_is_divided_by_its_contexts(tmp_path):
    source = DataSource(train=[squad(tmp_path, [40])])
    data = read(source, FinetuneTask.QUESTION_ANSWERING, dev_share=0.1)
    assert sides(data, "context") == (36, 4, 0)
    assert len(data.dev) == 8
    assert "rows of the same context on one side" in data.summary.split
    assert "There are too few articles to divide them" in data.summary.split


def test_an_article_of_one_context_is_divided_by_its_questions(tmp_path):
    source = DataSource(train=[squad(tmp_path, [1])])
    data = read(source, FinetuneTask.QUESTION_ANSWERING, dev_share=0.5)
    assert sides(data, "question") == (1, 1, 0)
    assert data.summary.split.endswith("have contexts of the others, so the metrics flatter.")


def test_articles_that_are_enough_stay_whole(tmp_path):
    source = DataSource(train=[squad(tmp_path, [2] * 20)])
    data = read(source, FinetuneTask.QUESTION_ANSWERING, dev_share=0.1)
    assert sides(data, "group") == (18, 2, 0)
    assert "rows of the same context or group on one side" in data.summary.split


def test_groups_that_were_asked_for_are_never_divided(tmp_path):
    source = DataSource(train=[squad(tmp_path, [40])], group="title")
    with pytest.raises(InputError, match="80 rows in 1 groups of the same text or group"):
        read(source, FinetuneTask.QUESTION_ANSWERING, dev_share=0.1)


def test_shared_contexts_are_called_so(tmp_path):
    train, dev = (questions(tmp_path, name, 6, 3) for name in ("train.csv", "dev.csv"))
    source = DataSource(train=[train], dev=[dev])
    said = read(source, FinetuneTask.QUESTION_ANSWERING).sentences()[-1]
    assert said.startswith("6 rows to judge by have a context of the training data, so the metrics")
