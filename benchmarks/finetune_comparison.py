"""Two checkpoints beside each other: what `mobilebert finetune` made of each on the same rows."""

import statistics
import sys
from pathlib import Path

from finetune_figures import over_seeds, points, runs_of, shown

sys.path.append(str(Path(__file__).parents[1] / "recipes"))
from rows import ROWS  # recipes/ is no package

__all__ = ["comparison"]

# Of a budget: what says which rows they were, and which checkpoint.
_ROWS_OF = ("train", "dev", "judged_by")
_CHECKPOINT = ("model", "weights")


def comparison(names, contents):
    """Compare the results of two checkpoints; exit where they are not of the same rows.

    Args:
        names: Of the files of results.
        contents: What they hold.

    Returns:
        A table that ends with the mean over rows, and sentences: which is lower by more than the
        spread, and what was not alike.
    """
    head = ["data", "metric", "majority", *names, "difference"]
    table = [f"| {' | '.join(head)} |", "|---|---|" + "--:|" * (len(head) - 2)]
    lower, unlike, unknown, means = ([], []), [], [], []
    for name, row in ROWS.items():
        entries = [content["rows"].get(name, {}) for content in contents]
        runs = [runs_of(entry, "ours") for entry in entries]
        if not all(runs):
            continue
        unlike += _unlike(names, entries)
        for metric in row.metrics:
            values = [over_seeds(found, metric, points(row)) for found in runs]
            table.append(_line(entries[0], metric, points(row), values))
            if metric == row.metrics[0] and all(values):
                means.append([statistics.fmean(side) for side in values])
            told = f"{entries[0]['title']} ({metric.replace('_', ' ')})"
            side = _lower(values)
            if side is None:
                unknown.append(told)
            elif side >= 0:
                lower[side].append(told)
    if len(table) == 2:
        sys.exit(f"{' and '.join(names)} have no row in common that mobilebert has finished.")
    if means:
        table.append(_over_rows(means))
    said = [
        f"{name} is lower by more than the spread: {', '.join(found) or 'nowhere'}."
        for name, found in zip(names, lower, strict=True)
    ]
    said += [f"Without a spread, as of one seed: {', '.join(unknown)}."] * bool(unknown)
    said += [f"Not given alike: {'; '.join(unlike)}."] * bool(unlike)
    return "\n".join([*table, "", *said])


def _unlike(names, entries):
    """Say what both were not given alike, besides the checkpoint."""
    budgets = [entry["budget"] for entry in entries]
    title = entries[0]["title"]
    if any(_differ(budgets, name) for name in _ROWS_OF):
        rows = [f"{name} {_rows_told(x)}" for name, x in zip(names, budgets, strict=True)]
        sys.exit(
            f"These are not the same rows of {title}: {' but '.join(rows)}. Measure both with "
            "the same --data and limits."
        )
    differing = [
        f"{name} {budgets[0].get(name)} and {budgets[1].get(name)}"
        for name in budgets[0] | budgets[1]
        if name not in _CHECKPOINT and budgets[0].get(name) != budgets[1].get(name)
    ]
    return [f"{title} ({', '.join(differing)})"] if differing else []


def _differ(budgets, name):
    """Tell whether both say something, and not the same; older results have no judged_by."""
    first, second = (budget.get(name) for budget in budgets)
    return None not in (first, second) and first != second


def _rows_told(budget):
    """Say which rows they were; of as many others the digest is another one."""
    told = f"from {budget['train']:,} and is judged by {budget['dev']:,}"
    return told + (f" (digest {budget['judged_by']})" if "judged_by" in budget else "")


def _line(entry, metric, scale, values):
    baseline = entry["ours"]["baseline"].get(metric)
    cells = [
        entry["title"],
        metric.replace("_", " "),
        shown([] if baseline is None else [scale * baseline]),
        *map(shown, values),
        f"{_difference(values):+.1f}" if all(values) else "-",
    ]
    return f"| {' | '.join(cells)} |"


def _over_rows(means):
    """Write the mean over rows, each by the metric that it is compared by first."""
    values = list(zip(*means, strict=True))
    cells = [f"mean of {len(means)}", "the first of each", "-"]
    cells += [f"{statistics.fmean(side):.1f}" for side in values]
    return f"| {' | '.join([*cells, f'{_difference(values):+.1f}'])} |"


def _difference(values):
    first, second = map(statistics.fmean, values)
    return first - second


def _lower(values):
    """Tell which of two is lower by more than the larger standard deviation of both.

    Returns:
        0 or 1; -1 for neither; None where one has no deviation.
    """
    if any(len(found) < 2 for found in values):
        return None
    difference = _difference(values)
    if abs(difference) <= max(map(statistics.stdev, values)):
        return -1
    return 0 if difference < 0 else 1
