"""Sources: which files count as one, and what they are called."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mobilebert.corpora.scanning import ScannedFile
from mobilebert.errors import InputError

__all__ = ["MOST_SOURCES", "TextSource", "group_files"]

MOST_SOURCES = 2**16
"""Sequences name their source in 16 bits."""


@dataclass(frozen=True)
class TextSource:
    """Files that count as one.

    Attributes:
        name: What it is called.
        files: Its files.
    """

    name: str
    files: tuple[ScannedFile, ...]

    @property
    def documents(self) -> int:
        """How many documents it has."""
        return sum(len(file.sizes) for file in self.files)

    @property
    def characters(self) -> int:
        """How many characters they have."""
        return sum(file.characters for file in self.files)


def group_files(files: Sequence[ScannedFile]) -> list[TextSource]:
    """Make a source of each file, and one of all files of a directory that are a document each.

    So a directory of books is held out in proportion as a file of books would be, rather than a
    hundredth of every book.

    Raises:
        InputError: There are more sources than sequences can name.
    """
    groups: dict[Path, list[ScannedFile]] = defaultdict(list)
    for file in files:
        path = file.text.path.absolute()
        groups[path.parent if len(file.sizes) == 1 else path].append(file)
    keys = [
        members[0].text.path.absolute() if len(members) == 1 else key
        for key, members in groups.items()
    ]
    if len(keys) > MOST_SOURCES:
        raise InputError(
            f"There are {len(keys):,} sources of text, and at most {MOST_SOURCES:,} can be told "
            "apart; put the text into fewer files."
        )
    return [
        TextSource(name, tuple(members))
        for name, members in zip(_names(keys), groups.values(), strict=True)
    ]


def _names(paths: Sequence[Path]) -> list[str]:
    """Return as much of each path as tells it from the others; names of directories end with /."""
    names = [path.name for path in paths]
    for depth in range(2, max((len(path.parts) for path in paths), default=0) + 1):
        counts = Counter(names)
        if max(counts.values(), default=1) == 1:
            break
        names = [
            "/".join(path.parts[-depth:]).lstrip("/") if counts[name] > 1 else name
            for name, path in zip(names, paths, strict=True)
        ]
    return [f"{name}/" if path.is_dir() else name for name, path in zip(names, paths, strict=True)]
