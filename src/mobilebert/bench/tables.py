"""Results as text for people: tables in Markdown, generated from the JSON and nothing else."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mobilebert.bench.figures import Finding, Goal, best_record, find_figures

__all__ = ["figure_table", "page_block", "row_table", "summary"]

_START, _END = "<!-- benchmarks: {name} -->", "<!-- benchmarks: end -->"


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [tuple(head), ("---",) * len(head), *lines]
    escaped = ([cell.replace("|", "\\|") for cell in row] for row in rows)
    return "\n".join("| " + " | ".join(row) + " |" for row in escaped)


def _amount(record: Mapping[str, Any], quantity: str) -> str:
    if quantity == "peak_mib":
        return f"{record[quantity]:.0f} MiB"
    return _time(record[quantity])


def _time(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.2f} s"
    milliseconds = seconds * 1e3
    return f"{milliseconds:.0f} ms" if milliseconds >= 100 else f"{milliseconds:.3g} ms"


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.0f} %"


def figure_table(content: Mapping[str, Any]) -> str:
    """Make the table of promised figures: what was reached, and what was not."""
    head = ("work", "ours", "the other", "ratio", "promised", "stretch", "of the peak", "reached")
    return _table(head, [_figure_line(finding) for finding in find_figures(content)])


def _figure_line(finding: Finding) -> tuple[str, ...]:
    figure, cells = finding.figure, []
    for record in (finding.fast, finding.slow):
        shown = "" if record is None else _amount(record, figure.quantity)
        cells.append(f"{shown} ({record['runner']})" if record is not None else "")
    ratio = f"**{finding.ratio:.2f} x**" if finding.ratio is not None else f"{finding.reason}"
    share = _share(finding.share)
    reached = "yes" if finding.reached else "no" if finding.ratio is not None else "-"
    name = f"{figure.name}, against {figure.against}"
    return (name, *cells, ratio, _goal(figure.least), _goal(figure.stretch), share, reached)


def _goal(goal: Goal) -> str:
    amounts = ((goal.ratio, "x"), (goal.percent, "%"))
    return ", ".join(f"{amount:g} {unit}" for amount, unit in amounts if amount is not None)


def row_table(row: Mapping[str, Any]) -> str:
    """Make the table of one work: every runner, with the reason where there is no time."""
    records = row["runners"]
    peer = best_record(records, lambda record: not record["ours"])
    head = (row["work"], "median", "p90", "against the best peer", "of the peak", "error", "way")
    return _table(head, [_record_line(record, peer) for record in records])


def _record_line(record: Mapping[str, Any], peer: Mapping[str, Any] | None) -> tuple[str, ...]:
    if record["state"] != "measured":
        return (record["runner"], f"{record['state']}: {record['reason']}", *[""] * 5)
    ratio = "" if peer is None else f"{peer['median'] / record['median']:.2f} x"
    return (
        record["runner"],
        _time(record["median"]),
        _time(record["p90"]),
        ratio,
        _share(record.get("percent_of_peak")),
        f"{record['error']:.0e}",
        record["way"] or "",
    )


def _theory(rate: float, theory: float) -> str:
    """Say what a unit should do; a clock measured while others worked makes that too little."""
    return f"theory {theory:.0f}" if theory >= rate else "theory unknown: the clock was disturbed"


def summary(content: Mapping[str, Any]) -> str:
    """Say in a few lines what was measured on what."""
    machine, versions = content["machine"], content["versions"]
    libraries = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    peaks = content["peaks"]
    units = ", ".join(
        f"{name} {rate:.0f} ({_theory(rate, peaks['theory'][name])})"
        for name, rate in peaks.get("units", {}).items()
    )
    gemm = ", ".join(f"{name} {rate:.0f}" for name, rate in peaks.get("gemm", {}).items())
    return "\n".join(
        (
            f"{machine['name']}, {content['threads']} threads; {content['model']['layers']} "
            f"layers, random weights; commit {content['commit'] or 'unknown'}, "
            f"{content['date']}.",
            f"{libraries}.",
            f"Peaks in GFLOP/s: matrix product in float32 {gemm or 'not measured'}; "
            f"units {units or 'not measured'}.",
        )
    )


_PARTS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "figures": lambda content: f"{figure_table(content)}\n\n{summary(content)}",
    "works": lambda content: "\n\n".join(row_table(row) for row in content["rows"]),
}


def page_block(page: str, content: Mapping[str, Any]) -> str:
    """Return a page with its generated parts made anew.

    A part stands between ``<!-- benchmarks: figures -->`` (or ``works``) and
    ``<!-- benchmarks: end -->``.

    Args:
        page: The text of the page.
        content: The results.
    """
    for name, make in _PARTS.items():
        start = _START.format(name=name)
        if start in page:
            before, _, rest = page.partition(start)
            _, _, after = rest.partition(_END)
            page = f"{before}{start}\n{make(content)}\n{_END}{after}"
    return page
