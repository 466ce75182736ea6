"""Options that a command has, but not for what it is given: refused, rather than ignored."""

from collections.abc import Collection

import click
from click.core import ParameterSource

from mobilebert.errors import InputError

__all__ = ["refuse_unused"]

_NOT_GIVEN = (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)


def refuse_unused(names: Collection[str], where: str) -> None:
    """Refuse options of the running command that were given and have no use.

    Args:
        names: The parameters without use, as the command's function calls them.
        where: What they are of no use for, such as "without --data".

    Raises:
        InputError: One of them was given.
    """
    context = click.get_current_context()
    given = [
        option.opts[0]
        for option in context.command.params
        if option.name in names and context.get_parameter_source(option.name) not in _NOT_GIVEN
    ]
    if given:
        verb = "has" if len(given) == 1 else "have"
        raise InputError(f"{', '.join(given)} {verb} no use {where}; leave out what has none.")
