"""Two checkpoints on the rows of the table: which is lower, and what cannot be compared."""

import pytest

from recipes.benchmark_modules import benchmark

NAMES = ("mini.json", "other.json")
MR = "MR sentence polarity (accuracy)"


@pytest.fixture(scope="module")
def comparison():
    return benchmark("finetune_comparison").comparison


def results(values, weights="0123456789ab", **budget):
    runs = [{"seed": seed, "metrics": {"accuracy": value}} for seed, value in enumerate(values)]
    given = {"train": 1000, "dev": 10, "steps": 5, "seeds": len(values)}
    entry = {
        "title": "MR sentence polarity",
        "budget": given | {"model": weights, "weights": weights} | budget,
        "ours": {"runs": runs, "baseline": {"accuracy": 0.5}},
    }
    return {"rows": {"mr": entry}}


@pytest.mark.parametrize(
    ("first", "second", "line", "lower"),
    [
        ([0.8, 0.82], [0.7, 0.72], "| 81.0 ± 1.4 | 71.0 ± 1.4 | +10.0 |", "other.json"),
        ([0.7, 0.72], [0.8, 0.82], "| 71.0 ± 1.4 | 81.0 ± 1.4 | -10.0 |", "mini.json"),
        # The larger spread of both counts.
        ([0.8, 0.82], [0.6, 0.9], "| 81.0 ± 1.4 | 75.0 ± 21.2 | +6.0 |", None),
        ([0.6, 0.9], [0.8, 0.82], "| 75.0 ± 21.2 | 81.0 ± 1.4 | -6.0 |", None),
    ],
)
def test_which_is_lower(first, second, line, lower, comparison):
    said = comparison(NAMES, [results(first), results(second, "ba9876543210")])
    assert f"| MR sentence polarity | accuracy | 50.0 {line}" in said
    for name in NAMES:
        where = MR if name == lower else "nowhere"
        assert f"{name} is lower by more than the spread: {where}." in said
    assert "Not given alike" not in said


def squad(value):
    """A row whose metrics are points already; the second one is no part of the mean."""
    entry = results([0.0])["rows"]["mr"]
    entry["title"] = "SQuAD v1"
    entry["ours"]["runs"][0]["metrics"] = {"f1": value, "exact_match": 99.0}
    return {"squad1": entry}


def test_the_mean_over_rows(comparison):
    contents = [results([0.8, 0.82]), results([0.7, 0.72])]
    for content, value in zip(contents, (11.0, 31.0), strict=True):
        content["rows"] |= squad(value)
    table = comparison(NAMES, contents).partition("\n\n")[0].splitlines()
    assert table[-1] == "| mean of 2 | the first of each | - | 46.0 | 51.0 | -5.0 |"


def test_a_row_without_numbers_is_no_part_of_the_mean(comparison):
    contents = [results([0.8]), results([0.7])]
    for content, value in zip(contents, (11.0, None), strict=True):
        content["rows"] |= squad(value)
    said = comparison(NAMES, contents)
    assert "| mean of 1 | the first of each | - | 80.0 | 70.0 | +10.0 |" in said
    assert "| mean of" not in comparison(NAMES, [{"rows": squad(x)} for x in (11.0, None)])


def test_one_seed_has_no_spread(comparison):
    said = comparison(NAMES, [results([0.8, 0.8]), results([0.2])])
    assert "| 80.0 ± 0.0 | 20.0 | +60.0 |" in said
    assert f"Without a spread, as of one seed: {MR}." in said
    assert "other.json is lower by more than the spread: nowhere." in said


def test_what_was_not_given_alike_is_told(comparison):
    said = comparison(NAMES, [results([0.8, 0.8]), results([0.7, 0.7], steps=6)])
    assert said.endswith("Not given alike: MR sentence polarity (steps 5 and 6).")


def test_other_rows_are_refused(comparison):
    with pytest.raises(SystemExit, match="mini.json from 1,000 .* but other.json from 900 and is"):
        comparison(NAMES, [results([0.8]), results([0.7], train=900)])
    with pytest.raises(SystemExit, match="10 \\(digest aa\\) but other.json .* 10 \\(digest bb\\)"):
        comparison(NAMES, [results([0.8], judged_by="aa"), results([0.7], judged_by="bb")])


def test_rows_that_older_results_do_not_tell_are_told(comparison):
    newer, older = results([0.8], judged_by="aa"), results([0.7])
    for contents, told in (([newer, older], "aa and None"), ([older, newer], "None and aa")):
        said = comparison(NAMES, contents)
        assert said.endswith(f"Not given alike: MR sentence polarity (judged_by {told}).")


def test_nothing_in_common(comparison):
    unfinished, unjudged = results([0.8], seeds=2), results([0.8])
    del unjudged["rows"]["mr"]["ours"]["baseline"]
    for content in ({"rows": {}}, unfinished, unjudged):
        with pytest.raises(SystemExit, match="mini.json and other.json have no row in common"):
            comparison(NAMES, [results([0.8]), content])
