"""How long `mobilebert finetune --quick` takes, for each task.

    python benchmarks/quick.py --data DIR [--tasks regression fill-mask] [--json FILE]

The bundled model on files of DIR (those of recipes/rows.py, the first of each task, and the
World Factbook for masked words), with nothing else set than --quick: from reading the files to
the written report, in this process, on the threads that PyTorch takes by itself. The JSON is whole
after each task; it goes to benchmarks/results/quick.json, beside the tasks that are there.
--max-steps is for trying it out, and needs a --json of its own.
"""

import argparse
import json
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

from side_by_side import machine

from mobilebert import finetune
from mobilebert.datasets.items import FinetuneTask
from mobilebert.extras import require_training
from mobilebert.files import write_atomic
from mobilebert.hub import BUNDLED_MODEL

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "recipes"))
from corpus import files_of  # noqa: E402  (recipes/ is no package)
from finetune_ready import weights_of  # noqa: E402  (not first: finetune sets PyTorch up)
from rows import ROWS  # noqa: E402

RESULTS = ROOT / "benchmarks/results/quick.json"
TEXT = "factbook"
HEAD = ("task", "data", "examples", "judged", "steps", "minutes", "metric", "baseline", "found")


def data_of(task, data):
    """Return the title of the data of a task, and the arguments of `finetune` that name them."""
    if task == FinetuneTask.MASKED_LM:
        return "World Factbook", {"train": files_of(data, [TEXT])}
    row = next(row for row in ROWS.values() if row.task == task)
    named = row.keywords(data)
    return row.title, {name: named[name] for name in ("train", "dev", "columns", "group")}


def measured(task, data, limits):
    """Tune for a task, and tell how long it took."""
    title, where = data_of(task, data)
    with tempfile.TemporaryDirectory() as directory:
        started = time.monotonic()
        output = Path(directory) / "model"
        result = finetune(task, output=output, quick=True, progress=True, **where, **limits)
        seconds = time.monotonic() - started
    report = result.report
    headline = report.evaluation.headline
    return {
        "data": title,
        "examples": report.data.train_items,
        "judged": report.evaluation.items,
        "steps": max(entry["step"] for entry in result.history),
        "seconds": round(seconds, 1),
        "metric": headline,
        "baseline": report.evaluation.baseline.get(headline),
        "found": result.metrics[headline],
    }


def line(task, row):
    """Write a line of the table."""
    baseline = "-" if row["baseline"] is None else f"{row['baseline']:.3g}"
    cells = [task, row["data"], f"{row['examples']:,}", f"{row['judged']:,}", f"{row['steps']:,}"]
    cells += [f"{row['seconds'] / 60:.1f}", row["metric"], baseline, f"{row['found']:.3g}"]
    return f"| {' | '.join(cells)} |"


def rows_before(path, facts):
    """Return the rows that are there; refuse those that were measured otherwise."""
    if not path.exists():
        return {}
    content = json.loads(path.read_text())
    before = {name: content.get(name) for name in facts}
    if comparable(before) != comparable(facts):
        sys.exit(
            f"{path} was measured with {before}, and this would be with {facts}: give another "
            "--json, or remove it."
        )
    return content["tasks"]


def comparable(facts):
    """Return what rows beside each other have in common; the load before each start differs."""
    return facts | {"machine": facts["machine"].partition(", load ")[0]}


def main(given=None):
    tasks = [str(task) for task in FinetuneTask]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the directory of all data sets")
    parser.add_argument("--tasks", nargs="+", choices=tasks, default=tasks, metavar="TASK")
    parser.add_argument("--json", type=Path, help=f"the results; {RESULTS.name} by default")
    parser.add_argument("--max-steps", type=int, help="fewer steps, to try it out")
    options = parser.parse_args(given)
    if options.max_steps is not None and options.json is None:
        parser.error(f"--max-steps needs --json FILE: {RESULTS.name} is of whole runs")
    path = options.json or RESULTS
    threads = require_training("This benchmark").get_num_threads()
    limits = {} if options.max_steps is None else {"max_steps": options.max_steps}
    facts = {"machine": machine(threads), "torch": metadata.version("torch"), "limits": limits}
    facts["weights"] = weights_of(BUNDLED_MODEL)
    rows = rows_before(path, facts)
    for task in options.tasks:
        rows[task] = measured(task, options.data, limits)
        rows = {name: rows[name] for name in tasks if name in rows}
        write_atomic(path, json.dumps(facts | {"tasks": rows}, indent=2) + "\n")
    print(f"{facts['machine']}, torch {facts['torch']}\n")
    print(f"| {' | '.join(HEAD)} |\n|---|---|{'--:|' * 4}---|--:|--:|")
    for task, row in rows.items():
        print(line(task, row))


if __name__ == "__main__":
    main()
