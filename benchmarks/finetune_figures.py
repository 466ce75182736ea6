"""What runs of fine-tuning came to, as the cells of a table: points, over seeds."""

import statistics

from mobilebert.datasets.items import FinetuneTask

__all__ = [
    "HEAD",
    "SIDES",
    "is_complete",
    "lines",
    "over_seeds",
    "points",
    "runs_of",
    "shown",
    "spread",
]

SIDES = ("ours", "transformers")

HEAD = (
    "| data | metric | examples | judged | steps × examples | majority | transformers | mobilebert "
    "| difference |"
)


def points(row):
    """Return what metrics are multiplied with; those of SQuAD have points already."""
    return 1 if row.task == FinetuneTask.QUESTION_ANSWERING else 100


def over_seeds(runs, metric, scale):
    """Return the values in points, without those of runs that ended in no numbers."""
    values = [run["metrics"][metric] for run in runs if run["metrics"]]
    return [scale * value for value in values if value is not None]


def spread(values):
    """Return the standard deviation, 0 of a single value."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def shown(values):
    """Write mean and deviation, and the median where it may be another number."""
    if not values:
        return "-"
    text = f"{statistics.fmean(values):.1f}"
    if len(values) > 1:
        text += f" ± {spread(values):.1f}"
    return text + (f" ({statistics.median(values):.1f})" if len(values) > 2 else "")


def runs_of(entry, side):
    """Return the runs of a side that has finished a row, one for each seed; else none.

    Ours has finished when the model that it saved is judged too, beside the majority.
    """
    found = entry.get(side, {})
    runs = found.get("runs", [])
    judged = side != "ours" or "baseline" in found
    return runs if runs and judged and len(runs) == entry["budget"]["seeds"] else []


def is_complete(entry):
    """Tell whether both sides have finished a row."""
    return all(runs_of(entry, side) for side in SIDES)


def lines(entry, row):
    """Write the lines of a row, one for each metric; a side that has not finished is a dash."""
    budget, scale = entry["budget"], points(row)
    ours, theirs = (runs_of(entry, side) for side in SIDES)
    failed = sum(bool(run["diverged"]) for run in theirs)
    for metric in row.metrics:
        mine, other = (over_seeds(runs, metric, scale) for runs in (ours, theirs))
        baseline = entry["ours"]["baseline"].get(metric) if ours else None
        cells = [
            entry["title"],
            metric.replace("_", " "),
            f"{budget['train']:,}",
            f"{budget['dev']:,}",
            f"{budget['steps']:,} × {budget['batch_size']}",
            shown([] if baseline is None else [scale * baseline]),
            shown(other) + (f" ({failed} diverged)" if failed else ""),
            shown(mine),
            f"{statistics.fmean(mine) - statistics.fmean(other):+.1f}" if mine and other else "-",
        ]
        yield f"| {' | '.join(cells)} |"
