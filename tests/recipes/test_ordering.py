import dataclasses
import itertools
import json
from pathlib import Path

import pytest

from mobilebert.distillation.settings import DistillSettings
from recipes.small_corpus import PIECES, script, write_corpus, write_models

variants = script("ordering", "variants")
results = script("ordering", "results")
ordering = script("ordering", "ordering")
VARIANTS = variants.VARIANTS
# Without a teacher, with one, with layers before the words; the rest have other settings.
ONLY = ("words", "pd", "fmt")


@pytest.fixture(scope="module", autouse=True)
def _small(tmp_path_factory):
    models = write_models(tmp_path_factory.mktemp("models"))
    small = {name: models / f"{name}.json" for name in ("teacher", "student")}
    with pytest.MonkeyPatch.context() as patch:
        budget = dataclasses.replace(variants.BUDGET, vocab_size=PIECES, **small)
        patch.setattr(ordering, "BUDGET", budget)
        yield


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    directory = tmp_path_factory.mktemp("ordering")
    data = write_corpus(directory / "data", variants.BUDGET.text)
    words = ["--data", data, "--output", directory / "out", "--share", 0.0005, "--threads", 1]
    return [str(word) for word in words], directory / "out"


@pytest.fixture(scope="module")
def measured(given):
    options, output = given
    ordering.main([*options, "--seeds", "1", "--only", *ONLY])
    return json.loads((output / "ordering.json").read_text())


def test_all_are_judged(measured, given):
    assert set(measured["runs"]) == set(ONLY)
    assert measured["teacher"]["masked_lm_accuracy"] >= 0
    for name in ONLY:
        report = json.loads((given[1] / f"students/{name}-0/report.json").read_text())
        entry = measured["runs"][name]["0"]
        assert entry["metrics"]["masked_lm_accuracy"] == report["metrics"]["masked_lm_accuracy"]
        assert entry["words"] > 0
        assert 0 <= entry["metrics"]["task_accuracy"] <= 1


def test_it_goes_on_and_measures_nothing_twice(given, measured, monkeypatch):
    options, output = given
    before = (output / "ordering.json").read_text()
    monkeypatch.setattr(ordering, "student_steps", None)
    ordering.main([*options, "--seeds", "1", "--only", *ONLY])
    assert (output / "ordering.json").read_text() == before


def test_ctrl_c_keeps_what_is_there(given, measured, monkeypatch):
    options, output = given
    before = (output / "ordering.json").read_text()

    def interrupted(*_):
        raise KeyboardInterrupt

    def steps_of(data, output, budget, name, seed):
        return [ordering.Step(title=name, arguments=(name,), output=output / "x", main=interrupted)]

    monkeypatch.setattr(ordering, "student_steps", steps_of)
    with pytest.raises(SystemExit) as ended:
        ordering.main([*options, "--seeds", "2", "--only", *ONLY])
    assert ended.value.code == 130
    assert (output / "ordering.json").read_text() == before


def test_other_budgets_are_refused(given, measured):
    options, _ = given
    with pytest.raises(SystemExit, match="another budget .*steps"):
        ordering.main([*options, "--share", "0.9", "--seeds", "1", "--only", "words"])


def test_the_page_of_what_was_measured(given, measured, tmp_path):
    ordering.main(["--output", str(given[1]), "--table", str(tmp_path / "page.md")])
    page = (tmp_path / "page.md").read_text()
    for name, variant in VARIANTS.items():
        assert f"| {variant.title} | {int(name in ONLY)} |" in page


def given_to(variant, root):
    places = {name: root / name for name in ("data", "teacher", "output")}
    words = variant.arguments(variants.BUDGET, places, seed=2)
    assert words[0] == "distill"
    return dict(itertools.pairwise(words))


@pytest.mark.parametrize("name", VARIANTS)
def test_nobody_has_dropout_and_one_has_no_teacher(tmp_path, name):
    given = given_to(VARIANTS[name], tmp_path)
    steps = {
        key: int(given.get(f"--{key}-steps", 0)) or None for key in ("transfer", "distillation")
    }
    settings = DistillSettings(
        strategy=given["--strategy"],
        hard_share=float(given.get("--hard-share", 0.5)),
        warmup=float(given["--warmup"]),
        transfer_steps=steps["transfer"],
        distillation_steps=steps["distillation"],
    )
    stages = settings.stages(4)
    assert not any(stage.dropout for stage in stages)
    assert any(stage.needs_teacher for stage in stages) == (name != "words")


def test_all_have_as_many_steps(tmp_path):
    budget = variants.BUDGET
    for variant in VARIANTS.values():
        given = given_to(variant, tmp_path)
        names = ("--steps", "--transfer-steps", "--distillation-steps")
        assert sum(int(given[name]) for name in names if name in given) == budget.steps
        assert given["--batch-size"] == str(budget.training["batch_size"])
        assert given["--seed"] == "2"


def content(**accuracies):
    """Variant -> accuracies of its seeds, the same for words and the task."""
    runs = {
        name.replace("_", "-"): {
            str(seed): {
                "metrics": {"masked_lm_accuracy": value, "task_accuracy": value + 0.5},
                "words": 50_000,
            }
            for seed, value in enumerate(values)
        }
        for name, values in accuracies.items()
    }
    facts = ordering.facts(variants.BUDGET)
    teacher = {"masked_lm_accuracy": 0.3}
    return {"runs": runs, "budget": facts, "machine": "a processor", "teacher": teacher}


def test_numbers_of_the_page():
    page = results.page(content(words=[0.1, 0.2], pd=[0.3, 0.2]))
    assert "| masked words alone | 2 | 15.0 ± 7.1 | - | 65.0 ± 7.1 |" in page
    assert "| +10.0 (+0.0 to +20.0) | +10.0 (+0.0 to +20.0) |" in page
    assert "30.0 % of masked words found" in page
    assert "--seeds 2" in page


def test_only_students_of_the_same_seed_are_compared():
    page = results.page(content(words=[0.1], pd=[0.3, 0.9]))
    assert "| +20.0 (+20.0 to +20.0) |" in page
    assert "| auxiliary" not in page


def test_results_of_another_revision_are_told_and_not_gone_on_with(tmp_path):
    old = content(words=[0.1])
    assert "To be measured again" not in results.page(old)
    facts = dict(old["budget"])
    del old["budget"]["revision"]
    assert "To be measured again" in results.page(old)
    (tmp_path / "ordering.json").write_text(json.dumps(old))
    with pytest.raises(SystemExit, match=r"another budget \(revision\)"):
        results.Results(tmp_path / "ordering.json").begin(facts, "a processor")


def test_nothing_to_compare():
    assert "Nothing to compare yet." in results.page(content(words=[0.1]))


def test_the_page_is_that_of_the_results():
    root = Path(__file__).parents[2]
    kept = json.loads((root / "benchmarks/results/ordering/ordering.json").read_text())
    assert (root / "docs/ordering.md").read_text() == results.page(kept)
    facts = json.loads(json.dumps(ordering.facts(variants.BUDGET)))
    # A budget that is changed is measured again, or the page says that it is to be.
    revision = kept["budget"].get("revision", 1)
    assert {**kept["budget"], "revision": facts["revision"]} == facts
    assert ("To be measured again" in results.page(kept)) == (revision != facts["revision"])
    assert {len(seeds) for seeds in kept["runs"].values()} == {3}
    assert kept["runs"].keys() == variants.VARIANTS.keys()
