"""Numbers and names of metrics as people read them."""

import math
from dataclasses import dataclass
from enum import Enum

from mobilebert.datasets.items import FinetuneTask
from mobilebert.reports.report import Seeds

__all__ = [
    "MetricWords",
    "Scale",
    "counted",
    "duration",
    "metric_value",
    "metric_words",
    "number",
    "over_seeds",
    "percent",
    "setting_text",
    "tick",
]

MISSING = "–"


class Scale(Enum):
    """What a metric counts in."""

    FRACTION = "0 to 1, shown in percent"
    PERCENT = "0 to 100"
    PLAIN = "shown as it is"


@dataclass(frozen=True)
class MetricWords:
    """How a metric is named and shown.

    Attributes:
        title: For people.
        scale: What it counts in.
        higher_is_better: Whether more is better.
        hub_type: The metric's identifier on the Hub (https://huggingface.co/metrics), or None.
    """

    title: str
    scale: Scale = Scale.FRACTION
    higher_is_better: bool = True
    hub_type: str | None = None


_WORDS = {
    "accuracy": MetricWords("accuracy", hub_type="accuracy"),
    "subset_accuracy": MetricWords("all labels right", hub_type="accuracy"),
    "precision": MetricWords("precision", hub_type="precision"),
    "recall": MetricWords("recall", hub_type="recall"),
    "f1": MetricWords("F1", hub_type="f1"),
    "matthews": MetricWords("Matthews correlation", Scale.PLAIN, hub_type="matthews_correlation"),
    "auc": MetricWords("ROC AUC", hub_type="roc_auc"),
    "mean_average_precision": MetricWords("mean average precision"),
    "average_precision": MetricWords("average precision"),
    "pearson": MetricWords("Pearson correlation", Scale.PLAIN, hub_type="pearsonr"),
    "spearman": MetricWords("Spearman correlation", Scale.PLAIN, hub_type="spearmanr"),
    "mean_squared_error": MetricWords("mean squared error", Scale.PLAIN, False, "mse"),
    "mean_absolute_error": MetricWords("mean absolute error", Scale.PLAIN, False, "mae"),
    "exact_match": MetricWords("exact match", Scale.PERCENT, hub_type="exact_match"),
    "loss": MetricWords("loss", Scale.PLAIN, False),
    "perplexity": MetricWords("perplexity", Scale.PLAIN, False, "perplexity"),
}

# Other spellings of the same.
_SAME = {
    "roc_auc": "auc",
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "em": "exact_match",
    "mcc": "matthews",
    "matthews_correlation": "matthews",
    "map": "mean_average_precision",
}

# The official metric of SQuAD counts in percent.
_OF_ANSWERS = {"f1": MetricWords("F1", Scale.PERCENT, hub_type="f1")}

_PARTS = {
    "macro_": "macro ",
    "micro_": "micro ",
    "weighted_": "weighted ",
    "entity_": "entity ",
    "has_answer_": "answerable: ",
    "no_answer_": "unanswerable: ",
    "majority_": "majority ",
}


def metric_words(name: str, task: str = "") -> MetricWords:
    """Say how to name and show a metric.

    Args:
        name: Of the metric, such as ``macro_f1``; one that is not known is shown as it is.
        task: Of the model: answers to questions are scored in percent.
    """
    prefix, rest = "", name
    while part := next((part for part in _PARTS if rest.startswith(part)), None):
        prefix, rest = prefix + _PARTS[part], rest.removeprefix(part)
    rest = _SAME.get(rest, rest)
    words = _WORDS.get(rest, MetricWords(rest.replace("_", " "), Scale.PLAIN))
    if task == FinetuneTask.QUESTION_ANSWERING:
        words = _OF_ANSWERS.get(rest, words)
    return MetricWords(prefix + words.title, words.scale, words.higher_is_better, words.hub_type)


def metric_value(name: str, value: float | None, task: str = "", deviation: bool = False) -> str:
    """Return the value of a metric for people: ``92.3 %``, ``0.512``, or a dash for none.

    Args:
        name: Of the metric.
        value: The value.
        task: As in `metric_words`.
        deviation: Whether the value is a deviation, which has no unit of its own.
    """
    if value is None or math.isnan(value):
        return MISSING
    scale = metric_words(name, task).scale
    if scale is Scale.PLAIN or math.isinf(value):
        return number(value)
    share = 100 * value if scale is Scale.FRACTION else value
    return f"{share:.1f}" if deviation else f"{share:.1f} %"


def number(value: float | None) -> str:
    """Return a number with three or four significant digits, and thousands set apart."""
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e6):
        return f"{int(value):,}".replace("-", "−")
    if 1e-3 <= abs(value) < 1e6:
        places = max(0, 2 - math.floor(math.log10(abs(value))))
        return f"{value:,.{min(places, 4)}f}".replace("-", "−")
    return _powered(f"{value:.2e}")


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _powered(written: str) -> str:
    mantissa, _, exponent = written.partition("e")
    power = f"·10{str(int(exponent)).translate(_RAISED)}" if exponent else ""
    return mantissa.replace("-", "−") + power


def tick(value: float) -> str:
    """Return a round number beside an axis, as short as it can be."""
    if 1e4 <= abs(value) < 1e6:
        return f"{value:,.0f}".replace("-", "−")
    return _powered(f"{value:.6g}")


def percent(share: float | None) -> str:
    """Return a share of 1 in percent."""
    return MISSING if share is None or math.isnan(share) else f"{100 * share:.1f} %"


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: ``1 row``, ``1,234 rows``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """Return a time in the two largest units that matter."""
    if not math.isfinite(seconds):
        return MISSING
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def setting_text(value: object) -> str:
    """Return the value of a setting for people."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: MISSING}[value]
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(setting_text, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}: {setting_text(item)}" for key, item in value.items())
    return str(value)


def over_seeds(seeds: Seeds | None, name: str, task: str = "") -> str:
    """Return the mean and deviation of a metric over seeds, ``89.0 % ± 1.0 over 3 seeds``.

    Args:
        seeds: The runs, if there are several.
        name: Of the metric; a dash is returned where they do not have it.
        task: As in `metric_words`.
    """
    if seeds is None or name not in seeds.mean:
        return MISSING
    mean = metric_value(name, seeds.mean[name], task)
    deviation = metric_value(name, seeds.deviation.get(name), task, deviation=True)
    return f"{mean} ± {deviation} over {counted(len(seeds.runs), 'seed')}"
