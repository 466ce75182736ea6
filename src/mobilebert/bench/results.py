"""Results as a JSON file: whole at every moment, and continued where a run was interrupted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mobilebert.errors import InputError
from mobilebert.files import read_json, write_atomic

__all__ = ["SCHEMA", "Results", "read_results"]

SCHEMA = 1

# What must be the same for rows to stand in one file.
_IDENTITY = ("machine", "versions", "commit", "model", "threads")

_FIELDS: dict[str, Any] = {
    **{"schema": int, "machine": dict, "versions": dict, "model": dict, "threads": int},
    **{"peaks": dict, "rows": list},
}

# State of a record, and what it then must have.
_RECORD: dict[str, Any] = {"runner": str, "dtype": str, "ours": bool, "state": str}
_MEASURED: dict[str, Any] = {
    "median": (int, float),
    "least": (int, float),
    "calls": int,
    "error": (int, float),
}


@dataclass
class Results:
    """What a run has found out so far.

    Attributes:
        facts: Machine, versions, commit, settings and peaks.
        rows: One for each work that is done.
        path: Where they are written after each work; None: nowhere.
    """

    facts: dict[str, Any]
    rows: list[dict[str, Any]]
    path: Path | None = None

    @classmethod
    def begin(
        cls, path: Path | None, facts: Mapping[str, Any], overwrite: bool, resume: bool
    ) -> "Results":
        """Start a file, or continue one.

        Args:
            path: The file.
            facts: What this run is.
            overwrite: Whether to replace a file that is there.
            resume: Whether to continue it.

        Raises:
            InputError: It is there and neither was asked for, both were, or it is of another
                machine, commit or model.
        """
        if overwrite and resume:
            raise InputError("--overwrite and --resume exclude each other; give one.")
        begun = cls(dict(facts), [], path)
        if path is None:
            return begun
        if not path.parent.is_dir():
            raise InputError(f"{path.parent} is no directory to write {path.name} in.")
        if path.exists() and not overwrite:
            if not resume:
                raise InputError(f"{path} exists; --resume continues it, --overwrite replaces it.")
            content = read_results(path)
            for name in _IDENTITY:
                if content.get(name) != begun.facts.get(name):
                    raise InputError(
                        f"{path} is of another {name} ({content.get(name)}, now "
                        f"{begun.facts.get(name)}), and only results of one run compare; "
                        "--overwrite starts again."
                    )
            begun.rows = content["rows"]
            begun.facts["peaks"] = content["peaks"]
        return begun

    def done(self, name: str) -> bool:
        """Tell whether a work is done."""
        return any(row["work"] == name for row in self.rows)

    def add(self, row: dict[str, Any]) -> None:
        """Add a work, and write the file."""
        self.rows.append(row)
        self.write()

    def write(self) -> None:
        """Write the file, whole."""
        if self.path is not None:
            write_atomic(self.path, json.dumps(self.as_json(), indent=1, ensure_ascii=False) + "\n")

    def as_json(self) -> dict[str, Any]:
        """Return all of it."""
        return {"schema": SCHEMA, **self.facts, "rows": self.rows}


def read_results(path: Path) -> dict[str, Any]:
    """Read a file of results.

    Raises:
        CheckpointError: It cannot be read.
        InputError: It is no such file.
    """
    content = read_json(path)
    if (problem := _problem(content)) is not None:
        raise InputError(f"{path} holds no results of `mobilebert bench`: {problem}.")
    return content


def _problem(content: dict[str, Any]) -> str | None:
    """Say what keeps an object from being results; None if nothing does."""
    if (lacking := _lacking(content, _FIELDS)) is not None:
        return lacking
    if content["schema"] != SCHEMA:
        return f"schema is {content['schema']}, not {SCHEMA}"
    for row in content["rows"]:
        if not isinstance(row, dict) or not isinstance(row.get("work"), str):
            return "a row has no work"
        if not isinstance(row.get("runners"), list):
            return f"{row['work']} has no runners"
        for record in row["runners"]:
            if not isinstance(record, dict):
                return f"{row['work']}: a runner is {record!r:.40}"
            measured = record.get("state") == "measured"
            if (lacking := _lacking(record, _RECORD | (_MEASURED if measured else {}))) is not None:
                return f"{row['work']}: {lacking}"
    return None


def _lacking(content: dict[str, Any], fields: dict[str, Any]) -> str | None:
    for name, kinds in fields.items():
        if not isinstance(content.get(name), kinds):
            return f"{name} is {content.get(name)!r:.40}"
    return None
