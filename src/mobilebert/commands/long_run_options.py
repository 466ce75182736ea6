"""Options that pre-training and distillation have in common."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["long_run_options"]

F = TypeVar("F", bound=Callable[..., Any])


def long_run_options(default_tokenizer: str) -> Callable[[F], F]:
    """Give a command the options.

    Args:
        default_tokenizer: Which one is taken where none is given, in words.

    Returns:
        A decorator.
    """
    options = [
        click.option(
            "--data", metavar="DIR", required=True, help="What prepare-pretraining has written."
        ),
        click.option("--output", metavar="DIR", required=True, help="Directory for the model."),
        click.option("--overwrite", is_flag=True, help="Replace the model that is there."),
        click.option("--resume", is_flag=True, help="Go on where this command was interrupted."),
        click.option(
            "--tokenizer",
            metavar="M",
            help=f"The one the data were prepared with. Default: {default_tokenizer}.",
        ),
        click.option("--tensorboard", is_flag=True, help="Write curves for TensorBoard too."),
    ]

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
