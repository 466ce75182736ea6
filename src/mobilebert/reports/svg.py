"""What charts are made of: a drawing with a title, axes with round numbers, and legends.

Colours are classes of the page's style sheet, so that they follow light and dark.
"""

import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from mobilebert.reports.markup import Child, Markup, clean, joined, tag
from mobilebert.reports.wording import tick

__all__ = ["Axis", "Plot", "axis_over", "drawing", "label", "legend", "text_width", "ticks_between"]

CHARACTER_WIDTH, FONT_SIZE = 0.56, 11.0

# Ticks are rounded to twelve places: numbers that are nearer to each other are shown as one.
_LEAST_SPREAD = 1e-10


@dataclass(frozen=True)
class Axis:
    """How numbers lie along a line of a drawing.

    Attributes:
        least: The number at its start.
        most: The number at its end.
        ticks: The numbers that are written beside it.
        logarithmic: Whether equal distances are equal ratios.
    """

    least: float
    most: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Return where a number lies, 0 at the start and 1 at the end."""
        if self.logarithmic:
            least, most = math.log10(self.least), math.log10(self.most)
            return (math.log10(max(value, self.least)) - least) / (most - least)
        return (value - self.least) / (self.most - self.least)

    def within(self, least: float, most: float) -> Self:
        """Return the same axis with these ends, and the ticks that lie between them."""
        ticks = tuple(tick for tick in self.ticks if least <= tick <= most)
        return replace(self, least=least, most=most, ticks=ticks)


def axis_over(values: Sequence[float], *, zero: bool = False, ratio: float = 1000.0) -> Axis:
    """Lay an axis over numbers.

    Args:
        values: The numbers; those that are not finite do not count.
        zero: Whether it begins at 0.
        ratio: Positive numbers that differ by more than this factor lie on a logarithmic axis.
    """
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    least, most = min(finite), max(finite)
    if not zero and least > 0 and most / least > ratio:
        first, last = math.floor(math.log10(least)), math.ceil(math.log10(most))
        step = max(1, (last - first) // 6)
        ticks = tuple(10.0**power for power in range(first, last + 1, step))
        return Axis(10.0**first, max(10.0**last, ticks[-1]), ticks, logarithmic=True)
    if zero:
        least, most = min(least, 0.0), max(most, 0.0)
    if most - least <= max(1e-9 * max(abs(most), abs(least)), _LEAST_SPREAD):
        margin = abs(most) * 0.1 if abs(most) > _LEAST_SPREAD else 1.0
        least, most = (0.0, most + margin) if zero else (least - margin, most + margin)
    ticks = ticks_between(least, most)
    return Axis(min(least, ticks[0]), max(most, ticks[-1]), ticks)


def ticks_between(least: float, most: float, about: int = 5) -> tuple[float, ...]:
    """Return round numbers that reach from at most `least` to at least `most`.

    Args:
        least: The smallest number.
        most: The largest, another one.
        about: How many there should be.
    """
    rough = (most - least) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((f * power for f in (1.0, 2.0, 2.5, 5.0) if f * power >= rough), 10.0 * power)
    first, last = math.floor(least / step + 1e-9), math.ceil(most / step - 1e-9)
    return tuple(round(place * step, 12) for place in range(first, last + 1))


def text_width(text: str, size: float = FONT_SIZE) -> float:
    """Guess the width of a text in pixels; characters of East Asia are as wide as high."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return size * (wide + CHARACTER_WIDTH * (len(text) - wide))


def label(
    text: str, x: float, y: float, *, most: float | None = None, class_: str = "", **more: str
) -> Markup:
    """Write a text; where it is wider than `most` pixels it is cut, and its title has all of it."""
    # One line, whatever it holds; isolated, so that its direction changes nothing around it.
    whole = " ".join(clean(text).split())
    shown = whole
    if most is not None and text_width(whole) > most:
        while shown and text_width(shown + "…") > most:
            shown = shown[: -max(1, int((text_width(shown + "…") - most) / FONT_SIZE / 2))]
        shown += "…"
    full = tag("title", whole) if shown != whole else None
    return tag("text", full, shown, x=x, y=y, class_=class_ or None, **more)


def drawing(
    name: str, title: str, description: str, width: float, height: float, *parts: Child
) -> Markup:
    """Make an SVG with a title and a description that screen readers read.

    Args:
        name: An identifier, of this drawing alone on its page.
        title: What it shows.
        description: What can be seen in it, in a sentence or two.
        width: In pixels.
        height: In pixels.
        parts: What is in it.
    """
    return tag(
        "svg",
        tag("title", title, id=f"{name}-title"),
        tag("desc", description, id=f"{name}-description"),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=f"{width:.0f}",
        height=f"{height:.0f}",
        role="img",
        aria_labelledby=f"{name}-title {name}-description",
        class_="chart",
    )


@dataclass(frozen=True)
class Plot:
    """The part of a drawing between its axes.

    Attributes:
        x: Of the numbers to the right.
        y: Of the numbers upwards.
        width: Of the whole drawing, in pixels.
        height: Of the whole drawing.
        left: What is kept free for numbers at the left.
        top: What is kept free above.
        bottom: What is kept free below.
        right: What is kept free at the right.
    """

    x: Axis
    y: Axis
    width: float = 520.0
    height: float = 280.0
    left: float = 58.0
    top: float = 30.0
    bottom: float = 42.0
    right: float = 16.0

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where a pair of numbers lies in the drawing."""
        across, up = self.width - self.left - self.right, self.height - self.top - self.bottom
        return self.left + across * self.x.share(x), self.top + up * (1 - self.y.share(y))

    def axes(
        self,
        x_title: str,
        y_title: str,
        x_text: Callable[[float], str] = tick,
        y_text: Callable[[float], str] = tick,
    ) -> Markup:
        """Draw both axes, with numbers, lines behind the drawing, and what they are."""
        left, bottom = self.place(self.x.least, self.y.least)
        right, top = self.place(self.x.most, self.y.most)
        parts: list[Child] = []
        for value in self.y.ticks:
            _, y = self.place(self.x.least, value)
            parts.append(tag("line", x1=left, y1=y, x2=right, y2=y, class_="grid"))
            parts.append(label(y_text(value), left - 6, y + 4, class_="end"))
        for value in self.x.ticks:
            x, _ = self.place(value, self.y.least)
            parts.append(tag("line", x1=x, y1=bottom, x2=x, y2=bottom + 4, class_="axis"))
            parts.append(label(x_text(value), x, bottom + 17, class_="middle"))
        parts.append(tag("line", x1=left, y1=bottom, x2=right, y2=bottom, class_="axis"))
        parts.append(label(x_title, (left + right) / 2, bottom + 34, class_="middle name"))
        parts.append(label(y_title, 4, top - 14, class_="name"))
        return joined(parts)


def legend(entries: Sequence[tuple[str, str]], x: float, y: float) -> Markup:
    """Name the lines or bars of a drawing from right to left.

    Args:
        entries: Class of the colour and name, each.
        x: Right end.
        y: Base line of the text.
    """
    parts: list[Child] = []
    for colour, name in reversed(entries):
        x -= text_width(name)
        parts.append(label(name, x, y))
        parts.append(tag("rect", x=x - 15, y=y - 9, width=10, height=10, class_=f"key {colour}"))
        x -= 30
    return joined(parts)
