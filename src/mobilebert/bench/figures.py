"""The figures that the project promises, computed from results: what is compared with what."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mobilebert.bench.peaks import peak_of
from mobilebert.bench.work import SUITES

__all__ = ["FIGURES", "Figure", "Finding", "best_record", "find_figures"]

Record = Mapping[str, Any]
Choice = Callable[[Record], bool]


def _own(record: Record) -> bool:
    return bool(record["ours"])


def _peer(record: Record) -> bool:
    return not record["ours"]


def _padding_peer(record: Record) -> bool:
    return not record["ours"] and bool(record.get("padded"))


def _named(name: str) -> Choice:
    return lambda record: record["runner"] == name


@dataclass(frozen=True)
class Figure:
    """One promised ratio.

    Attributes:
        name: What is measured.
        work: Name of the work.
        against: What the ratio is against, in words.
        least: The ratio that is promised.
        stretch: The ratio that is hoped for.
        fast: Which records stand above the line; the best of them does.
        slow: Which stand below it.
        quantity: What is compared: seconds or memory.
        least_percent: Percent of a peak that is promised too.
        peak: Element type of that peak; by default that of the best record.
        isa: Instruction set of that peak; by default the fastest.
    """

    name: str
    work: str
    against: str
    least: float
    stretch: float
    fast: Choice = _own
    slow: Choice = _peer
    quantity: str = "median"
    least_percent: float | None = None
    peak: str | None = None
    isa: str | None = None


@dataclass(frozen=True)
class Finding:
    """What came out for a figure.

    Attributes:
        figure: The figure.
        ratio: How many times as good; None where one side was not measured.
        fast: The record above the line.
        slow: The record below it.
        reason: Why there is no ratio.
        share: Percent of the peak that the record above the line reaches.
    """

    figure: Figure
    ratio: float | None
    fast: Record | None = None
    slow: Record | None = None
    reason: str | None = None
    share: float | None = None

    @property
    def reached(self) -> bool:
        """Whether the promise is kept."""
        wanted = self.figure.least_percent
        enough = wanted is None or (self.share is not None and self.share >= wanted)
        return self.ratio is not None and self.ratio >= self.figure.least and enough


_WORKS = [work.name for work in SUITES["figures"]]
_ANY = "the best peer at any precision"
_START = "process start to answer"

FIGURES: tuple[Figure, ...] = (
    Figure("S=128, batch 1", _WORKS[0], _ANY, 4.0, 5.5),
    Figure("S=16, batch 1", _WORKS[1], _ANY, 3.5, 5.0),
    Figure("S=384, batch 1", _WORKS[2], _ANY, 3.0, 4.5),
    Figure("S=128, batch 16", _WORKS[3], _ANY, 3.0, 3.0, least_percent=50.0, peak="bfloat16"),
    Figure(
        "64 texts, lengths as in SQuAD", _WORKS[4], "the best padded peer", 4, 5, slow=_padding_peer
    ),
    Figure(
        "64 texts, lengths as in SST-2", _WORKS[5], "the best padded peer", 4, 5, slow=_padding_peer
    ),
    Figure(
        "float32 on AVX-512, S=128, batch 16",
        _WORKS[6],
        "the best peer in float32",
        1.15,
        1.3,
        least_percent=80.0,
        peak="float32",
    ),
    Figure(
        "int8 on AVX-512 VNNI, S=128, batch 16",
        _WORKS[7],
        "the engine in float32",
        1.6,
        2.5,
        isa="avx512vnni",
        fast=_named("engine int8"),
        slow=_named("engine float32"),
    ),
    Figure("fill-mask, 9 tokens, text to answer", _WORKS[8], "transformers' pipeline", 22, 30),
    Figure(
        "process start to first answer, packed",
        _START,
        "a script with transformers' pipeline",
        15,
        20,
        fast=_named("mobilebert run"),
    ),
    Figure(
        "its peak memory",
        _START,
        "a script with transformers' pipeline",
        5,
        5,
        fast=_named("mobilebert run"),
        quantity="peak_mib",
    ),
)


def best_record(
    records: Sequence[Record], choice: Choice, quantity: str = "median"
) -> Record | None:
    """Return the measured record with the least of a quantity among those chosen."""
    measured = [x for x in records if x["state"] == "measured" and choice(x) and quantity in x]
    return min(measured, key=lambda record: float(record[quantity]), default=None)


def find_figures(content: Mapping[str, Any]) -> list[Finding]:
    """Compute all figures from results."""
    rows = {row["work"]: row["runners"] for row in content["rows"]}
    peaks = content["peaks"]
    return [_find(figure, rows.get(figure.work), peaks) for figure in FIGURES]


def _find(figure: Figure, records: Sequence[Record] | None, peaks: dict[str, Any]) -> Finding:
    if records is None:
        return Finding(figure, None, reason="not measured")
    fast = best_record(records, figure.fast, figure.quantity)
    if fast is None:
        return Finding(figure, None, reason=_why(records, figure.fast))
    slow = best_record(records, figure.slow, figure.quantity)
    if slow is None:
        return Finding(figure, None, fast, reason=_why(records, figure.slow))
    ratio = slow[figure.quantity] / fast[figure.quantity]
    return Finding(figure, ratio, fast, slow, share=_share(fast, figure, peaks))


def _share(fast: Record, figure: Figure, peaks: dict[str, Any]) -> float | None:
    peak = peak_of(peaks, figure.peak or fast["dtype"], figure.isa)
    return 100 * fast["gflops"] / peak if peak and "gflops" in fast else None


def _why(records: Sequence[Record], choice: Choice) -> str:
    for record in records:
        if choice(record) and record.get("reason"):
            return f"{record['runner']}: {record['reason']}"
    return "not measured"
