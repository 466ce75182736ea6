"""What pre-training and distillation do with the options they have in common."""

import os
from collections.abc import Mapping
from typing import Any

import click

from mobilebert.commands.setting_options import given_settings
from mobilebert.pretraining.result import PretrainResult
from mobilebert.setting_tables import SettingTable

__all__ = ["finish", "long_run_arguments"]

_NAMES = ("data", "output", "overwrite", "resume", "tokenizer", "tensorboard")


def long_run_arguments(table: type[SettingTable], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the function that does it.

    Args:
        table: The settings of the command.
        options: The options, by name.
    """
    common = {name: options[name] for name in _NAMES}
    return {**common, "progress": True, **given_settings(table, options)}


def finish(result: PretrainResult) -> None:
    """Say what came of a run."""
    if int(os.environ.get("RANK", 0)) == 0:  # torchrun's number of this process
        click.echo(result.summary())
