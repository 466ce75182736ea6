"""Models beside each other: what is best is marked, what does not compare is said."""

import pytest

from mobilebert.errors import InputError
from mobilebert.reports import ComparedModel, comparison_table, write_comparison
from reports.example_report import HOSTILE, example_report
from reports.test_report_page import Page


def model(name, accuracy=0.9, milliseconds=None, megabytes=98.3, **changes):
    report = example_report(seeds=None, **changes)
    report.data.leaks = 0
    report.evaluation.metrics["accuracy"] = accuracy
    report.model.megabytes = megabytes
    return ComparedModel(name=name, report=report, milliseconds=milliseconds)


def cells(table):
    return [line.split("  ") for line in table.splitlines()]


def test_the_best_of_each_column_has_a_star():
    models = [
        model("large", accuracy=0.93, milliseconds=12.5),
        model("small", accuracy=0.88, milliseconds=3.0, megabytes=25.0),
        model("unmeasured", accuracy=0.6),
    ]
    lines = comparison_table(models).splitlines()
    assert lines[0].split("  ")[0] == "text-classification"
    assert [line.split() for line in lines[2:5]] == [
        ["large", "93.0", "%*", "52.0", "%", "12.5", "98.3", "24.6", "M"],
        ["small", "88.0", "%", "52.0", "%", "3*", "25*", "24.6", "M"],
        ["unmeasured", "60.0", "%", "52.0", "%", "–", "98.3", "24.6", "M"],
    ]
    # Columns stand below each other.
    assert len({line.index("%") for line in lines[2:5]}) == 1


def test_of_equal_or_single_models_none_is_best():
    assert "*" not in comparison_table([model("a"), model("b")])
    assert "*" not in comparison_table([model("a", milliseconds=1.0)])


def test_less_loss_is_better():
    models = [model("a", task="fill-mask"), model("b", task="fill-mask")]
    for one, loss in zip(models, (2.5, 2.75), strict=True):
        one.report.evaluation.metrics = {"loss": loss}
        one.report.evaluation.headline = "loss"
        one.report.evaluation.baseline = {}
    lines = comparison_table(models).splitlines()
    assert "2.50*" in lines[2]
    assert "*" not in lines[3]


def test_tasks_have_a_table_each_and_unjudged_models_a_row():
    judged, other = model("a"), model("b", task="regression")
    bare = model("c")
    bare.report.evaluation = None
    table = comparison_table([judged, other, bare])
    assert [line.split()[0] for line in table.splitlines() if "ms per text" in line] == [
        "text-classification",
        "regression",
    ]
    (row,) = (line for line in table.splitlines() if line.startswith("c "))
    assert row.split() == ["c", "–", "–", "–", "98.3", "24.6", "M"]


def test_what_does_not_compare_is_said():
    models = [model("a"), model("b")]
    assert "do not compare" not in comparison_table(models)
    models[1].report.evaluation.source = "other.csv"
    models[1].report.evaluation.only_class = "negative"
    table = comparison_table(models)
    assert "do not compare: other.csv (88 items), reviews.csv (88 items)." in table
    assert "b: The model predicts one class only" in table


@pytest.mark.parametrize(
    ("digests", "sources", "compare"),
    [
        (("aa", "aa"), ("kept", "kept"), True),
        (("aa", "bb"), ("kept", "kept"), False),
        # The same texts in another file.
        (("aa", "aa"), ("one.csv", "two.csv"), True),
        # Reports that do not say.
        (("", "aa"), ("kept", "kept"), True),
        (("", "aa"), ("one.csv", "two.csv"), False),
    ],
)
def test_the_texts_decide_what_compares(digests, sources, compare):
    models = [model("a"), model("b")]
    for one, digest, source in zip(models, digests, sources, strict=True):
        one.report.evaluation.digest, one.report.evaluation.source = digest, source
    table = comparison_table(models)
    assert ("do not compare" not in table) == compare
    assert compare or f"{sources[1]} (88 items, digest {digests[1]})" in table


def test_wide_characters_take_two_places():
    lines = comparison_table([model("작은 모델"), model("model")]).splitlines()
    assert lines[2].index("%") + 4 == lines[3].index("%")


@pytest.mark.parametrize("text", ["plain", *HOSTILE])
def test_the_page_is_one_harmless_file(tmp_path, text):
    models = [model(text, milliseconds=2.0), model("other", accuracy=0.5, milliseconds=1.0)]
    page = write_comparison(models, tmp_path / "comparison.html").read_text(encoding="utf-8")
    seen = Page(page)
    assert seen.elements.count("tr") == 3
    assert not {"script", "img", "b"} & set(seen.elements)
    assert [value for name, key, value in seen.attributes if value == "best"] == ["best"] * 2
    assert "Matthews correlation" in seen.text
    comparison_table(models)


def test_nothing_to_compare_is_refused(tmp_path):
    with pytest.raises(InputError, match="no model to compare"):
        write_comparison([], tmp_path / "c.html")
    assert not list(tmp_path.iterdir())
