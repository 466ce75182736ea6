"""What a student takes over from its teacher before anything is learned.

Section 3.3 of the paper: the embeddings and the final classifier. The code takes every variable
outside the encoder whose name both have, so not the norm of the embeddings, which is called
otherwise where a LayerNorm teacher has a NoNorm student; the trainer of TensorFlow Model Garden
copies the embeddings as a whole.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import nn

from mobilebert.distillation.choices import EmbeddingNorm
from mobilebert.errors import InputError

__all__ = ["Copies", "copy_from_teacher"]


class _Part(StrEnum):
    TAKEN = "copied"
    NORM = "the norm of the embeddings is of another kind"
    OWN = "the layers are learned"


# By canonical name; the first pattern that fits counts.
_PARTS = (
    (re.compile(r"(^|\.)encoder\."), _Part.OWN),
    (re.compile(r"(^|\.)embeddings\.LayerNorm\."), _Part.NORM),
    (re.compile(r"(^|\.)embeddings\."), _Part.TAKEN),
    (re.compile(r"(^|\.)pooler\."), _Part.TAKEN),
    (re.compile(r"^cls\.predictions\."), _Part.TAKEN),
    (re.compile(r"^cls\.seq_relationship\."), _Part.TAKEN),
)


@dataclass(frozen=True)
class Copies:
    """What was copied.

    Attributes:
        copied: Names of the student's parameters.
        left: Name and reason of those that keep their values.
    """

    copied: tuple[str, ...]
    left: tuple[tuple[str, str], ...]


@torch.no_grad()
def copy_from_teacher(
    student: nn.Module,
    teacher: nn.Module,
    embedding_norm: EmbeddingNorm | str = EmbeddingNorm.SAME_KIND,
) -> Copies:
    """Copy embeddings and heads.

    Args:
        student: A model for a task; changed.
        teacher: A model with the same names, as both have for the same task.
        embedding_norm: What becomes of the norm behind the embeddings.

    Returns:
        What was copied and what not.

    Raises:
        InputError: There is no such choice, or the shapes of something that both have differ;
            then nothing is copied.
    """
    if embedding_norm not in set(EmbeddingNorm):
        raise InputError(
            f"There is no choice {embedding_norm!r} for the norm of the embeddings; choose one of "
            f"{', '.join(EmbeddingNorm)}."
        )
    # A table that the teacher has in two places stands under both names.
    theirs = dict(teacher.named_parameters(remove_duplicate=False))
    pairs, left = [], []
    for name, parameter in student.named_parameters():
        part = _part(name, student, teacher, embedding_norm)
        if part is not _Part.TAKEN:
            left.append((name, part.value))
        elif name not in theirs:
            left.append((name, "the teacher has none"))
        else:
            pairs.append((name, parameter, theirs[name]))
    for name, parameter, wanted in pairs:
        if parameter.shape != wanted.shape:
            raise InputError(
                f"{name} cannot be copied: the student's has shape {tuple(parameter.shape)}, the "
                f"teacher's {tuple(wanted.shape)}."
            )
    for _, parameter, wanted in pairs:
        parameter.copy_(wanted)
    return Copies(tuple(name for name, _, _ in pairs), tuple(left))


def _part(name: str, student: nn.Module, teacher: nn.Module, norm: str) -> _Part:
    part = next((part for pattern, part in _PARTS if pattern.search(name)), _Part.OWN)
    if part is not _Part.NORM:
        return part
    module = name.rpartition(".")[0]
    kinds = [
        type(found)
        for model in (student, teacher)
        for path, found in model.named_modules()
        if path == module
    ]
    is_taken = norm == EmbeddingNorm.COPIED or len(set(kinds)) == 1
    return _Part.TAKEN if is_taken else part
