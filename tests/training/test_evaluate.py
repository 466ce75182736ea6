"""Judging a model by a file of rows: how it is read, and what is refused, skipped and told."""

import pytest

from datasets.files import write
from mobilebert.errors import InputError
from mobilebert.training.comparing import compare
from mobilebert.training.judging import evaluate
from pipelines.random_checkpoints import write_checkpoint

NAMES = [f"LABEL_{number}" for number in range(3)]


@pytest.fixture(scope="module")
def model(checkpoints):
    return checkpoints["text-classification"]


def table(directory, labels, sign=","):
    rows = [f"a film {number}{sign}{label}\n" for number, label in enumerate(labels)]
    return write(directory, "rows.csv", "".join([f"text{sign}label\n", *rows]))


def test_labels_that_the_model_does_not_have_are_refused_or_skipped(model, tmp_path):
    path = table(tmp_path, [*NAMES, "fine", "dull", *NAMES])
    with pytest.raises(InputError, match="has 2 bad rows of 8 ") as refused:
        evaluate(model, path)
    told = str(refused.value)
    assert f"{path}, line 5: the label 'fine' is not one of the model's ('LABEL_0', " in told
    assert f"{path}, line 6: the label 'dull'" in told
    assert "--label-names" in told
    assert "--skip-bad-rows" in told
    judged = evaluate(model, path, skip_bad_rows=True)
    data = judged.report.data
    assert judged.evaluation.summary.items == data.dev_items == 6
    assert (data.files[0].rows, data.files[0].used) == (8, 6)
    (problem,) = data.problems
    assert (problem.count, problem.skipped) == (2, True)
    assert "2 rows left out" in judged.summary()
    named = evaluate(model, path, label_names={"fine": "LABEL_0", "dull": "LABEL_1"})
    assert named.evaluation.summary.items == 8


def test_no_label_that_the_model_has(model, tmp_path):
    with pytest.raises(InputError, match="No row to judge by has a label .* 'fine' is not one of"):
        evaluate(model, table(tmp_path, ["fine", "dull"]), skip_bad_rows=True)


def test_one_class_is_told(model, tmp_path):
    judged = evaluate(model, table(tmp_path, NAMES[:1] * 4))
    assert "All 4 rows to judge by have the class 'LABEL_0'" in judged.summary()
    assert "nan" not in judged.summary()
    assert "-0.0000" not in judged.summary()


def test_a_delimiter_that_is_given(model, tmp_path):
    path = table(tmp_path, NAMES, "~")
    with pytest.raises(InputError):
        evaluate(model, path)
    assert evaluate(model, path, delimiter="~").evaluation.summary.items == 3
    (compared,) = compare([model], data=path, delimiter="~")
    assert compared.report.data.dev_items == 3


def test_plain_text_is_read_as_for_training(checkpoints, tmp_path):
    lines = [f"term {number}\tIt has a meaning, which stands here.\n" for number in range(8)]
    path = write(tmp_path, "rows.txt", "".join(lines))
    model = checkpoints["fill-mask"]

    def facts(**options):
        return " ".join(evaluate(model, path, **options).report.data.files[0].facts)

    assert "columns" not in facts()
    assert "delimiter tab (given)" in facts(delimiter="tab")


def test_tags_that_are_numbers_are_refused(checkpoints, tmp_path):
    path = write(tmp_path, "rows.conll", "EU 3\nrejects 0\n")
    with pytest.raises(InputError, match="line 1: the tags are numbers.*--label-names"):
        evaluate(checkpoints["token-classification"], path)


def test_a_model_that_was_tuned_on_numbered_tags_is_judged_by_them(tmp_path):
    numbered = write_checkpoint(
        tmp_path / "model", "token_classification", id2label={0: "0", 1: "1", 2: "3"}
    )
    path = write(tmp_path, "rows.conll", "EU 3\nrejects 0\n")
    assert evaluate(numbered, path).evaluation.summary.items == 1
