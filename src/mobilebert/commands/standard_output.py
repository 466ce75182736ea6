"""Writing to standard output, where a full disk is one sentence as well."""

import click

from mobilebert.errors import InputError

__all__ = ["write_stdout"]


def write_stdout(text: str) -> None:
    """Write text as it is, in UTF-8 in every locale.

    Args:
        text: What to write; a lone surrogate, of a column that is not read, is shown escaped.

    Raises:
        InputError: It cannot be written.
        BrokenPipeError: Nobody reads any more, which is no error of the user's.
    """
    try:
        click.echo(text.encode("utf-8", errors="backslashreplace"), nl=False)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InputError(f"Cannot write standard output: {error.strerror or error}.") from None
