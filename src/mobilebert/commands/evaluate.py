"""``mobilebert evaluate``: how good a model is on a file of rows."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from mobilebert.commands.data_options import DATA_OPTIONS, data_options
from mobilebert.commands.unused_options import refuse_unused

__all__ = ["evaluate"]

HELP = """Measure a model on rows with what is right, as it would answer them in `mobilebert run`.

\b
mobilebert evaluate --model DIR --data reviews.csv
mobilebert evaluate --model DIR --data reviews.csv --output DIR2    also report.html, report.json
mobilebert evaluate --model DIR --data PREPARED    masked words of held-out text, by source

Columns, delimiter and encoding are guessed and stated. PyTorch is not needed, but for what
prepare-pretraining has written.
"""


@click.command(help=HELP)
@click.option("--model", metavar="M", required=True, help="Directory or Hub name.")
@click.option(
    "--data", metavar="FILE", required=True, multiple=True, help="The rows; may be repeated."
)
@click.option("--task", metavar="T", help="Default: what the model was tuned for.")
@data_options
@click.option("--backend", metavar="B", default="auto", help="As for run.  [default: auto]")
@click.option("--dtype", metavar="D", help="As for run.")
@click.option("--output", metavar="DIR", help="Directory for report.html and report.json.")
@click.option("--overwrite", is_flag=True, help="Replace a report that is there.")
@click.option(
    "--words",
    metavar="N",
    type=click.IntRange(min=1),
    default=50_000,
    show_default=True,
    help="Masked words of prepared text.",
)
@click.option("--json", "as_json", is_flag=True, help="Write the metrics as JSON.")
def evaluate(**options: Any) -> None:
    """Run the command; its help is `HELP`."""
    if _is_prepared(options["data"]):
        _evaluate_prepared(options)
        return
    refuse_unused(["words"], "on rows, but on prepared text")
    from mobilebert.commands.data_options import read_columns, read_label_names
    from mobilebert.commands.report_place import check_place
    from mobilebert.commands.standard_output import write_stdout
    from mobilebert.reports import writing
    from mobilebert.training import judging

    if options["output"] is None:
        refuse_unused(["overwrite"], "without --output")
    else:
        names = (writing.PAGE_NAME, writing.JSON_NAME)
        files = [Path(options["output"]) / name for name in names]
        check_place(files, overwrite=options["overwrite"])
    judged = judging.evaluate(
        options["model"],
        list(options["data"]),
        task=options["task"],
        columns=read_columns(options["columns"]),
        encoding=options["encoding"],
        delimiter=options["delimiter"],
        skip_bad_rows=options["skip_bad_rows"],
        label_names=read_label_names(options["label_names"]),
        backend=options["backend"],
        dtype=options["dtype"],
    )
    for fact in judged.report.data.files[0].facts:
        click.echo(fact, err=True)
    shown = json.dumps(judged.metrics, indent=2) if options["as_json"] else judged.summary()
    try:
        write_stdout(shown + "\n")
    finally:  # where one place cannot be written, what was measured is in the other
        if options["output"] is not None:
            written = writing.write_report(judged.report, options["output"])
            click.echo(f"Report: {written.page}", err=True)


def _is_prepared(data: Sequence[str]) -> bool:
    return any((Path(path) / "manifest.json").is_file() for path in data)


def _evaluate_prepared(options: Mapping[str, Any]) -> None:
    from mobilebert.commands.standard_output import write_stdout
    from mobilebert.errors import InputError
    from mobilebert.extras import require_training

    unused = [*DATA_OPTIONS, "task", "backend", "dtype", "output", "overwrite"]
    refuse_unused(unused, "on prepared text")
    if len(options["data"]) > 1:
        raise InputError("Give one directory of prepared text at a time.")
    require_training("Judging on prepared text")
    from mobilebert.pretraining.judging import evaluate_pretraining

    judged = evaluate_pretraining(
        options["model"], options["data"][0], words=options["words"], progress=True
    )
    found = {"metrics": judged.metrics, "sources": judged.sources()}
    write_stdout((json.dumps(found, indent=2) if options["as_json"] else judged.summary()) + "\n")
