"""Figures and tables: what is promised is computed from results and from nothing else."""

import pytest

from bench.contents import content, failed, record, work_name
from mobilebert.bench.figures import FIGURES, find_figures
from mobilebert.bench.tables import figure_table, page_block, row_table
from mobilebert.bench.work import SUITES


def found(*rows):
    return {finding.figure.name: finding for finding in find_figures(content(*rows))}


def test_every_figure_has_a_work_in_its_suite():
    assert {figure.work for figure in FIGURES} == {work.name for work in SUITES["figures"]}


def test_a_ratio_is_against_the_best_peer():
    row = (
        work_name(0),
        [
            record("engine float32", 0.02, ours=True),
            record("engine bfloat16", 0.002, ours=True),
            *(record("slow", 0.05), record("best", 0.01), failed("broken")),
        ],
    )
    finding = found(row)["S=128, batch 1"]
    assert finding.ratio == pytest.approx(5)
    assert finding.slow["runner"] == "best"
    assert finding.reached
    assert not found((row[0], [record("own", 0.003, ours=True), record("best", 0.01)]))[
        "S=128, batch 1"
    ].reached


def test_a_share_of_the_peak_can_be_promised_too():
    def reached(share):
        rate = {} if share is None else {"gflops": 60.0 * share}  # the peak is 6000
        own = record("own", 0.01, ours=True, dtype="int8", **rate)
        return found((work_name(3), [own, record("peer", 0.05)]))["S=128, batch 16"].reached

    assert reached(51.0)
    assert not reached(49.0)
    assert not reached(None)


def test_only_padded_peers_count_for_mixed_lengths():
    row = (
        work_name(4),
        [record("own", 0.1, ours=True), record("apart", 0.2), record("padded", 0.5, padded=True)],
    )
    assert found(row)["64 texts, lengths as in SQuAD"].ratio == pytest.approx(5)


def test_int8_is_compared_with_our_own_float32():
    name = "int8 on AVX-512 VNNI, S=128, batch 16"
    wide = record("engine float32", 0.4, ours=True)
    narrow = record("engine int8", 0.2, ours=True, dtype="int8")
    assert found((work_name(7), [wide, narrow]))[name].ratio == pytest.approx(2)
    without = found((work_name(7), [wide, failed("engine int8", ours=True)]))[name]
    assert without.ratio is None
    assert without.reason == "engine int8: no such thing"
    assert not without.reached


def test_memory_is_a_figure():
    row = (
        work_name(9),
        [
            record("mobilebert run", 0.2, ours=True, peak_mib=100.0),
            record("mobilebert run, not packed", 0.1, ours=True, peak_mib=90.0),
            record("transformers script", 4.0, peak_mib=600.0),
        ],
    )
    findings = found(row)
    assert findings["its peak memory"].ratio == pytest.approx(6)
    assert findings["process start to first answer, packed"].ratio == pytest.approx(20)


def test_what_was_not_measured_is_said():
    table = figure_table(content((work_name(0), [failed("own", ours=True)])))
    assert "own: no such thing" in table
    assert table.count("not measured") == len(FIGURES) - 1


def test_tables_show_losses():
    lost = (work_name(1), [record("own", 0.02, ours=True), record("peer", 0.01)])
    assert "**0.50 x**" in figure_table(content(lost))
    assert "| no |" in figure_table(content(lost))
    assert "0.50 x" in row_table(content(lost)["rows"][0])


def test_tables_show_what_is_promised_and_what_is_hoped_for():
    heads, _, *lines = (
        [cell.strip() for cell in line.split(" | ")]
        for line in figure_table(content()).splitlines()
    )
    promised, stretch = heads.index("promised"), heads.index("stretch")
    goals = {line[0].split(", against")[0].strip("| "): line for line in lines}
    both = {name: (line[promised], line[stretch]) for name, line in goals.items()}
    assert both["S=128, batch 1"] == ("4 x", "5.5 x")
    assert both["S=128, batch 16"] == ("3 x, 50 %", "65 %")
    assert both["its peak memory"] == ("5 x", "")


def test_a_row_without_times_shows_its_reason():
    table = row_table(content(("w", [failed("a|b"), record("peer", 2.0)]))["rows"][0])
    assert "failed: no such thing" in table
    assert "2.00 s" in table
    assert {line.count("|") for line in table.splitlines() if r"\|" not in line} == {8}


def test_generated_parts_of_a_page_are_replaced():
    page = "a\n<!-- benchmarks: figures -->\nold\n<!-- benchmarks: end -->\nb\n"
    made = page_block(page, content())
    assert made.startswith("a\n<!-- benchmarks: figures -->\n| work |")
    assert made.endswith("<!-- benchmarks: end -->\nb\n")
    assert "old" not in made
    assert page_block(made, content()) == made
    assert page_block("no marker", content()) == "no marker"
