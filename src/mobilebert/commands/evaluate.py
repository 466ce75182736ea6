"""``mobilebert evaluate``: how good a model is on a file of rows."""

import json
from typing import Any

import click

from mobilebert.commands.data_options import data_options

__all__ = ["evaluate"]

HELP = """Measure a model on rows with what is right, as it would answer them in `mobilebert run`.

\b
mobilebert evaluate --model DIR --data reviews.csv
mobilebert evaluate --model DIR --data reviews.csv --output DIR2    also report.html, report.json

Columns, delimiter and encoding are guessed and stated. PyTorch is not needed.
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
@click.option("--json", "as_json", is_flag=True, help="Write the metrics as JSON.")
def evaluate(**options: Any) -> None:
    """Run the command; its help is `HELP`."""
    from mobilebert.commands.data_options import read_columns, read_label_names
    from mobilebert.reports import write_report
    from mobilebert.training import judging

    judged = judging.evaluate(
        options["model"],
        list(options["data"]),
        task=options["task"],
        columns=read_columns(options["columns"]),
        encoding=options["encoding"],
        skip_bad_rows=options["skip_bad_rows"],
        label_names=read_label_names(options["label_names"]),
        backend=options["backend"],
        dtype=options["dtype"],
    )
    for fact in judged.report.data.files[0].facts:
        click.echo(fact, err=True)
    if options["output"] is not None:
        written = write_report(judged.report, options["output"])
        click.echo(f"Report: {written.page}", err=True)
    shown = json.dumps(judged.metrics, indent=2) if options["as_json"] else judged.summary()
    click.echo(shown)
