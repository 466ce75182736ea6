"""What came of training, for people: a page, a file of numbers, a model card, a comparison."""

from mobilebert.reports.card_file import WrittenCard, write_card
from mobilebert.reports.comparison import ComparedModel, comparison_table, write_comparison
from mobilebert.reports.report import Report
from mobilebert.reports.writing import WrittenReport, read_report, write_report

__all__ = [
    "ComparedModel",
    "Report",
    "WrittenCard",
    "WrittenReport",
    "comparison_table",
    "read_report",
    "write_card",
    "write_comparison",
    "write_report",
]
