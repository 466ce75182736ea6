"""What pre-training and distillation return."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilebert.reports.plotting import plot_pretraining
from mobilebert.reports.pretraining import PretrainingReport
from mobilebert.torch.models import MobileBertForPreTraining

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PretrainResult"]


@dataclass(frozen=True)
class PretrainResult:
    """A pre-trained model, and how good it is.

    Attributes:
        output_dir: Where it is, with its tokenizer, curves and report.
        metrics: On held-out text, by name; empty if none was held out.
        history: Losses, evaluations and events of all stages, in order.
        model: The model, of PyTorch, in evaluation mode.
        tokenizer: Its tokenizer.
        report_path: The page for people, report.html.
        report: What the page is made of.
    """

    output_dir: Path
    metrics: dict[str, float]
    history: list[dict[str, Any]]
    model: MobileBertForPreTraining
    tokenizer: Any
    report_path: Path
    report: PretrainingReport

    def summary(self) -> str:
        """Say in a few lines how good it is, and how to use it."""
        lines = [", ".join(f"{name} {value:.4f}" for name, value in self.metrics.items())]
        if not self.metrics:
            lines = ["Nothing was held out to judge the model by (prepare-pretraining --held-out)."]
        went_back = sum(entry.get("event") == "went back" for entry in self.history)
        if went_back:
            times = "once" if went_back == 1 else f"{went_back} times"
            lines.append(f"The run went back {times}, and on with a smaller rate (report.html).")
        lines.append(f"Report: {self.report_path}")
        lines.append(f'Use it: mobilebert run --model {self.output_dir} "A [MASK] text."')
        return "\n".join(lines)

    def plot(self) -> "Figure":
        """Draw the curves of all stages with matplotlib.

        Returns:
            A figure: show it in a notebook, or ``figure.savefig("curves.pdf")``.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        return plot_pretraining(self.report)
