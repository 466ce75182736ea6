"""The table of figures: fine-tuning with mobilebert beside transformers and the majority.

    python benchmarks/finetune_table.py --data DIR --json FILE [--rows rte mrpc] [--seeds 3]
    python benchmarks/finetune_table.py --json FILE --table docs/finetuning-figures.md
    python benchmarks/finetune_table.py --json FILE --compare OTHER

Each row is a recipe of recipes/rows.py. Both sides begin with the same checkpoint, take the same
number of steps with the same number of examples, rate, warm-up, weight decay and clipping, and are
judged equally often on the same rows by the same code; the best judging of a run counts. Steps can
be limited with --max-steps. The JSON is whole after each run of a seed and side, and the same
command goes on where it was interrupted. Runs of ours are kept beside it, in FILE without .json.
Results of ours alone (--sides ours), of two checkpoints (--model), are compared by --compare.
"""

import argparse
import json
import math
import statistics
import sys
import time
from pathlib import Path

import torch
import transformers_finetuning
from finetune_comparison import comparison
from finetune_figures import HEAD, SIDES, is_complete, lines, over_seeds, points, runs_of, spread
from finetune_ready import JUDGED, make_ready, weights_of
from side_by_side import machine

from mobilebert.directory_lock import alone_in
from mobilebert.errors import InputError, MobileBertError
from mobilebert.files import write_atomic
from mobilebert.hub import BUNDLED_MODEL
from mobilebert.training.evaluation import evaluate_items
from mobilebert.training.finetune import finetune
from mobilebert.training.treatment import judging_options, judging_parameters

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "recipes"))
from rows import ROWS  # noqa: E402  (recipes/ is no package)

# What the table allows: points that ours may be below theirs.
ALLOWED = 0.5
# Of one model, judged twice: scores that are equal but for rounding in another order.
SAME = 1e-3
INTERRUPTED = 130

PAGE = """# Figures of fine-tuning

Fine-tuning of {weights} with `mobilebert finetune`, beside transformers' MobileBERT and its
ordinary loop: same checkpoint, steps, examples of a step, rate, warm-up, weight decay, clipping and
rows to judge by. Mean ± standard deviation (median) over seeds, in points; of each run the best of
{judged} judgings at most counts, for both. The majority is the answer that reads no text. In padded
batches of transformers' loop the trigram of the last token of shorter texts has [PAD], in judging
nothing.

{table}

{below} {differing}

A row of ours is `python recipes/finetune.py NAME --data DIR --output DIR --seeds {seeds}`, with the
steps, the examples of a step and a quarter of the steps, rounded up, as `--max-steps`,
`--batch-size` and `--evaluate-every`. `benchmarks/finetune_table.py --data DIR --json FILE`
measures, and `--json FILE --table PAGE` writes this page.

{machine}; transformers {transformers}.
"""


def weights_told(content):
    """Name the checkpoint that rows began with."""
    found = sorted({entry["budget"]["weights"] for _, entry in complete(content)})
    if not found or found == [weights_of(BUNDLED_MODEL)]:
        return "the bundled model"
    return f"checkpoint {' and '.join(found)} (SHA-256), not the one that is bundled now,"


def ours(row, ready, data, directory, limits, seeds):
    """Tune with mobilebert, all seeds."""
    started = time.monotonic()
    interrupted = (directory / "training").is_dir()
    try:
        result = finetune(
            row.task,
            model=ready.model,
            output=directory,
            resume=interrupted,
            overwrite=directory.is_dir() and not interrupted,
            seeds=seeds,
            progress=True,
            **{**row.keywords(data), **limits},
            evaluate_every=ready.settings.evaluate_every,
        )
    except InputError as error:
        if not interrupted:
            raise
        # The data were read before, so it is the states that are refused.
        raise InputError(f"{error} Here there is no --overwrite: remove {directory}.") from None
    runs = result.report.seeds.runs if result.report.seeds else []
    losses = [entry["loss"] for entry in result.history if "loss" in entry]
    return {
        "runs": [{"seed": run.seed, "metrics": run.metrics} for run in runs]
        or [{"seed": ready.settings.seed, "metrics": result.metrics}],
        "first_loss": losses[0] if losses else None,
        "seconds": round(time.monotonic() - started),
    }


def judged(ready, directory):
    """Judge the model that mobilebert saved, as the other side is judged."""
    config, tokenizer = ready.start.config(), ready.start.tokenizer()
    longest = min(tokenizer.model_max_length, config.max_position_embeddings)
    saved = evaluate_items(
        *(ready.task, str(directory), None, ready.dev),
        dtype="float32",
        parameters=judging_parameters(ready.task, ready.settings, longest),
        options=judging_options(ready.settings),
    )
    return {
        "best_of_saved": saved.metrics,
        "baseline": saved.baseline,
        "baseline_name": saved.summary.baseline_name,
    }


def theirs(ready, seed):
    """Tune with transformers, one seed."""
    return transformers_finetuning.tune(
        ready.task,
        ready.model,
        ready.start.config(),
        ready.start.tokenizer(),
        ready.examples,
        ready.dev,
        ready.settings,
        ready.steps,
        seed,
    )


class Table:
    """The JSON of all rows, whole on disk after each change."""

    def __init__(self, path, facts):
        self.path = path
        self.content = json.loads(path.read_text()) if path.exists() else {"rows": {}}
        self.content.setdefault("facts", facts)

    def entry(self, name, title, budget):
        """Enter a row; refuse one that was measured otherwise."""
        entry = self.content["rows"].get(name, {})
        if not any(entry.get(side, {}).get("runs") for side in SIDES):
            self.content["rows"][name] = entry = {"title": title, "budget": budget}
        if entry["budget"] != budget:
            raise InputError(
                f"{self.path} has {name} with {entry['budget']}, which is not {budget}: give the "
                "same options, or another --json."
            )

    def write(self):
        """Write it."""
        # Python's JSON has NaN, and JSON has not.
        text = json.dumps(_finite(self.content), indent=2, allow_nan=False)
        write_atomic(self.path, text + "\n")


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def limits_of(options):
    """Return the settings that the command line gives all rows."""
    names = ("max_steps", "epochs", "batch_size", "max_length")
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def prepare(name, options, table):
    """Make a row ready, before any is measured, and enter it."""
    ready = make_ready(ROWS[name], options.data, limits_of(options), options.model)
    if "transformers" in options.sides:
        ready.check_alike()
    table.entry(name, ROWS[name].title, ready.budget(options.seeds))
    return ready


def measure(name, ready, options, table):
    """Measure what the JSON lacks of a row."""
    row, entry = ROWS[name], table.content["rows"][name]
    print(f"{row.title}: {entry['budget']}", flush=True)
    if "ours" in options.sides:
        directory = table.path.with_suffix("") / name
        directory.parent.mkdir(exist_ok=True)
        if "ours" not in entry:
            limits = limits_of(options)
            entry["ours"] = ours(row, ready, options.data, directory, limits, options.seeds)
            table.write()
        if "baseline" not in entry["ours"]:
            entry["ours"] |= judged(ready, directory)
            table.write()
    if "transformers" in options.sides:
        done = entry.setdefault("transformers", {"runs": []})["runs"]
        for seed in range(len(done), options.seeds):
            done.append(theirs(ready, ready.settings.seed + seed))
            table.write()
    if any(runs_of(entry, side) for side in SIDES):
        print(HEAD, *lines(entry, row), sep="\n", flush=True)


def measure_rows(options, table):
    """Measure all rows; one that fails does not keep the others from it.

    Returns:
        What was wrong, a line for each row that failed.
    """
    failed = []

    def tried(name, step, *given):
        try:
            return step(name, *given)
        except MobileBertError as error:
            failed.append(f"{name}: {error}")
            print(f"{name} failed: {error}", file=sys.stderr, flush=True)
            return None

    ready = {name: tried(name, prepare, options, table) for name in options.rows}
    table.write()  # a path that cannot be written is told before hours of work
    for name, row in ready.items():
        if row is not None:
            tried(name, measure, row, options, table)
    return failed


def complete(content):
    """Return the entries that both sides have finished."""
    known = ((name, content["rows"].get(name, {})) for name in ROWS)
    return [(name, entry) for name, entry in known if is_complete(entry)]


def judged_alike(mine, metric):
    """Tell whether the saved model has the metric that its run has told.

    If not, the run reads texts otherwise than `evaluate_items` does, which judges the other side.
    """
    saved = mine["best_of_saved"][metric]
    told = [run["metrics"][metric] for run in mine["runs"]]
    return saved in told or any(abs(saved - value) < SAME for value in told)


def page(content):
    """Write the page."""
    table = [HEAD, "|---|---|" + "--:|" * 7]
    below, unlearned, differing = [], [], []
    for name, entry in complete(content):
        row = ROWS[name]
        table += lines(entry, row)
        for metric in row.metrics:
            shown = f"{entry['title']} ({metric.replace('_', ' ')})"
            sides = [entry[side]["runs"] for side in ("ours", "transformers")]
            mine, other = (over_seeds(runs, metric, points(row)) for runs in sides)
            if mine and other and statistics.fmean(mine) < statistics.fmean(other) - ALLOWED:
                below.append(shown)
            majority = entry["ours"]["baseline"].get(metric)
            # Tuned thresholds can give the majority's answers, so chance alone is above them.
            gained = max(ALLOWED, spread(mine)) if row.settings.get("tune_thresholds") else 0.0
            learned = mine and statistics.fmean(mine) > points(row) * (majority or 0) + gained
            if majority is not None and not learned:
                unlearned.append(shown)
        if not judged_alike(entry["ours"], row.metrics[0]):
            differing.append(entry["title"])
    said = f"More than {ALLOWED} points below transformers: {', '.join(below) or 'none'}."
    said += f" mobilebert not above the majority: {', '.join(unlearned) or 'none'}."
    said += f" Where thresholds are tuned, that is by {ALLOWED} points and by the spread."
    alike = f"Judged otherwise from disk than in the run: {', '.join(differing) or 'none'}."
    return PAGE.format(
        judged=JUDGED,
        weights=weights_told(content),
        table="\n".join(table),
        below=said,
        differing=alike,
        seeds=max((entry["budget"]["seeds"] for _, entry in complete(content)), default=1),
        **content["facts"],
    )


def arguments():
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="the directory of all data sets")
    parser.add_argument("--json", type=Path, required=True, help="the results")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--table", type=Path, help="write the page of the results; measure nothing"
    )
    instead.add_argument(
        "--compare", type=Path, help="results of another checkpoint: print both; measure nothing"
    )
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="NAME")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES, help="both by default")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--model", default=BUNDLED_MODEL, help="directory both sides begin with")
    parser.add_argument("--max-steps", type=int, help="of each run, on both sides")
    parser.add_argument("--epochs", type=float)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--max-length", type=int)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser


def main(given=None):
    parser = arguments()
    options = parser.parse_args(given)
    torch.set_num_threads(options.threads)
    facts = {"machine": machine(options.threads), "transformers": transformers_finetuning.VERSION}
    table = Table(options.json, facts)
    if options.table:
        if not complete(table.content):
            sys.exit(
                f"{options.json} has no row that both sides have finished, which a page is of. "
                "Measure with both --sides, or --compare it with results of another checkpoint."
            )
        write_atomic(options.table, page(table.content))
        return
    if options.compare:
        contents = [table.content, Table(options.compare, facts).content]
        print(comparison([str(options.json), str(options.compare)], contents))
        return
    if options.data is None:
        parser.error("--data DIR is needed to measure")
    try:
        with alone_in(options.json):
            table = Table(options.json, facts)  # as it is now that nobody else writes it
            failed = measure_rows(options, table)
    except KeyboardInterrupt:
        print(f"\nInterrupted: the same command goes on from {options.json}.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except (MobileBertError, OSError) as error:
        sys.exit(f"Error: {error}")
    if failed:
        sys.exit("\n".join(["These rows failed; the others are there:", *failed]))


if __name__ == "__main__":
    main()
