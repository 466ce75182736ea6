"""The order of the ways to transfer knowledge, at small scale.

    python recipes/ordering/ordering.py --data DIR --output DIR [--only words pd] [--seeds 3]
    python recipes/ordering/ordering.py --output DIR --table docs/ordering.md

One teacher, and for each row of variants.py and each seed a student and a classifier made of it.
OUTPUT/ordering.json is whole after each of them, and the same command goes on where it was
interrupted; more seeds or rows may be asked for later.
"""

import argparse
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from corpus import files_of
from results import Results, entry_of, page
from rows import ROWS
from side_by_side import machine
from steps import Step, options_of, run_steps, written
from variants import BUDGET, VARIANTS, Budget

from mobilebert.config import MobileBertConfig
from mobilebert.errors import MobileBertError
from mobilebert.files import make_directory, read_json, write_atomic

__all__ = ["main"]

RESULTS_FILE = "ordering.json"


def shared_steps(data: Path, output: Path, budget: Budget) -> list[Step]:
    """Return the commands before the students.

    Args:
        data: The directory of all data sets.
        output: For all that is made.
        budget: Settings.
    """
    text = files_of(data, budget.text)
    words, prepared, teacher = output / "tokenizer", output / "data", output / "teacher"
    tokenizer = {"input": text, "vocab_size": budget.vocab_size, "output": words}
    sequences = {"input": text, "tokenizer": words, **budget.preparation, "output": prepared}
    alone = {
        "config": budget.teacher,
        "tokenizer": words,
        "data": prepared,
        "steps": budget.teacher_steps,
        **budget.training,
        "output": teacher,
    }
    return [
        Step(
            title="A vocabulary",
            arguments=("train-tokenizer", *options_of(tokenizer)),
            output=words,
        ),
        Step(
            title="Text to sequences",
            arguments=("prepare-pretraining", *options_of(sequences)),
            output=prepared,
        ),
        Step(title="The teacher", arguments=("pretrain", *options_of(alone)), output=teacher),
    ]


def student_steps(data: Path, output: Path, budget: Budget, name: str, seed: int) -> list[Step]:
    """Return the commands that make a student, and a classifier of it.

    Args:
        data: The directory of all data sets.
        output: For all that is made.
        budget: Settings.
        name: Of the variant.
        seed: Of both.
    """
    student = output / "students" / f"{name}-{seed}"
    tuned = output / "tuned" / f"{name}-{seed}"
    places = {part: output / part for part in ("data", "teacher")}
    settings = {"model": student, "max_steps": budget.tuning_steps, "seed": seed, **budget.tuning}
    row = dataclasses.replace(ROWS[budget.task], settings=settings)
    arguments = VARIANTS[name].arguments(budget, {**places, "output": student}, seed)
    title = f"{VARIANTS[name].title}, seed {seed}"
    return [
        Step(title=title, arguments=arguments, output=student),
        Step(
            title=f"{title}: {row.title}",
            arguments=tuple(row.arguments(data, tuned)),
            output=tuned,
        ),
    ]


def facts(budget: Budget) -> dict[str, Any]:
    """Return what the results were measured with, for the JSON and the page."""
    return {
        "text": ", ".join(budget.text),
        "teacher_layers": MobileBertConfig.from_json_file(budget.teacher).num_hidden_layers,
        "teacher_steps": budget.teacher_steps,
        "transfer_steps": budget.transfer_steps,
        "word_steps": budget.word_steps,
        "steps": budget.steps,
        "tuning_steps": budget.tuning_steps,
        "task_title": ROWS[budget.task].title,
        "revision": budget.revision,
        **budget.preparation,
        **budget.training,
    }


def shortened(budget: Budget, share: float) -> Budget:
    """Return a budget with a share of all steps, to try everything out.

    Args:
        budget: The whole one.
        share: Of the steps.
    """
    names = ("teacher_steps", "transfer_steps", "word_steps", "tuning_steps")
    least = 4  # a step for each layer of a progressive student
    fewer = {name: max(least, round(share * getattr(budget, name))) for name in names}
    return dataclasses.replace(budget, **fewer)


def measure(options: argparse.Namespace, budget: Budget) -> None:
    """Make and judge the students that the JSON lacks.

    Args:
        options: Of the command line.
        budget: Settings.
    """
    output = make_directory(options.output)
    results = Results(output / RESULTS_FILE)
    results.begin(facts(budget), machine(options.threads))
    run_steps(shared_steps(options.data, output, budget), threads=options.threads)
    results.content["teacher"] = read_json(output / "teacher/report.json")["metrics"]
    results.write()
    for name, seed in wanted(options):
        if results.has(name, seed):
            continue
        steps = student_steps(options.data, output, budget, name, seed)
        for directory in ("students", "tuned"):
            make_directory(output / directory)
        run_steps(steps)
        reports = [read_json(step.output / "report.json") for step in steps if step.output]
        results.keep(name, seed, entry_of(*reports))


def wanted(options: argparse.Namespace) -> Iterator[tuple[str, int]]:
    """Yield variants and seeds: all variants of a seed before the next, so that rows fill alike."""
    for seed in range(options.seeds):
        for name in options.only:
            yield name, seed


def commands(options: argparse.Namespace, budget: Budget) -> str:
    """Return all commands as a script."""
    steps = shared_steps(options.data, options.output, budget)
    for name, seed in wanted(options):
        steps += student_steps(options.data, options.output, budget, name, seed)
    return written(steps)


def main(given: Sequence[str] | None = None) -> None:
    """Measure, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, metavar="DIR", help="of all data sets")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="for all results")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the page alone")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=VARIANTS,
        default=list(VARIANTS),
        metavar="NAME",
        help=", ".join(VARIANTS),
    )
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="3 by default")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="of PyTorch; 2")
    parser.add_argument("--share", type=float, default=1.0, metavar="F", help="of all steps")
    parser.add_argument("--print", action="store_true", help="print the commands alone")
    options = parser.parse_args(given)
    try:
        if options.table:
            content = read_json(options.output / RESULTS_FILE)
            write_atomic(options.table, page(content))
            return
        if options.data is None:
            parser.error("--data DIR is needed to measure")
        budget = BUDGET if options.share == 1 else shortened(BUDGET, options.share)
        if options.print:
            print(commands(options, budget), end="")
            return
        measure(options, budget)
    except MobileBertError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
