"""What `finetune` returns."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilebert.reports.card import run_arguments
from mobilebert.reports.findings import findings
from mobilebert.reports.plotting import plot_report
from mobilebert.reports.report import Report
from mobilebert.reports.wording import over_seeds
from mobilebert.torch.task_model import TaskModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FinetuneResult"]


@dataclass(frozen=True)
class FinetuneResult:
    """A tuned model, and how good it is.

    Attributes:
        output_dir: Where it is, with its tokenizer and report.
        metrics: On the rows it was judged by, by name.
        history: Losses, evaluations and events, in order.
        model: The model, of PyTorch, in evaluation mode.
        tokenizer: Its tokenizer.
        report_path: The page for people, report.html.
        report: What the page is made of.
    """

    output_dir: Path
    metrics: dict[str, float]
    history: list[dict[str, Any]]
    model: TaskModel[Any]
    tokenizer: Any
    report_path: Path
    report: Report

    def summary(self) -> str:
        """Say in a few lines how good it is, and how to use it."""
        evaluation = self.report.evaluation
        lines = []
        if evaluation is not None:
            name = evaluation.headline
            base = evaluation.baseline.get(name)
            beside = "" if base is None else f" ({evaluation.baseline_name}: {base:.4f})"
            lines.append(f"{name} {self.metrics[name]:.4f}{beside} on {evaluation.items:,} rows")
            if self.report.seeds is not None:
                spread = over_seeds(self.report.seeds, name, self.report.task)
                lines.append(f"{name} {spread}; the model is that of the best one")
        lines += [finding.sentence for finding in findings(self.report)]
        lines.append(f"Report: {self.report_path}")
        model = shlex.quote(str(self.output_dir))
        lines.append(f"Use it: mobilebert run --model {model} {run_arguments(self.report)}")
        return "\n".join(lines)

    def plot(self) -> "Figure":
        """Draw its curves with matplotlib.

        Returns:
            A figure: show it in a notebook, or ``figure.savefig("curves.pdf")``.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        return plot_report(self.report)
