"""The vocabulary file: one word piece a line, its id the line number from 0."""

import io
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from mobilebert.errors import InputError
from mobilebert.files import read_text

__all__ = [
    "ADDED_TOKENS_FILE",
    "SPECIAL_TOKENS_MAP_FILE",
    "TOKENIZER_CONFIG_FILE",
    "TOKENIZER_FILE",
    "TOKENIZER_FILES",
    "VOCAB_FILE",
    "load_vocab",
    "vocab_text",
]

VOCAB_FILE = "vocab.txt"
TOKENIZER_FILE = "tokenizer.json"
TOKENIZER_CONFIG_FILE = "tokenizer_config.json"
SPECIAL_TOKENS_MAP_FILE = "special_tokens_map.json"
ADDED_TOKENS_FILE = "added_tokens.json"
# All that a tokenizer may come with.
TOKENIZER_FILES = (
    VOCAB_FILE,
    TOKENIZER_FILE,
    TOKENIZER_CONFIG_FILE,
    SPECIAL_TOKENS_MAP_FILE,
    ADDED_TOKENS_FILE,
)

logger = logging.getLogger(__name__)


def load_vocab(vocab_file: str | os.PathLike[str]) -> dict[str, int]:
    """Read a vocabulary file.

    Args:
        vocab_file: Path of a UTF-8 text file, one token a line.

    Returns:
        Token to id, in file order. A token that stands twice has its last line's number.

    Raises:
        InputError: The file does not exist.
        CheckpointError: The file is not UTF-8; the message names the line.
    """
    if not Path(vocab_file).is_file():
        raise InputError(
            f"There is no vocabulary file {str(vocab_file)!r}. Name a vocab.txt, or load a "
            "checkpoint with MobileBertTokenizer.from_pretrained(name_or_directory)."
        )
    # newline=None: all three kinds of line end count, as for a file opened in text mode.
    lines = io.StringIO(read_text(vocab_file), newline=None)
    return {line.rstrip("\n"): index for index, line in enumerate(lines)}


def vocab_text(vocab: Mapping[str, int]) -> str:
    """Write a vocabulary as the content of a vocabulary file.

    Ids with gaps cannot be kept, since the line number is the id; that is warned about.
    """
    ordered = sorted(vocab.items(), key=lambda item: item[1])
    gap = next((index for index, (_, id_) in enumerate(ordered) if id_ != index), None)
    if gap is not None:
        logger.warning(
            "Vocabulary ids are not consecutive: token %r has id %d but goes to line %d of the "
            "file. Is the vocabulary damaged?",
            *ordered[gap],
            gap,
        )
    return "".join(f"{token}\n" for token, _ in ordered)
