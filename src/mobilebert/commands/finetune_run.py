"""What ``mobilebert finetune`` does with its options."""

import os
from collections.abc import Mapping
from typing import Any

import click

from mobilebert.commands.data_options import read_columns, read_label_names
from mobilebert.commands.setting_options import given_settings
from mobilebert.extras import require_training
from mobilebert.training.settings import FinetuneSettings

__all__ = ["run_finetune"]


def run_finetune(options: Mapping[str, Any]) -> None:
    """Tune a model and say what came of it.

    Args:
        options: The options of the command, by name.

    Raises:
        InputError: An option's value is not possible.
        MissingExtraError: PyTorch is not installed.
    """
    require_training("Fine-tuning")
    from mobilebert.training.finetune import finetune

    result = finetune(
        options["task"],
        train=list(options["train"]),
        dev=list(options["dev"]) or None,
        model=options["model"],
        output=options["output"],
        columns=read_columns(options["columns"]),
        encoding=options["encoding"],
        delimiter=options["delimiter"],
        group=options["group"],
        skip_bad_rows=options["skip_bad_rows"],
        label_names=read_label_names(options["label_names"]),
        overwrite=options["overwrite"],
        resume=options["resume"],
        quick=options["quick"],
        seeds=options["seeds"],
        progress=True,
        **given_settings(FinetuneSettings, options),
    )
    if int(os.environ.get("RANK", 0)) == 0:  # torchrun's number of this process
        click.echo(result.summary())
