"""Rows to the items of a task, with everything that is wrong with them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from mobilebert.datasets.cells import is_missing
from mobilebert.datasets.choice_items import choice_reader
from mobilebert.datasets.columns import Columns, choose_columns
from mobilebert.datasets.fingerprints import Repetitions
from mobilebert.datasets.item_sets import LARGEST_IN_MEMORY, Items, StreamedItems
from mobilebert.datasets.items import FinetuneTask, Item, QuestionItem
from mobilebert.datasets.label_names import label_namer
from mobilebert.datasets.label_texts import LabelTally, names_of
from mobilebert.datasets.problems import (
    OnError,
    Problem,
    ProblemKind,
    ProblemLog,
    RowError,
    on_error_of,
)
from mobilebert.datasets.question_items import question_reader
from mobilebert.datasets.rows import Row
from mobilebert.datasets.sources import RowSource
from mobilebert.datasets.tagged_items import tagged_reader
from mobilebert.datasets.text_items import plain_reader, text_reader
from mobilebert.errors import InputError

__all__ = ["read_items"]

_ROWS_LOOKED_AT = 2000

_Reader = Callable[[Row], Item]
_TEXTS = (FinetuneTask.TEXT_CLASSIFICATION, FinetuneTask.MULTI_LABEL, FinetuneTask.REGRESSION)


def read_items(
    task: FinetuneTask,
    source: RowSource,
    *,
    columns: Mapping[str, str] | None = None,
    on_error: OnError | str = OnError.REFUSE,
    group: str | None = None,
    first_choice: int | None = None,
    choice_texts: bool = False,
    separator: str | None = None,
    label_names: Mapping[str, str] | None = None,
    reason: str = "given",
    needs_group: bool = True,
) -> Items:
    """Read what a task needs.

    Args:
        task: The task.
        source: The rows.
        columns: Field -> column, for those that are not to be guessed; several columns are joined
            by ``+``: ``label`` of columns with 0 or 1, ``prompt`` and ``choices``.
        on_error: Whether bad rows are refused or left out.
        group: The column that says what belongs together; of questions that is the article.
        first_choice: What the first choice is numbered, 0 or 1; by default it is guessed.
        choice_texts: Whether labels that are numbers are the texts of choices; by default, unless
            there is `first_choice`, it is guessed.
        separator: What separates labels in a cell; by default it is guessed.
        label_names: Label as the file has it -> the name it is to have.
        reason: How it is known that the columns are these, as facts say it.
        needs_group: Whether a file without the column `group` is refused.

    Raises:
        InputError: Columns are missing or doubtful, the labels are texts, the task has none to
            name, a row is bad and bad rows are refused, or there is none.
    """
    wanted = on_error_of(on_error)
    names = label_names or {}
    reading = _Reading(
        task,
        source,
        columns,
        group,
        first_choice,
        choice_texts,
        separator,
        names,
        reason,
        needs_group,
    )
    return reading.items(wanted)


class _Reading:
    """One task reading one source."""

    def __init__(
        self,
        task: FinetuneTask,
        source: RowSource,
        columns: Mapping[str, str] | None,
        group: str | None,
        first_choice: int | None,
        choice_texts: bool,
        separator: str | None,
        label_names: Mapping[str, str],
        reason: str,
        needs_group: bool,
    ) -> None:
        sample = _sample(source)
        names = source.columns or tuple(dict.fromkeys(n for row in sample for n in row.cells))
        if not names:
            raise InputError(f"{source.path} has no columns.")
        has_group = group is None or group in names
        if not has_group and needs_group:
            raise InputError(
                f"{source.path}: there is no column {group!r}; there are "
                f"{', '.join(map(repr, names))}."
            )
        chosen = choose_columns(task, source.path, names, sample, columns, reason)
        chosen.first_choice, chosen.choice_texts = first_choice, choice_texts
        chosen.separator = separator
        full = [row for row in sample if not row.is_empty]
        self._read: _Reader
        if task in _TEXTS:
            self._read = text_reader(task, chosen, full)
        else:
            self._read = _READERS[task](chosen, full)
        self._task, self._source = task, source
        self._group = group if has_group else None
        self._rename = label_namer(task, label_names)
        facts = [*chosen.facts, *(f"{old!r} is {new!r}" for old, new in label_names.items())]
        if not has_group:
            facts.append(f"there is no column {group!r}, so nothing is known of groups")
        self._facts = tuple(facts)
        self._options = chosen.options()
        if label_names:
            self._options["label_names"] = label_names
        self._strange: dict[str, Problem] = {}

    def items(self, on_error: OnError) -> Items:
        """Read everything."""
        found = _Found(self._source)
        self._pass(found)
        if strange := found.tally.strange():
            self._strange = strange
            found = _Found(self._source)
            self._pass(found)
        if on_error is OnError.REFUSE:
            found.log.refuse(self._source.path, found.count + found.log.bad)
        if not found.count:
            raise InputError(f"{self._source.path} has no usable rows.")
        items: list[Item] | StreamedItems
        if found.items is None:
            items = StreamedItems(self._stream, found.count, self._source.size)
        else:
            items = found.items
        found.repetitions.log_into(found.log, items)
        return Items(
            items,
            self._said(found),
            found.log.kept,
            found.log.counts,
            found.groups if any(found.groups) else None,
            found.tally.counts,
            self._options,
        )

    def _said(self, found: "_Found") -> tuple[str, ...]:
        """Return the facts about the source and what was read."""
        facts = self._facts
        if self._task is FinetuneTask.QUESTION_ANSWERING:
            # Forgotten answers look the same.
            facts += (f"{found.unanswered:,} of {found.count:,} questions have no answer",)
        return (*self._source.facts, f"{self._source.path}: {'; '.join(facts)}")

    def _pass(self, found: "_Found") -> None:
        for row, item in self._good(found.log):
            cell = None if self._group is None else row.cells.get(self._group)
            found.add(item, "" if is_missing(cell) else str(cell))

    def _stream(self) -> Iterator[Item]:
        return (item for _, item in self._good(ProblemLog()))

    def _good(self, log: ProblemLog) -> Iterator[tuple[Row, Item]]:
        """Yield rows that are items, and log the others."""
        plain = self._task is FinetuneTask.MASKED_LM
        for row in self._source.read():
            if isinstance(row, Problem):
                log.add(row)
                continue
            if row.is_empty:
                # Between paragraphs they are meant.
                if not plain:
                    log.add(Problem(row.place, ProblemKind.EMPTY_ROW, "the row is empty."))
                continue
            try:
                item = self._rename(self._read(row))
            except RowError as error:
                log.add(Problem(row.place, error.kind, str(error)))
                continue
            if self._strange:
                problem = next(filter(None, map(self._strange.get, names_of(item))), None)
                if problem is not None:
                    log.add(problem)
                    continue
            yield row, item


class _Found:
    """What one reading finds."""

    def __init__(self, source: RowSource) -> None:
        self.log = ProblemLog()
        self.tally = LabelTally(source.path)
        self.repetitions = Repetitions()
        self.items: list[Item] | None = [] if source.size <= LARGEST_IN_MEMORY else None
        self.groups: list[str] = []
        self._group_names: dict[str, str] = {}
        self.count = 0
        self.unanswered = 0

    def add(self, item: Item, group: str) -> None:
        self.count += 1
        if self.items is not None:
            self.items.append(item)
        name = group
        if isinstance(item, QuestionItem):
            name = group or item.group
            self.unanswered += not item.answers
        # One text for all rows of a group.
        self.groups.append(self._group_names.setdefault(name, name))
        self.tally.add(item)
        self.repetitions.add(item)


def _sample(source: RowSource) -> list[Row]:
    """Read the first rows.

    Raises:
        InputError: There is none.
    """
    log = ProblemLog()
    sample: list[Row] = []
    for row in islice(source.read(), _ROWS_LOOKED_AT):
        if isinstance(row, Row):
            sample.append(row)
        else:
            log.add(row)
    if not sample:
        log.refuse(source.path, log.bad)
        raise InputError(f"{source.path} has no rows.")
    return sample


_READERS: dict[FinetuneTask, Callable[[Columns, Sequence[Row]], _Reader]] = {
    FinetuneTask.MULTIPLE_CHOICE: choice_reader,
    FinetuneTask.TOKEN_CLASSIFICATION: tagged_reader,
    FinetuneTask.QUESTION_ANSWERING: question_reader,
    FinetuneTask.MASKED_LM: plain_reader,
}
