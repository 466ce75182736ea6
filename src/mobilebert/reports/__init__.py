"""What came of training, for people: a page, a file of numbers, a model card."""

from mobilebert.reports.report import Report
from mobilebert.reports.writing import WrittenReport, read_report, write_report

__all__ = ["Report", "WrittenReport", "read_report", "write_report"]
