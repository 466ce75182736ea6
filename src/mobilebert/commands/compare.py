"""``mobilebert compare``: several models beside each other."""

from pathlib import Path
from typing import Any

import click

from mobilebert.commands.data_options import DATA_OPTIONS, data_options
from mobilebert.commands.unused_options import refuse_unused

__all__ = ["compare"]

HELP = """Show models beside each other: metrics, milliseconds for a text, megabytes.

\b
mobilebert compare DIR1 DIR2                           metrics of their reports
mobilebert compare DIR1 DIR2 --data reviews.csv        all measured on the same rows

Times are medians of an answer to one sentence of 49 tokens, the models taking turns.
"""


@click.command(help=HELP)
@click.argument("models", metavar="DIR...", nargs=-1, required=True)
@click.option("--data", metavar="FILE", multiple=True, help="Rows to measure all of them on.")
@data_options
@click.option("--backend", metavar="B", default="auto", help="As for run.  [default: auto]")
@click.option("--output", metavar="FILE", help="Also write the page, an HTML file.")
@click.option("--overwrite", is_flag=True, help="Replace a page that is there.")
def compare(models: tuple[str, ...], **options: Any) -> None:
    """Run the command; its help is `HELP`."""
    from mobilebert.commands.data_options import read_columns, read_label_names
    from mobilebert.commands.report_place import check_place
    from mobilebert.commands.standard_output import write_stdout
    from mobilebert.files import make_directory
    from mobilebert.reports import comparison
    from mobilebert.training import comparing

    output = None if options["output"] is None else Path(options["output"])
    if output is None:
        refuse_unused(["overwrite"], "without --output")
    else:
        check_place([output], overwrite=options["overwrite"])
    data = {}
    if options["data"]:
        data = {
            "data": list(options["data"]),
            "columns": read_columns(options["columns"]),
            "encoding": options["encoding"],
            "delimiter": options["delimiter"],
            "skip_bad_rows": options["skip_bad_rows"],
            "label_names": read_label_names(options["label_names"]),
        }
    else:
        refuse_unused(DATA_OPTIONS, "without --data")
    compared = comparing.compare(models, backend=options["backend"], **data)
    try:
        write_stdout(comparison.comparison_table(compared) + "\n")
    finally:  # where one place cannot be written, what was measured is in the other
        if output is not None:
            make_directory(output.parent)
            click.echo(f"Page: {comparison.write_comparison(compared, output)}", err=True)
