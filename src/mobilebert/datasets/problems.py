"""What can be wrong with data: kinds, places and counts."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from mobilebert.errors import InputError

__all__ = [
    "KEPT_PROBLEMS",
    "NOTICES",
    "OnError",
    "Problem",
    "ProblemKind",
    "ProblemLog",
    "RowError",
    "on_error_of",
]

# Places that one error names, if there are no more kinds of problems.
_NAMED = 3
KEPT_PROBLEMS = 1000
"""Problems of one kind that are kept; all are counted."""


class OnError(StrEnum):
    """What is done about bad rows."""

    REFUSE = "refuse"
    SKIP = "skip"


def on_error_of(name: OnError | str) -> OnError:
    """Take what was said about bad rows.

    Raises:
        InputError: There is no such word.
    """
    try:
        return OnError(name)
    except ValueError:
        words = " or ".join(repr(str(word)) for word in OnError)
        raise InputError(f"What to do about bad rows is {words}, not {name!r}.") from None


class ProblemKind(StrEnum):
    """Kinds of problems, by the words that counts have for them."""

    UNREADABLE = "unreadable row"
    MISSING_LABEL = "missing label"
    EMPTY_TEXT = "empty text"
    NOT_TEXT = "text that is none"
    NOT_A_NUMBER = "target that is no number"
    TEXT_AS_LABEL = "text in the label column"
    BAD_SPANS = "unsorted, overlapping or misplaced spans"
    BAD_COLUMNS = "CoNLL line with other columns"
    BAD_TAGS = "words and tags that do not match"
    BAD_ANSWER = "answer that is not at its offset"
    BAD_CHOICE = "label that is no choice"
    UNSEEN_LABEL = "label that training data do not have"
    NO_TOKENS = "text of which the tokenizer keeps nothing"
    TOO_LONG = "texts that are too long for the model"
    EMPTY_ROW = "empty row"
    DUPLICATE = "duplicate"
    CONTRADICTION = "same text with another label"
    LEAK = "text of the training data"
    SHARED_GROUP = "group of the training data"


NOTICES = frozenset(
    {
        ProblemKind.EMPTY_ROW,
        ProblemKind.DUPLICATE,
        ProblemKind.CONTRADICTION,
        ProblemKind.LEAK,
        ProblemKind.SHARED_GROUP,
    }
)
"""Kinds that are told but do not make a row bad."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a row.

    Attributes:
        place: File and line.
        kind: What sort of problem it is.
        reason: A sentence about it.
    """

    place: str
    kind: ProblemKind
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


class RowError(InputError):
    """A row cannot be an item.

    Attributes:
        kind: What sort of problem it is.
        reason: A sentence about it.
    """

    def __init__(self, kind: ProblemKind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason

    def __reduce__(self) -> tuple[type["RowError"], tuple[ProblemKind, str]]:
        # Exceptions are made again of their message alone, where another process raised them.
        return type(self), (self.kind, self.reason)


class ProblemLog:
    """Problems in the order in which they are met, and how many of each kind there are."""

    def __init__(self) -> None:
        self._counts: Counter[ProblemKind] = Counter()
        self._kept: list[Problem] = []

    def add(self, problem: Problem) -> None:
        """Count a problem; keep it if not too many of its kind are kept."""
        self._counts[problem.kind] += 1
        if self._counts[problem.kind] <= KEPT_PROBLEMS:
            self._kept.append(problem)

    def count(self, kind: ProblemKind, number: int) -> None:
        """Count further problems of a kind, without a place, after those that are kept."""
        if number:
            self._counts[kind] += number

    @property
    def kept(self) -> tuple[Problem, ...]:
        """The first thousand problems of each kind."""
        return tuple(self._kept)

    @property
    def counts(self) -> Mapping[ProblemKind, int]:
        """How many there are of each kind, kept or not."""
        return dict(self._counts)

    @property
    def bad(self) -> int:
        """How many make their row bad."""
        return sum(count for kind, count in self._counts.items() if kind not in NOTICES)

    def refuse(self, name: str, total: int) -> None:
        """Stop if there is a bad row.

        Args:
            name: What was read.
            total: How many rows it has.

        Raises:
            InputError: There is one; the message has the counts and the first places.
        """
        if not self.bad:
            return
        counts = [f"{kind}: {n:,}" for kind, n in self._counts.items() if kind not in NOTICES]
        first = map(str, self._named())
        rows = "row" if self.bad == 1 else "rows"
        raise InputError(
            f"{name} has {self.bad:,} bad {rows} of {total:,} ({'; '.join(counts)}). "
            f"{' '.join(first)} Correct them, or leave such rows out with --skip-bad-rows, which "
            "lists them in report.json."
        )

    def _named(self) -> list[Problem]:
        """Return the first bad row of each kind, and further ones if there are few kinds."""
        bad = [problem for problem in self._kept if problem.kind not in NOTICES]
        first = {problem.kind: problem for problem in reversed(bad)}.values()
        others = [problem for problem in bad if problem not in first]
        named = [*first, *others[: max(0, _NAMED - len(first))]]
        return [problem for problem in bad if problem in named]
