"""Which columns of a file a task reads: given, or guessed by their names, or by what is in them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mobilebert.datasets.column_names import (
    CHOICE_COLUMN,
    FIELDS,
    PAIRS,
    PROMPTS,
    TARGETS,
    plain_name,
)
from mobilebert.datasets.column_profiles import Profile
from mobilebert.datasets.items import FinetuneTask
from mobilebert.datasets.rows import Row
from mobilebert.errors import InputError

__all__ = ["JOINT", "Columns", "choose_columns"]

_TEXT_FIELDS = ("text", "text_pair", "label")
_FIELDS_OF_TASK: dict[FinetuneTask, tuple[str, ...]] = {
    FinetuneTask.TEXT_CLASSIFICATION: _TEXT_FIELDS,
    FinetuneTask.MULTI_LABEL: _TEXT_FIELDS,
    FinetuneTask.REGRESSION: _TEXT_FIELDS,
    FinetuneTask.TOKEN_CLASSIFICATION: ("words", "tags", "text", "spans"),
    FinetuneTask.QUESTION_ANSWERING: ("question", "context", "answers", "answer_start"),
    FinetuneTask.MULTIPLE_CHOICE: ("prompt", "choices", "label"),
    FinetuneTask.MASKED_LM: ("text",),
}
JOINT = "+"
"""What stands between several columns of one field."""
_JOINED = ("label", "prompt", "choices")


@dataclass
class Columns:
    """The columns a task reads.

    Attributes:
        fields: What is read -> columns; several are joined, or are the choices or labels.
        facts: How they were found.
        first_choice: What the first choice is numbered.
        choice_texts: Whether labels that are numbers are the texts of choices.
        separator: What separates labels in a cell.
    """

    fields: dict[str, tuple[str, ...]] = field(default_factory=dict)
    facts: list[str] = field(default_factory=list)
    first_choice: int | None = None
    choice_texts: bool = False
    separator: str | None = None

    def one(self, name: str) -> str:
        """Return the column of a field that has one."""
        return self.fields[name][0]

    def options(self) -> dict[str, Any]:
        """Return the keywords of `read_items` by which another file is read in the same way."""
        columns = {name: JOINT.join(columns) for name, columns in self.fields.items()}
        others = {
            "first_choice": self.first_choice,
            "choice_texts": self.choice_texts or None,
            "separator": self.separator,
        }
        return {"columns": columns} | {n: value for n, value in others.items() if value is not None}

    def put(self, name: str, columns: Iterable[str], reason: str) -> None:
        """Take columns for a field."""
        self.fields[name] = tuple(columns)
        self.facts.append(f"{name} is {' + '.join(map(repr, self.fields[name]))} ({reason})")


def choose_columns(
    task: FinetuneTask,
    path: str,
    names: Sequence[str],
    sample: Sequence[Row],
    given: Mapping[str, str] | None,
    reason: str = "given",
) -> Columns:
    """Find the columns that a task reads.

    Args:
        task: The task.
        path: What is read, for errors.
        names: All columns.
        sample: The first rows.
        given: Field -> column, or columns joined by ``+``.
        reason: How it is known that the given ones are these.

    Raises:
        InputError: A given column or field does not exist, or a guess would be doubtful.
    """
    chosen = Columns()
    for name, value in (given or {}).items():
        if name not in _FIELDS_OF_TASK[task]:
            raise InputError(
                f"{task} has the fields {', '.join(_FIELDS_OF_TASK[task])}, not {name!r}."
            )
        parts = [value] if value in names or name not in _JOINED else value.split(JOINT)
        for part in parts:
            if part not in names:
                raise InputError(
                    f"{path}: there is no column {part!r}; there are {_listed(names)}."
                )
        chosen.put(name, parts, reason)
    guess = _Guess(task, path, names, sample, chosen)
    _GUESSES[task](guess)
    return chosen


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)


class _Guess:
    """Finds the columns that were not given."""

    def __init__(
        self,
        task: FinetuneTask,
        path: str,
        names: Sequence[str],
        sample: Sequence[Row],
        chosen: Columns,
    ) -> None:
        self._task, self._path, self._names, self._chosen = task, path, names, chosen
        self._sample = sample
        self._by_plain: dict[str, str] = {}
        for name in names:
            self._by_plain.setdefault(plain_name(name), name)

    def _has(self, name: str) -> bool:
        return name in self._chosen.fields

    def _values(self, name: str) -> list[Any]:
        return [row.cells.get(name) for row in self._sample]

    def _taken(self) -> set[str]:
        return {name for names in self._chosen.fields.values() for name in names}

    def _by_name(self, field: str, known: Iterable[str], fits: Callable[[Any], bool]) -> bool:
        """Take the first column with one of the names most of whose values may be such."""
        for plain in known:
            name = self._by_plain.get(plain)
            if name is None or name in self._taken():
                continue
            values = [value for value in self._values(name) if value is not None]
            if 2 * sum(map(fits, values)) >= len(values):
                self._chosen.put(field, [name], "by its name")
                return True
        return False

    def _by_names(self, field: str, several: Iterable[tuple[str, ...]]) -> bool:
        """Take the first columns whose names are all there."""
        for plains in several:
            found = [self._by_plain.get(plain) for plain in plains]
            names = [name for name in found if name is not None and name not in self._taken()]
            if len(names) == len(plains):
                self._chosen.put(field, names, "by name")
                return True
        return False

    def _refuse(self, wanted: str) -> InputError:
        fields = [name for name in _FIELDS_OF_TASK[self._task] if name != "text_pair"]
        example = ",".join(f"{name}=..." for name in fields)
        return InputError(
            f"{self._path}: which column is {wanted} is not clear; there are "
            f"{_listed(self._names)}. Say it with --column {example}."
        )

    def texts(self) -> None:
        """Find one text, or two, and what they are labelled with."""
        if self._task is not FinetuneTask.MASKED_LM and not self._has("label"):
            # By its name before texts are taken by their content.
            self._label_by_name()
        if not self._has("text"):
            self._find_texts()
        if self._task is not FinetuneTask.MASKED_LM and not self._has("label"):
            self._find_label()

    def _label_by_name(self) -> None:
        known = TARGETS if self._task is FinetuneTask.REGRESSION else FIELDS["label"]
        if self._task is FinetuneTask.MULTI_LABEL and not {"label", "labels"} & set(self._by_plain):
            # Columns of their own may be called "toxic" and "spam".
            flags = [profile.name for profile in self._profiles() if profile.is_flag]
            if len(flags) > 1:
                self._chosen.put("label", flags, "each 0 or 1")
                return
        self._by_name("label", known, _is_label)

    def _find_texts(self) -> None:
        if self._task is not FinetuneTask.MASKED_LM and not self._has("text_pair"):
            for first, second in PAIRS:
                names = [self._by_plain.get(plain) for plain in (first, second)]
                if names[0] is not None and names[1] is not None:
                    self._chosen.put("text", [names[0]], "by name")
                    self._chosen.put("text_pair", [names[1]], "by name")
                    return
        if self._by_name("text", FIELDS["text"], _is_text):
            return
        free = self._profiles()
        texts = sorted((profile for profile in free if profile.is_text), key=lambda p: -p.length)
        if not texts or (len(texts) > 1 and texts[1].length * 2 > texts[0].length):
            raise self._refuse("the text")
        reason = "the only texts" if len(texts) == 1 else "the longest texts"
        self._chosen.put("text", [texts[0].name], reason)

    def _profiles(self) -> list[Profile]:
        taken = self._taken()
        return [Profile(name, self._values(name)) for name in self._names if name not in taken]

    def _find_label(self) -> None:
        profiles = self._profiles()
        if self._task is FinetuneTask.REGRESSION:
            found = [profile for profile in profiles if profile.is_measure]
            reason = "the only numbers"
        else:
            found, reason = [profile for profile in profiles if profile.is_class], "few values"
            found = [profile for profile in found if profile.varies] or found
            numbers = [profile for profile in found if profile.counts_classes]
            if len(found) > 1 and len(numbers) == 1:
                found, reason = numbers, "numbers of classes"
        if len(found) != 1:
            hint = " Or give a file for each label: FILE=LABEL." if not profiles else ""
            raise InputError(f"{self._refuse('the label')}{hint}")
        self._chosen.put("label", [found[0].name], reason)

    def tagged(self) -> None:
        """Find words and their tags, or a text and its spans."""
        if not self._has("text") and not self._has("spans"):
            if not self._has("words"):
                self._by_name("words", FIELDS["words"], _is_list_or_text)
            if self._has("words"):
                if not self._has("tags") and not self._by_name(
                    "tags", FIELDS["tags"], _is_list_or_text
                ):
                    raise self._refuse("the tags")
                return
        if not self._has("text") and not self._by_name("text", FIELDS["text"], _is_text):
            raise self._refuse("the words or the text")
        if not self._has("spans") and not self._by_name("spans", FIELDS["spans"], _is_list):
            raise self._refuse("the spans")

    def questions(self) -> None:
        """Find questions, contexts and answers."""
        for name, fits in (("question", _is_text), ("context", _is_text), ("answers", _is_any)):
            if not self._has(name) and not self._by_name(name, FIELDS[name], fits):
                raise self._refuse(f"the {name}")
        if not self._has("answer_start"):
            self._by_name("answer_start", FIELDS["answer_start"], _is_label)

    def choices(self) -> None:
        """Find what is asked, the choices, and which is right."""
        if not self._has("choices") and not self._by_name(
            "choices", FIELDS["choices"], _is_choices
        ):
            self._find_choices()
        if not self._has("label") and not self._by_name("label", FIELDS["answer"], _is_label):
            named = [
                name
                for name in self._names
                if name not in self._taken() and {"label", "correct"} & _parts_of(name)
            ]
            if len(named) != 1:
                raise self._refuse("the right choice")
            self._chosen.put("label", named, "by its name")
        if not self._has("prompt") and not self._by_names("prompt", PROMPTS):
            raise self._refuse("the text before the choices")

    def _find_choices(self) -> None:
        series: dict[str, list[str]] = {}
        taken = self._taken()
        for name in self._names:
            if name not in taken and (match := CHOICE_COLUMN.fullmatch(plain_name(name))):
                series.setdefault(match[1], []).append(name)
        series = {stem: names for stem, names in series.items() if len(names) > 1}
        if len(series) != 1:
            raise self._refuse("each choice")
        (names,) = series.values()
        self._chosen.put("choices", sorted(names, key=plain_name), "by name")


def _parts_of(name: str) -> set[str]:
    plain = plain_name(name)
    return {word for word in ("label", "correct") if word in plain}


def _is_any(value: Any) -> bool:
    return True


def _is_text(value: Any) -> bool:
    return not isinstance(value, list | dict)


def _is_label(value: Any) -> bool:
    return not isinstance(value, dict)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_choices(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, dict) and "text" in value)


def _is_list_or_text(value: Any) -> bool:
    return isinstance(value, list | str)


_GUESSES: dict[FinetuneTask, Callable[[_Guess], None]] = {
    FinetuneTask.TEXT_CLASSIFICATION: _Guess.texts,
    FinetuneTask.MULTI_LABEL: _Guess.texts,
    FinetuneTask.REGRESSION: _Guess.texts,
    FinetuneTask.MASKED_LM: _Guess.texts,
    FinetuneTask.TOKEN_CLASSIFICATION: _Guess.tagged,
    FinetuneTask.QUESTION_ANSWERING: _Guess.questions,
    FinetuneTask.MULTIPLE_CHOICE: _Guess.choices,
}
