"""The figures that the project promises, computed from results: what is compared with what."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mobilebert.bench.peaks import peak_of
from mobilebert.bench.work import SUITES

__all__ = ["FIGURES", "Figure", "Finding", "Goal", "best_record", "find_figures"]

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
class Goal:
    """What a figure should be; None where nothing is said.

    Attributes:
        ratio: At least so many times as good.
        percent: At least so many percent of a peak.
    """

    ratio: float | None = None
    percent: float | None = None

    def met(self, ratio: float | None, share: float | None) -> bool:
        """Tell whether all that is said holds for a ratio and percent of the peak."""
        pairs = ((self.ratio, ratio), (self.percent, share))
        return all(goal is None or (got is not None and got >= goal) for goal, got in pairs)


@dataclass(frozen=True)
class Figure:
    """One promised ratio.

    Attributes:
        name: What is measured.
        work: Name of the work.
        against: What the ratio is against, in words.
        least: What is promised.
        stretch: What is hoped for.
        fast: Which records stand above the line; the best of them does.
        slow: Which stand below it.
        quantity: What is compared: seconds or memory.
        peak: Element type of the peak; by default that of the best record.
        isa: Instruction set of the peak; by default the fastest.
    """

    name: str
    work: str
    against: str
    least: Goal
    stretch: Goal
    fast: Choice = _own
    slow: Choice = _peer
    quantity: str = "median"
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
        return self.figure.least.met(self.ratio, self.share)


_WORKS = [work.name for work in SUITES["figures"]]
_ANY = "the best peer at any precision"
_PADDED = "the best padded peer"
_START = "process start to answer"
_SCRIPT = "a script with transformers' pipeline"

FIGURES: tuple[Figure, ...] = (
    Figure("S=128, batch 1", _WORKS[0], _ANY, Goal(4), Goal(5.5)),
    Figure("S=16, batch 1", _WORKS[1], _ANY, Goal(3.5), Goal(5)),
    Figure("S=384, batch 1", _WORKS[2], _ANY, Goal(3), Goal(4.5)),
    Figure("S=128, batch 16", _WORKS[3], _ANY, Goal(3, 50), Goal(percent=65), peak="bfloat16"),
    Figure(
        "64 texts, lengths as in SQuAD", _WORKS[4], _PADDED, Goal(4), Goal(5), slow=_padding_peer
    ),
    Figure(
        "64 texts, lengths as in SST-2", _WORKS[5], _PADDED, Goal(4), Goal(5), slow=_padding_peer
    ),
    Figure(
        "float32 on AVX-512, S=128, batch 16",
        _WORKS[6],
        "the best peer in float32",
        Goal(1.15, 80),
        Goal(1.3),
        peak="float32",
    ),
    Figure(
        "int8 on AVX-512 VNNI, S=128, batch 16",
        _WORKS[7],
        "the engine in float32",
        Goal(1.6),
        Goal(2.5),
        isa="avx512vnni",
        fast=_named("engine int8"),
        slow=_named("engine float32"),
    ),
    Figure(
        "fill-mask, 9 tokens, text to answer",
        _WORKS[8],
        "transformers' pipeline",
        Goal(22),
        Goal(30),
    ),
    Figure(
        "process start to first answer, packed",
        _START,
        _SCRIPT,
        Goal(15),
        Goal(20),
        fast=_named("mobilebert run"),
    ),
    Figure(
        "its peak memory",
        _START,
        _SCRIPT,
        Goal(5),
        Goal(),
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
