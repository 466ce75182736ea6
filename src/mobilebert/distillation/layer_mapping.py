"""Which of the teacher's layers each of the student's is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from mobilebert.errors import InputError

__all__ = ["LayerMapping", "MappingRule"]


class MappingRule(StrEnum):
    """How layers are found where counts differ.

    The teacher's layers are cut into groups of equal size, of which the last counts; or the
    student's are spread evenly, lowest on lowest and highest on highest.
    """

    LAST_OF_GROUP = "last-of-group"
    UNIFORM = "uniform"


@dataclass(frozen=True)
class LayerMapping:
    """For each of the student's layers one of the teacher's.

    Attributes:
        layers: The teacher's layers, counted from 0, each at or above the one before.
        of: How many the teacher has.

    Raises:
        InputError: No layers, one the teacher does not have, or one below the one before.
    """

    layers: tuple[int, ...]
    of: int

    def __post_init__(self) -> None:
        """Check the layers."""
        named = ", ".join(map(str, self.layers))
        if not self.layers or any(not 0 <= layer < self.of for layer in self.layers):
            raise InputError(
                f"The teacher's layers are given as {named or 'none'}; it has {self.of}, so that "
                f"allowed are 0 to {self.of - 1}, one for each layer of the student."
            )
        if list(self.layers) != sorted(self.layers):
            raise InputError(
                f"The teacher's layers are given as {named}; each has to be at or above the one "
                "before."
            )

    @classmethod
    def between(
        cls,
        student: int,
        teacher: int,
        rule: MappingRule | str | Sequence[int] = MappingRule.LAST_OF_GROUP,
    ) -> Self:
        """Map the layers of two models.

        Args:
            student: How many the student has.
            teacher: How many the teacher has.
            rule: A rule, or the teacher's layers themselves.

        Raises:
            InputError: There is no such rule, or the counts do not map under it.
        """
        if not isinstance(rule, str):
            if len(rule) != student:
                raise InputError(
                    f"{len(rule)} of the teacher's layers are given, and the student has "
                    f"{student}; needed is one for each."
                )
            return cls(tuple(rule), teacher)
        if rule not in set(MappingRule):
            raise InputError(
                f"There is no rule {rule!r} to map layers; choose one of "
                f"{', '.join(MappingRule)}, or name the teacher's layers."
            )
        if student > teacher:
            raise InputError(
                f"The student's {student} layers are more than the teacher's {teacher}; name the "
                "teacher's layers, of which one may stand twice."
            )
        if rule == MappingRule.UNIFORM:
            return cls(_spread(student, teacher), teacher)
        if teacher % student:
            raise InputError(
                f"The teacher's {teacher} layers cannot be cut into {student} groups of equal "
                f"size, one for each of the student's; take the rule "
                f"{MappingRule.UNIFORM.value!r}, or name the teacher's layers."
            )
        size = teacher // student
        return cls(tuple(range(size - 1, teacher, size)), teacher)


def _spread(student: int, teacher: int) -> tuple[int, ...]:
    """Return whole numbers from 0 to the last, as evenly as can be; the last alone for one."""
    gaps = student - 1
    if not gaps:
        return (teacher - 1,)
    return tuple((2 * number * (teacher - 1) + gaps) // (2 * gaps) for number in range(student))
