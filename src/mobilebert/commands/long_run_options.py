"""Options that pre-training and distillation have in common."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["long_run_options"]

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = [
    click.option(
        "--data", metavar="DIR", required=True, help="What prepare-pretraining has written."
    ),
    click.option("--output", metavar="DIR", required=True, help="Directory for the model."),
    click.option("--overwrite", is_flag=True, help="Replace the model that is there."),
    click.option("--resume", is_flag=True, help="Go on where this command was interrupted."),
    click.option(
        "--tokenizer",
        metavar="M",
        help="The one the data were prepared with. Default: of the model begun with, or bundled.",
    ),
    click.option("--tensorboard", is_flag=True, help="Write curves for TensorBoard too."),
]


def long_run_options(command: F) -> F:
    """Give a command the options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
