"""A WordPiece vocabulary for other text: `mobilebert.train_tokenizer`."""

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mobilebert.corpora.progress import TextBar, tell
from mobilebert.corpora.text_files import TextFile, find_files, open_text
from mobilebert.errors import InputError
from mobilebert.text import MobileBertTokenizerFast
from mobilebert.text.rust import build, set_template
from mobilebert.text.training import train_like

__all__ = ["TrainedVocabulary", "train_tokenizer"]

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""In the order of BERT's vocabularies; [PAD] is 0, which configurations say too."""

_PREFIX = "##"
# Characters that may stand in words: more are as rare as typing errors (the default of
# tokenizers.BertWordPieceTokenizer).
_MOST_CHARACTERS = 1000
_LEAST_SIZE, _MOST_SIZE = 64, 2**20
# Positions of published models.
_MAX_LENGTH = 512
# Texts given to the library at a time.
_BATCH = 1000

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class TrainedVocabulary:
    """What came of training a vocabulary.

    Attributes:
        directory: Where the tokenizer's files are.
        tokens: How many tokens it has.
        wanted: How many were asked for.
        characters: Characters of text.
        alphabet: Different characters that stand in words.
        seconds: How long it took.
    """

    directory: Path
    tokens: int
    wanted: int
    characters: int
    alphabet: int
    seconds: float

    def summary(self) -> str:
        """Say it."""
        lines = [
            f"{self.tokens:,} tokens, with {self.alphabet:,} characters, from "
            f"{self.characters / 1e6:,.2f} million characters in {self.seconds:,.1f} s."
        ]
        if self.tokens < self.wanted:
            lines.append(
                f"{self.wanted:,} were asked for: the text has no more pieces that are frequent "
                "enough. Give more text, a smaller --vocab-size or a smaller --min-frequency."
            )
        lines.append(f"Tokenizer: {self.directory}")
        return "\n".join(lines)


def train_tokenizer(
    input: PathLike | Sequence[PathLike],
    output: PathLike,
    *,
    vocab_size: int = 30522,
    min_frequency: int = 2,
    lower_case: bool = True,
    strip_accents: bool | None = None,
    special_tokens: Sequence[str] = (),
    encoding: str | None = None,
    text_column: str | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> TrainedVocabulary:
    """Train a WordPiece vocabulary, and write a tokenizer that `from_pretrained` loads.

    Words are found as both tokenizers find them. The same text and arguments give the same files.

    Args:
        input: Files of text, .jsonl or .parquet, and directories of them; they are read twice.
        output: Directory for the tokenizer.
        vocab_size: Tokens at most, special ones included.
        min_frequency: How often a piece must occur to become a token.
        lower_case: Whether text is lower-cased.
        strip_accents: Whether accents are removed; None follows `lower_case`.
        special_tokens: Special tokens beside those of BERT.
        encoding: Of text files; guessed by default.
        text_column: Where rows have their text; looked for by default.
        overwrite: Whether a tokenizer that is there is replaced.
        progress: Whether a bar and facts are written to standard error.

    Returns:
        What came of it.

    Raises:
        InputError: A value is not possible, text cannot be read, or there is none.
        CheckpointError: The directory cannot be written.
    """
    began = time.monotonic()
    special = _special(special_tokens)
    _check_number("vocab_size", vocab_size, max(_LEAST_SIZE, 2 * len(special)), _MOST_SIZE)
    _check_number("min_frequency", min_frequency, 1, 10**9)
    directory = Path(output)
    _check_directory(directory, overwrite)
    files = [
        open_text(file, encoding=encoding, text_column=text_column)
        for file in find_files([input] if isinstance(input, str | os.PathLike) else list(input))
    ]
    if progress:
        tell(file.fact for file in files)
    options = {
        "do_lower_case": lower_case,
        "strip_accents": strip_accents,
        "additional_special_tokens": list(special_tokens) or None,
        "model_max_length": _MAX_LENGTH,
        "clean_up_tokenization_spaces": True,
    }
    empty = _tokenizer({token: id_ for id_, token in enumerate(special)}, options)
    alphabet, characters = _alphabet(files, empty, (vocab_size - len(special)) // 2, progress)
    with TextBar("Training", characters, shown=progress) as bar:
        vocab = _learn(_batches(files, bar), empty, special, alphabet, vocab_size, min_frequency)
    tokenizer = _tokenizer(vocab, options)
    tokenizer.save_pretrained(directory)
    return TrainedVocabulary(
        directory, len(tokenizer), vocab_size, characters, len(alphabet), time.monotonic() - began
    )


def _tokenizer(vocab: Mapping[str, int], options: Mapping[str, Any]) -> MobileBertTokenizerFast:
    built = build(vocab, "[UNK]", _PREFIX)
    set_template(built, "[CLS]", "[SEP]")
    return MobileBertTokenizerFast(tokenizer_object=built, **options)


def _learn(
    texts: Iterator[list[str]],
    tokenizer: MobileBertTokenizerFast,
    special: Sequence[str],
    alphabet: Sequence[str],
    vocab_size: int,
    min_frequency: int,
) -> dict[str, int]:
    """Find the pieces that are most frequent.

    The library gives ids to characters inside words in the order of a hash table, which begins
    otherwise in each process, and ids decide between pieces that are equally frequent. So those
    characters are given to it as special tokens, which have their places beforehand.

    Args:
        texts: The text.
        tokenizer: Finds words.
        special: Special tokens.
        alphabet: Characters of words.
        vocab_size: Tokens at most.
        min_frequency: How often a piece must occur.

    Returns:
        Token -> id.
    """
    inside = [f"{_PREFIX}{character}" for character in alphabet]
    trained = train_like(
        tokenizer.backend_tokenizer,
        texts,
        vocab_size,
        length=None,
        special_tokens=[*special, *inside],
        unk_token="[UNK]",
        template=("[CLS]", "[SEP]"),
        options={
            "min_frequency": min_frequency,
            "limit_alphabet": len(alphabet),
            "initial_alphabet": list(alphabet),
        },
    )
    return dict(trained.get_vocab(with_added_tokens=False))


def _special(added: Sequence[str]) -> list[str]:
    tokens = [*SPECIAL_TOKENS, *added]
    for token in added:
        if not token.strip() or tokens.count(token) > 1:
            raise InputError(
                f"A special token is a text that is no other special token, not {token!r}; "
                f"{', '.join(SPECIAL_TOKENS)} are there anyway."
            )
    return tokens


def _check_number(name: str, value: Any, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InputError(f"{name} must be a whole number from {least} to {most:,}, not {value!r}.")


def _check_directory(directory: Path, overwrite: bool) -> None:
    if directory.exists() and not directory.is_dir():
        raise InputError(f"{directory} is a file; --output takes a directory.")
    if not overwrite and directory.is_dir() and any(directory.iterdir()):
        raise InputError(
            f"{directory} is not empty; choose another --output, or replace the tokenizer there "
            "with --overwrite."
        )


def _alphabet(
    files: Sequence[TextFile], tokenizer: MobileBertTokenizerFast, most: int, progress: bool
) -> tuple[list[str], int]:
    """Find the characters that words are made of.

    The library chooses among equally rare ones by chance, so they are chosen here: the most
    frequent ones, and of equally frequent ones the first.

    Args:
        files: The text.
        tokenizer: Normalises it.
        most: How many at most.
        progress: Whether a bar is shown.

    Returns:
        The characters, and how many the text has in all.

    Raises:
        InputError: There is no text.
    """
    counts: Counter[str] = Counter()
    with TextBar("Reading", None, shown=progress) as bar:
        for batch in _batches(files, bar):
            for text in batch:
                counts.update(text)
    normalizer = tokenizer.backend_tokenizer.normalizer
    normalized: Counter[str] = Counter()
    for character, count in counts.items():
        for part in normalizer.normalize_str(character):
            if not part.isspace():
                normalized[part] += count
    if not normalized:
        raise InputError(f"{files[0].path} has no text to train a vocabulary on.")
    ranked = sorted(normalized, key=lambda character: (-normalized[character], character))
    return sorted(ranked[: min(most, _MOST_CHARACTERS)]), counts.total()


def _batches(files: Sequence[TextFile], bar: TextBar) -> Iterator[list[str]]:
    for file in files:
        batch: list[str] = []
        for _, text in file.read():
            batch.append(text)
            if len(batch) == _BATCH:
                bar.read(sum(map(len, batch)))
                yield batch
                batch = []
        bar.read(sum(map(len, batch)))
        yield batch
