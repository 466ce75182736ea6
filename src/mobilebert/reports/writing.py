"""A report to files: report.html, report.json, and the model card."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from mobilebert.files import make_directory, read_json, write_atomic
from mobilebert.reports.html import report_page
from mobilebert.reports.report import Report

__all__ = ["JSON_NAME", "PAGE_NAME", "WrittenReport", "read_report", "write_report"]

JSON_NAME, PAGE_NAME = "report.json", "report.html"


@dataclass(frozen=True)
class WrittenReport:
    """Where a report is.

    Attributes:
        page: report.html.
        numbers: report.json.
    """

    page: Path
    numbers: Path


def write_report(report: Report, directory: str | os.PathLike[str]) -> WrittenReport:
    """Write report.html and report.json.

    Args:
        report: What they say.
        directory: Where to; it is made if it does not exist.

    Raises:
        CheckpointError: A file cannot be written.
    """
    folder = make_directory(directory)
    numbers, page = folder / JSON_NAME, folder / PAGE_NAME
    text = json.dumps(report.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    # Lone surrogates cannot be UTF-8: they become what JSON writes for them.
    write_atomic(numbers, (text + "\n").encode("utf-8", "backslashreplace"))
    write_atomic(page, report_page(report))
    return WrittenReport(page, numbers)


def read_report(directory: str | os.PathLike[str]) -> Report:
    """Read the report of a model.

    Args:
        directory: Of the model, or report.json itself.

    Raises:
        CheckpointError: There is none, or it cannot be read.
        InputError: It is no report, or one of another version of this library.
    """
    path = Path(directory)
    path = path / JSON_NAME if path.is_dir() else path
    return Report.from_json(read_json(path), str(path))
