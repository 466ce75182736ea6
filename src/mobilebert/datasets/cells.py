"""Values of cells as texts, names and numbers."""

import ast
import json
import math
import re
from itertools import accumulate
from typing import Any

from mobilebert.datasets.problems import ProblemKind, RowError

__all__ = ["is_missing", "label_of", "list_in", "number_of", "shown", "text_of"]

# What programs write where they have no value. "None" and "NA" are names of classes too.
_NO_VALUE = {"", "nan", "null", "#n/a", "<na>"}
_WHOLE = re.compile(r"-?[0-9]+\.0+")
_SHOWN = 40
# A text in quotes, as Python and NumPy write it.
_QUOTED = re.compile(r"""(?:\b[uU])?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""", re.DOTALL)
# What takes the place of one; no other entry of a list looks so.
_PLACE = '""'
# What an entry without quotes does not have.
_SIGNS = frozenset("'\"[]{}()")


def is_missing(value: Any) -> bool:
    """Tell whether a cell has no value."""
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and value.strip().lower() in _NO_VALUE)


def text_of(value: Any, name: str = "text") -> str:
    """Take a cell as text; numbers and dates are written out.

    Raises:
        RowError: It is empty, or no text.
    """
    if isinstance(value, bool | list | dict | bytes):
        raise RowError(
            ProblemKind.NOT_TEXT, f"the {name} is {shown(value)}, a {type(value).__name__}."
        )
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    text = "" if missing else str(value)
    if not text.strip():
        raise RowError(ProblemKind.EMPTY_TEXT, f"the {name} is empty.")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise RowError(
                ProblemKind.NOT_TEXT,
                f"the {name} has a lone surrogate U+{ord(text[error.start]):04X}.",
            ) from None
    return text


def label_of(value: Any) -> str:
    """Take a cell as the name of a class; a whole number is written without a point.

    The formats of files and the programs that write them do not agree on whether 1 is "1.0".

    Raises:
        RowError: There is none.
    """
    if is_missing(value):
        raise RowError(ProblemKind.MISSING_LABEL, "the label is missing.")
    if isinstance(value, list | dict):
        raise RowError(
            ProblemKind.TEXT_AS_LABEL,
            f"the label is {shown(value)}, a {type(value).__name__}; several labels are the task "
            "multi-label-classification.",
        )
    text = str(value).strip()
    return text.partition(".")[0] if _WHOLE.fullmatch(text) else text


def number_of(value: Any) -> float:
    """Take a cell as a number.

    Raises:
        RowError: There is none, or it is not finite.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        raise RowError(ProblemKind.MISSING_LABEL, "the target is missing.")
    try:
        # float() takes "1_000" for a thousand, and True for one.
        readable = not isinstance(value, bool) and not (isinstance(value, str) and "_" in value)
        number = float(value) if readable else None
    except (ValueError, TypeError, OverflowError):
        number = None
    if number is None:
        hint = "; decimals have a point" if "," in str(value) else ""
        raise RowError(
            ProblemKind.NOT_A_NUMBER, f"the target {shown(value)} is not a number{hint}."
        )
    if not math.isfinite(number):
        raise RowError(ProblemKind.NOT_A_NUMBER, f"the target {shown(value)} is not finite.")
    return number


def list_in(text: str, kind: ProblemKind, name: str) -> list[Any] | None:
    """Read a list that stands in a cell as text: as JSON, Python, NumPy or pandas writes it.

    Args:
        text: The cell.
        kind: What sort of problem a list that cannot be read is.
        name: What it holds, for the error.

    Returns:
        The entries; None where the text does not stand in brackets, or in several pairs of them
        (``[joy], [sad]``), or is one word without quotes (``[joy]``).

    Raises:
        RowError: It stands in brackets, and is no list of texts and numbers.
    """
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        return list(json.loads(text))
    except (ValueError, RecursionError):
        pass
    quoted = iter(_QUOTED.findall(text[1:-1]))
    rest = _QUOTED.sub(_PLACE, text[1:-1])
    if _closes_more(rest):
        return None
    entries = [entry.strip() for entry in rest.split(",")] if "," in rest else rest.split()
    if entries and not entries[-1]:
        entries.pop()
    if len(entries) == 1 and entries[0] and not _SIGNS & set(entries[0]):
        return None
    try:
        return [_entry(next(quoted) if entry == _PLACE else entry) for entry in entries]
    except (ValueError, SyntaxError):
        raise RowError(
            kind,
            f"the {name} are {shown(text)}, which cannot be read as a list; write it as JSON "
            """does: ["a", "b"].""",
        ) from None


def _closes_more(text: str) -> bool:
    """Tell whether a bracket is closed that was opened before the text."""
    depths = accumulate((sign == "[") - (sign == "]") for sign in text)
    return any(depth < 0 for depth in depths)


def _entry(text: str) -> str | None:
    if _QUOTED.fullmatch(text):
        return str(ast.literal_eval(text))
    # NumPy leaves entries of long lists out, and puts points there.
    if not text or text == "..." or _SIGNS & set(text):
        raise ValueError(text)
    return None if text == "None" else text


def shown(value: Any) -> str:
    """Write a value for an error, shortened."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
