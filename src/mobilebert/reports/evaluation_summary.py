"""What a report says about how good a model is."""

from dataclasses import dataclass, field

from mobilebert.errors import InputError

__all__ = ["CalibrationBin", "ClassRow", "Confusion", "EvaluationSummary", "WorstError"]


@dataclass(kw_only=True)
class ClassRow:
    """The scores of a class, label or entity type.

    Attributes:
        label: Its name.
        precision: Share of its predictions that are right.
        recall: Share of its members that are found.
        f1: Harmonic mean of the two.
        support: How often it is true.
        predicted: How often it is predicted.
        threshold: What a probability has to reach (several labels at once), or None.
    """

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    predicted: int
    threshold: float | None = None


@dataclass(kw_only=True)
class Confusion:
    """True against predicted classes.

    Attributes:
        labels: Names of the classes.
        counts: A row for each true class, a column for each predicted one.
        others: How many classes the last label stands for; 0 if it is one like the others.

    Raises:
        InputError: There is not one row and one column for each class.
    """

    labels: list[str]
    counts: list[list[int]]
    others: int = 0

    def __post_init__(self) -> None:
        size = len(self.labels)
        if [len(row) for row in self.counts] != [size] * size:
            raise InputError(
                f"A confusion matrix of {size} classes needs {size} rows of {size} counts, but has "
                f"{len(self.counts)} rows of {sorted({len(row) for row in self.counts})}."
            )


@dataclass(kw_only=True)
class CalibrationBin:
    """Answers of similar probability.

    Attributes:
        least: Smallest probability that counts here.
        most: Largest that does.
        count: Answers.
        confidence: Their mean probability; NaN where there are none.
        accuracy: The share that is right; NaN where there are none.
    """

    least: float
    most: float
    count: int
    confidence: float
    accuracy: float


@dataclass(kw_only=True)
class WorstError:
    """A wrong answer that the model was sure of.

    Attributes:
        place: File and line.
        text: What was asked.
        wanted: The right answer.
        told: What the model said.
        loss: How wrong that is; what the errors are sorted by.
    """

    place: str
    text: str
    wanted: str
    told: str
    loss: float


@dataclass(kw_only=True)
class EvaluationSummary:
    """How good the model is.

    Attributes:
        items: How many it was judged by.
        source: What they are: a file, or the part of one that was set apart.
        digest: Of the texts of these, whatever their order; empty where it is not known.
        metrics: By name.
        headline: The name of the metric to look at first.
        baseline: The same metrics of always answering with the most frequent class (the mean, or
            nothing where there is none).
        baseline_name: What the baseline does.
        per_class: Scores of each class.
        confusion: True against predicted classes, or None.
        calibration: Answers by their probability; empty where there are no probabilities.
        calibration_error: Mean distance of probability and share of right answers, or None.
        worst: The worst errors, worst first.
        only_class: The one class that is ever predicted, or None where there are several.
        warnings: What else must be said, in sentences.
    """

    items: int = 0
    source: str = ""
    digest: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    headline: str = ""
    baseline: dict[str, float] = field(default_factory=dict)
    baseline_name: str = "majority class"
    per_class: list[ClassRow] = field(default_factory=list)
    confusion: Confusion | None = None
    calibration: list[CalibrationBin] = field(default_factory=list)
    calibration_error: float | None = None
    worst: list[WorstError] = field(default_factory=list)
    only_class: str | None = None
    warnings: list[str] = field(default_factory=list)
