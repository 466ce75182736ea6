"""The confusion matrix as a map of shades, readable from 2 classes to 100."""

from collections.abc import Sequence

from mobilebert.reports.markup import Child, Markup, tag
from mobilebert.reports.report import Confusion
from mobilebert.reports.svg import drawing, label, text_width
from mobilebert.reports.wording import counted, percent

__all__ = ["MOST_CLASSES", "confusion_chart", "most_confused", "with_fewer_classes"]

MOST_CLASSES = 100

# A cell has its number where there is room for it.
_CELL_WITH_NUMBER, _SMALLEST_CELL = 30.0, 13.0
_SHADES = 10  # that the style sheet has: shade-1 to shade-10


def confusion_chart(name: str, title: str, confusion: Confusion) -> Markup:
    """Draw true against predicted classes.

    The shade of a cell is the share of its row, so that rare classes are seen as well.

    Args:
        name: Identifier of the drawing.
        title: What it shows.
        confusion: The counts, of at most `MOST_CLASSES` classes.
    """
    labels, counts = confusion.labels, confusion.counts
    cell = min(64.0, max(_SMALLEST_CELL, 620.0 / max(len(labels), 1)))
    edge = min(max([text_width(text) for text in labels] or [0.0]) + 10.0, 150.0)
    left, top, size = edge + 22.0, edge + 24.0, cell * len(labels)
    parts: list[Child] = [
        tag("rect", x=left, y=top, width=size, height=size, class_="empty"),
        label("predicted", left + size / 2, 14, class_="middle name"),
        label("true", 14, top + size / 2, class_="middle name", transform=_turned(14, top, size)),
    ]
    for place, text in enumerate(labels):
        middle = cell * (place + 0.5)
        x, y = left + middle + 4, top - 6
        parts.append(label(text, left - 6, top + middle + 4, most=edge, class_="end"))
        parts.append(label(text, x, y, most=edge, transform=f"rotate(-90 {x:.1f} {y:.1f})"))
    for row, line in enumerate(counts):
        parts += _row(labels, row, line, left, top + cell * row, cell)
    return drawing(name, title, _described(confusion), left + size + 8, top + size + 8, parts)


def _turned(x: float, top: float, size: float) -> str:
    return f"rotate(-90 {x:.1f} {top + size / 2:.1f})"


def _row(
    labels: Sequence[str], row: int, counts: Sequence[int], left: float, y: float, cell: float
) -> list[Child]:
    total, parts = sum(counts), list[Child]()
    for column, count in enumerate(counts):
        if not count:
            continue
        share, x = count / total, left + cell * column
        shade = max(1, round(share * _SHADES))
        kind = "right" if row == column else "wrong"
        text = f"true {labels[row]}, predicted {labels[column]}: {count:,} ({percent(share)})"
        parts.append(
            tag(
                "rect",
                tag("title", text),
                x=x + 0.5,
                y=y + 0.5,
                width=cell - 1,
                height=cell - 1,
                class_=f"{kind} shade-{shade}",
            )
        )
        if cell >= _CELL_WITH_NUMBER and text_width(f"{count}") < cell - 2:
            on_dark = " on-shade" if shade > _SHADES // 2 else ""
            middle = x + cell / 2
            parts.append(
                label(f"{count}", middle, y + cell / 2 + 4, class_=f"middle cell{on_dark}")
            )
    return parts


def _described(confusion: Confusion) -> str:
    total = sum(map(sum, confusion.counts))
    right = sum(row[place] for place, row in enumerate(confusion.counts))
    pairs = "; ".join(
        f"{true} taken for {told} {count:,} times"
        for true, told, count in most_confused(confusion, 3)
    )
    said = f" Most often {pairs}." if pairs else ""
    return f"{right:,} of {counted(total, 'answer')} lie on the diagonal and are right.{said}"


def most_confused(confusion: Confusion, most: int) -> list[tuple[str, str, int]]:
    """Return the most frequent errors: true class, predicted class, how often.

    Args:
        confusion: The counts.
        most: How many at most.
    """
    errors = [
        (confusion.labels[row], confusion.labels[column], count)
        for row, line in enumerate(confusion.counts)
        for column, count in enumerate(line)
        if count and row != column
    ]
    return sorted(errors, key=lambda error: -error[2])[:most]


def with_fewer_classes(confusion: Confusion, most: int = MOST_CLASSES) -> Confusion:
    """Return the counts of the most frequent classes, all others taken as one.

    Args:
        confusion: The counts.
        most: How many classes there may be; with that many, the same counts are returned.
    """
    labels, counts = confusion.labels, confusion.counts
    if len(labels) <= most:
        return confusion
    weight = [sum(row) + sum(line[i] for line in counts) for i, row in enumerate(counts)]
    kept = sorted(sorted(range(len(labels)), key=lambda i: -weight[i])[: most - 1])
    place = {old: new for new, old in enumerate(kept)}
    merged = [[0] * most for _ in range(most)]
    for row, line in enumerate(counts):
        for column, count in enumerate(line):
            merged[place.get(row, most - 1)][place.get(column, most - 1)] += count
    others = len(labels) - len(kept)
    named = [*(labels[i] for i in kept), f"{others:,} others"]
    return Confusion(labels=named, counts=merged, others=others)
