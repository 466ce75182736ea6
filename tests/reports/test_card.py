"""The model card: metadata that YAML parsers and the Hub's loader read, and no file lost."""

import re
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard

from mobilebert.datasets.item_sets import Items
from mobilebert.datasets.items import FinetuneTask
from mobilebert.errors import InputError
from mobilebert.reports import report as parts
from mobilebert.reports.card import model_card
from mobilebert.reports.card_file import write_card
from mobilebert.reports.front_matter import front_matter, quoted
from mobilebert.reports.markdown import plain
from mobilebert.reports.markup import clean
from mobilebert.training.data import file_summary
from reports.example_report import HOSTILE, example_report, hostile_report as any_hostile_report


def hostile_report(text):
    report = any_hostile_report(text)
    report.task = "text-classification"
    return report


def metadata_of(report):
    written, _ = model_card(report)
    assert written.startswith("---\n")
    assert written.endswith("\n---\n")
    assert written.count("\n---") == 1
    return yaml.safe_load(written.removeprefix("---\n").removesuffix("---\n"))


def test_the_hub_reads_the_card(tmp_path):
    path = write_card(example_report(), tmp_path).path
    card = ModelCard.load(path)
    data = card.data
    assert (data.license, data.language, data.base_model, data.pipeline_tag) == (
        *("apache-2.0", ["en"], "google/mobilebert-uncased", "text-classification"),
    )
    assert data.tags == ["mobilebert", "text-classification"]
    assert data.metrics == ["accuracy", "f1", "matthews_correlation", "roc_auc"]
    assert data.model_name == "reviews"
    found = {result.metric_name: result.metric_value for result in data.eval_results}
    assert found == {
        "accuracy": pytest.approx(80 / 88, abs=1e-6),
        "macro F1": 0.871,
        "Matthews correlation": 0.74,
        "ROC AUC": 0.95,
    }
    assert {result.dataset_name for result in data.eval_results} == {"reviews.csv"}
    assert "# reviews\n" in card.text


def test_what_is_not_known_is_not_said():
    report = parts.Report(task="fill-mask", model=parts.ModelSummary(name="m", start="out/x"))
    report.evaluation = parts.EvaluationSummary(metrics={"loss": float("nan")}, headline="loss")
    metadata = metadata_of(report)
    assert metadata == {
        "library_name": "mobilebert",
        "pipeline_tag": "fill-mask",
        "tags": ["mobilebert", "fill-mask"],
    }


@pytest.mark.parametrize("task", FinetuneTask)
def test_every_task_has_a_pipeline_of_ours_and_of_the_hub(task):
    metadata = metadata_of(example_report(task=str(task)))
    # huggingface.js, packages/tasks/src/pipelines.ts.
    of_the_hub = {"text-classification", "token-classification", "question-answering"}
    assert metadata["pipeline_tag"] in of_the_hub | {"multiple-choice", "fill-mask"}
    _, body = model_card(example_report(task=str(task)))
    (code,) = re.findall(r"```python\n(.*?)```", body, flags=re.DOTALL)
    compile(code, "card", "exec")
    assert f'pipeline("{metadata["pipeline_tag"]}", "DIR")' in code
    assert "mobilebert run --model DIR" in body


def test_another_task_is_refused():
    with pytest.raises(InputError, match="of the task 'juggling'; .* text-classification, multi"):
        model_card(example_report(task="juggling"))


def test_pairs_are_shown_as_pairs():
    report = example_report()
    report.data.pairs = True
    _, body = model_card(report)
    assert '"text_pair": "Another."' in body
    assert "--input pairs.csv" in body


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_is_one_value_of_the_metadata(text):
    metadata = metadata_of(hostile_report(text))
    assert metadata["license"] == clean(text)[:200]
    assert set(metadata) <= {
        *("license", "language", "base_model", "library_name", "pipeline_tag", "tags", "metrics"),
        "model-index",
    }


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_a_mark(text):
    _, body = model_card(hostile_report(text))
    # Backslashes pair up from the left, so what is left over escapes.
    bare = re.sub(r"\\[\\`*_{}\[\]<>#|&~$]", "", body)
    assert not re.search(r"<\w|<[/!]|\]\(|&\w+;", bare)
    _, harmless = model_card(hostile_report("harmless"))
    count = lambda text: [line.count("|") for line in text.splitlines() if line.startswith("|")]  # noqa: E731
    assert count(bare) == count(harmless)


def test_the_twin_of_escaping():
    assert plain("a|b <i> *c* _d_ e_f [x](y)") == r"a\|b \<i\> \*c\* \_d\_ e_f \[x\](y)"


@pytest.mark.parametrize(
    "text",
    ["", " ", "a: b", "- a", "---", "...", "null", "1e3", "é 漢 🙂", 'a"b\\c', "\u2028\ufeff"],
)
def test_a_quoted_text_is_that_text(text):
    assert yaml.safe_load(quoted(text)) == text
    assert yaml.safe_load(f"- {quoted(text)}") == [text]


def test_numbers_stay_numbers():
    written = front_matter({"a": 1e-5, "b": 1e20, "c": 3.0, "d": -0.25, "e": 7, "f": True})
    values = yaml.safe_load(written.removeprefix("---\n").removesuffix("---\n"))
    assert values == {"a": 1e-5, "b": 1e20, "c": 3.0, "d": -0.25, "e": 7, "f": True}
    assert [type(value) for value in values.values()] == [float, float, float, float, int, bool]


def test_no_text_and_no_directory_of_the_data_is_published():
    report = example_report()
    report.model.base_model, report.model.start = None, "/home/anna/models/mine"
    report.data.files[0].path = report.evaluation.source = r"C:\secret\reviews.csv"
    report.settings = {"output": "/home/anna/out", "more": ["~/x/y.csv", r"D:\z\w"], "rate": "1/2"}
    report.settings["cache"] = Path("/home/anna/cache")
    metadata, body = model_card(report)
    for place in ("anna", "secret", "line 17", "line 14", "line 3", "bad film", "~", "D:"):
        assert place not in metadata + body, place
    assert "fine-tuned from mine" in body
    assert "| more | y.csv, w |" in body
    assert "| rate | 1/2 |" in body


def test_all_of_several_files_are_named():
    report = example_report()
    paths = ["/home/anna/one.csv", "/home/a, b/two.csv"]
    file = file_summary(paths, "dev", Items([], (), (), {}, None, {}, {}))
    report.data.files, report.evaluation.source = [file], file.path
    metadata, body = model_card(report)
    assert body.count("one.csv, two.csv") == 2
    assert "one.csv, two.csv" in metadata
    assert "anna" not in metadata + body
    assert "a, b" not in metadata + body


def test_our_card_is_replaced(tmp_path):
    first = write_card(example_report(), tmp_path)
    before = first.path.read_bytes()
    report = example_report()
    report.model.name = "another"
    second = write_card(report, tmp_path)
    assert first.path == second.path == tmp_path / "README.md"
    assert second.sentence == ""
    assert b"# another\n" in second.path.read_bytes()
    assert second.path.read_bytes() != before


def test_line_ends_of_another_system_are_no_edit(tmp_path):
    path = write_card(example_report(), tmp_path).path
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert write_card(example_report(), tmp_path).path == path


@pytest.mark.parametrize("content", [b"# Mine\n", b"", b"\xff\xfe", None])
def test_a_card_of_a_person_stays(tmp_path, content):
    path = tmp_path / "README.md"
    if content is None:  # ours, with one word changed
        path = write_card(example_report(), tmp_path).path
        content = path.read_bytes().replace(b"Text classification with", b"Judging films with")
    path.write_bytes(content)
    written = write_card(example_report(), tmp_path)
    assert path.read_bytes() == content
    assert written.path == tmp_path / "MODEL_CARD.md"
    assert "README.md was written or edited by somebody and stays" in written.sentence
    assert "MODEL_CARD.md" in written.sentence
    # It is ours, and replaced; but not once somebody has edited it, too.
    assert write_card(example_report(), tmp_path).path == written.path
    written.path.write_text("mine as well")
    third = write_card(example_report(), tmp_path)
    assert third.path is None
    assert "no model card was written" in third.sentence
    assert written.path.read_text() == "mine as well"
    assert path.read_bytes() == content
