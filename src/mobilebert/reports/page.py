"""A page and its parts: sections, tables, figures; one file that loads nothing."""

from collections.abc import Iterable, Sequence

from mobilebert.reports.findings import Finding
from mobilebert.reports.markup import Child, Markup, joined, tag
from mobilebert.reports.style import STYLE

__all__ = ["figure", "finding_boxes", "isolated", "page", "section", "table"]

# Nothing on the page may run or load, whatever texts it shows.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_TEXTS = ("text", "short")  # columns of texts in any script


def page(title: str, *body: Child) -> str:
    """Make a whole page.

    Args:
        title: Of the page.
        body: What is on it.
    """
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Markup(STYLE)),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, tag('body', tag('main', *body)), lang='en')}\n"


def section(title: str, *parts: Child) -> Markup | None:
    """Make a part of a page with a heading; None if there is nothing in it."""
    content = joined(*parts)
    return tag("section", tag("h2", title), content) if content else None


def isolated(text: str) -> Markup:
    """Return a text whose writing direction changes nothing around it."""
    return tag("bdi", text)


def table(
    head: Sequence[tuple[str, str]], rows: Iterable[Sequence[Child]], caption: str | None = None
) -> Markup | None:
    """Make a table; None if it has no rows.

    Args:
        head: Title and class of each column: ``number``, ``text``, ``short`` (a text that mostly
            is), ``place`` or nothing. The first column names its row.
        rows: A cell for each column.
        caption: What the table shows.
    """
    lines = [tag("tr", _cells(head, row)) for row in rows]
    if not lines:
        return None
    titles = [tag("th", title, scope="col", class_=kind or None) for title, kind in head]
    made = tag(
        "table",
        tag("caption", caption) if caption else None,
        tag("thead", tag("tr", titles)) if any(title for title, _ in head) else None,
        tag("tbody", lines),
    )
    return tag("div", made, class_="wide")


def _cells(head: Sequence[tuple[str, str]], row: Sequence[Child]) -> list[Markup]:
    cells = []
    for place, ((_, kind), cell) in enumerate(zip(head, row, strict=True)):
        direction = "auto" if kind in _TEXTS else None
        first = {"scope": "row"} if place == 0 else {}
        name = "th" if place == 0 else "td"
        cells.append(tag(name, cell, class_=kind or None, dir=direction, **first))
    return cells


def figure(name: str, value: str, beside: str = "", first: bool = False) -> Markup:
    """Show a number in large.

    Args:
        name: What it is.
        value: The number.
        beside: What to compare it with.
        first: Whether it is the one to look at first.
    """
    return tag(
        "div",
        tag("div", name, class_="name"),
        tag("div", value, class_="value"),
        tag("div", beside, class_="beside") if beside else None,
        class_="figure first" if first else "figure",
    )


def finding_boxes(found: Iterable[Finding]) -> Markup:
    """Show what has to be said first."""
    return joined(
        tag(
            "p",
            tag("strong", "Warning: " if finding.serious else "Note: "),
            isolated(finding.sentence),
            isolated(f" {finding.detail}") if finding.detail else None,
            class_="finding serious" if finding.serious else "finding",
            role="alert" if finding.serious else None,
        )
        for finding in found
    )
