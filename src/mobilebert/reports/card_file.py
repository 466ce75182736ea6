"""README.md on disk: ours is replaced, a person's never."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from mobilebert.errors import CheckpointError
from mobilebert.files import make_directory, read_text, write_atomic
from mobilebert.reports.card import model_card
from mobilebert.reports.report import Report

__all__ = ["CARD_NAME", "OTHER_CARD_NAME", "WrittenCard", "write_card", "write_card_text"]

CARD_NAME, OTHER_CARD_NAME = "README.md", "MODEL_CARD.md"

# The digest is of the rest of the file: a card that somebody has edited is theirs.
_MARKER = (
    "<!-- Made by mobilebert from report.json, and replaced when the model is tuned again; a file "
    "that was edited stays. sha256: {digest} -->"
)
_FOUND = re.compile(re.escape(_MARKER).replace(r"\{digest\}", "([0-9a-f]{64})"))


@dataclass(frozen=True)
class WrittenCard:
    """What became of a model card.

    Attributes:
        path: Where it is, or None where it could not be put.
        sentence: What to tell the person; empty where it is in README.md.
    """

    path: Path | None
    sentence: str = ""


def write_card(report: Report, directory: str | os.PathLike[str]) -> WrittenCard:
    """Write the model card to README.md, or to MODEL_CARD.md where that is somebody's.

    Args:
        report: What it is made of.
        directory: Of the model; it is made if it does not exist.

    Raises:
        CheckpointError: It cannot be written.
    """
    return write_card_text(*model_card(report), directory)


def write_card_text(metadata: str, body: str, directory: str | os.PathLike[str]) -> WrittenCard:
    """Write a model card, as `write_card` does.

    Args:
        metadata: The lines of its head, with ``---`` around them.
        body: What follows.
        directory: Of the model; it is made if it does not exist.

    Raises:
        CheckpointError: It cannot be written.
    """
    folder = make_directory(directory)
    digest = _digest(f"{metadata}\n\n{body}")
    content = f"{metadata}\n{_MARKER.format(digest=digest)}\n{body}"
    path, other = folder / CARD_NAME, folder / OTHER_CARD_NAME
    if _is_free(path):
        write_atomic(path, content)
        return WrittenCard(path)
    kept = f"{path} was written or edited by somebody and stays as it is"
    if not _is_free(other):
        return WrittenCard(
            None, f"{kept}, and so does {other}: no model card was written. Move one of them away."
        )
    write_atomic(other, content)
    return WrittenCard(other, f"{kept}; the new model card is {other}.")


def _is_free(path: Path) -> bool:
    """Tell whether there is no file, or one that only this module has written."""
    if not path.exists() and not path.is_symlink():
        return True
    try:
        text = read_text(path).replace("\r\n", "\n")  # git may have changed them
    except CheckpointError:
        return False
    marker = _FOUND.search(text)
    return marker is not None and marker[1] == _digest(text.replace(marker[0], "", 1))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
