"""The result of encoding: a dictionary of model inputs that also maps tokens to text."""

import logging
from collections import UserDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast

from mobilebert.errors import InputError
from mobilebert.text.options import TensorType, parse_choice
from mobilebert.text.tensors import as_tensor

__all__ = ["BatchEncoding", "CharSpan", "Encoding", "TokenSpan"]

logger = logging.getLogger(__name__)


class CharSpan(NamedTuple):
    """Characters from `start` to `end` (exclusive)."""

    start: int
    end: int


class TokenSpan(NamedTuple):
    """Tokens from `start` to `end` (exclusive)."""

    start: int
    end: int


class Encoding(Protocol):
    """What is known about one row: `tokenizers.Encoding` or `EncodedText`."""

    # Only the number of sequences is named here: the two classes' other members agree in name
    # and meaning, but the Rust one has no types.
    @property
    def n_sequences(self) -> int:
        """1 for a single text, 2 for a pair."""

    def __len__(self) -> int: ...


class BatchEncoding(UserDict[str, Any]):
    """Model inputs by name, as lists or tensors, with the mapping back to the text.

    Values are reached as ``x["input_ids"]`` or ``x.input_ids``; ``model(**x)`` works.

    Args:
        data: Name to values.
        encoding: One row's encoding or all rows', for the mapping methods.
        tensor_type: ``"np"``, ``"pt"`` or ``"tf"`` to convert the values.
        prepend_batch_axis: Whether conversion adds a first axis of size 1.
        n_sequences: 1 for single texts, 2 for pairs; taken from the encodings by default.
        is_fast: Whether the encodings come from the Rust tokenizer.
    """

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        encoding: Encoding | Sequence[Encoding] | None = None,
        tensor_type: str | TensorType | None = None,
        prepend_batch_axis: bool = False,
        n_sequences: int | None = None,
        *,
        is_fast: bool | None = None,
    ) -> None:
        super().__init__(data)
        one = encoding is not None and not isinstance(encoding, (list, tuple))
        encodings = cast(Sequence[Encoding] | None, [encoding] if one else encoding)
        self._encodings: list[Encoding] | None = None if encodings is None else list(encodings)
        self._is_fast = self._encodings is not None if is_fast is None else is_fast
        if n_sequences is None and self._encodings:
            n_sequences = self._encodings[0].n_sequences
        self._n_sequences = n_sequences
        self.convert_to_tensors(tensor_type, prepend_batch_axis)

    @property
    def n_sequences(self) -> int | None:
        """1 for single texts, 2 for pairs, None where unknown."""
        return self._n_sequences

    @property
    def is_fast(self) -> bool:
        """Whether the Rust tokenizer made this."""
        return self._is_fast

    @property
    def encodings(self) -> list[Encoding] | None:
        """One encoding a row, or None when the input was already ids."""
        return self._encodings

    def __getitem__(self, item: Any) -> Any:
        """Return the values of a name, a row's encoding, or a slice of all values."""
        if isinstance(item, str):
            return self.data[item]
        if isinstance(item, slice) and not self._is_fast:
            return {name: values[item] for name, values in self.data.items()}
        if self._encodings is not None and isinstance(item, (int, slice)):
            return self._encodings[item]
        raise KeyError(
            f"{item!r} is no key here; use a name ({', '.join(map(str, self.data))}), the number "
            "of a row that was encoded from text, or a slice."
        )

    def __getattr__(self, name: str) -> Any:
        data = self.__dict__.get("data", {})
        if name in data:
            return data[name]
        raise AttributeError(
            f"This encoding has no {name!r}; it has {', '.join(map(str, data)) or 'nothing'}."
        )

    def tokens(self, batch_index: int = 0) -> list[str]:
        """Return the tokens of a row."""
        tokens: list[str] = self._row(batch_index).tokens
        return tokens

    def sequence_ids(self, batch_index: int = 0) -> list[int | None]:
        """Return for each token 0 or 1, the sequence it is from, or None for special tokens."""
        ids: list[int | None] = self._row(batch_index).sequence_ids
        return ids

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """Return for each token the index of its word, None for special tokens."""
        ids: list[int | None] = self._row(batch_index).word_ids
        return ids

    def words(self, batch_index: int = 0) -> list[int | None]:
        """Return `word_ids` (the name before transformers 4.0)."""
        return self.word_ids(batch_index)

    def token_to_sequence(self, batch_or_token_index: int, token_index: int | None = None) -> Any:
        """Return the sequence of a token: ``(token)`` for row 0, or ``(row, token)``."""
        row, token = self._token(batch_or_token_index, token_index)
        return row.token_to_sequence(token)

    def token_to_word(self, batch_or_token_index: int, token_index: int | None = None) -> Any:
        """Return the word of a token: ``(token)`` for row 0, or ``(row, token)``."""
        row, token = self._token(batch_or_token_index, token_index)
        return row.token_to_word(token)

    def token_to_chars(
        self, batch_or_token_index: int, token_index: int | None = None
    ) -> CharSpan | None:
        """Return the source span of a token, None for special tokens."""
        row, token = self._token(batch_or_token_index, token_index)
        span = row.token_to_chars(token)
        return None if span is None else CharSpan(*span)

    def word_to_tokens(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> TokenSpan | None:
        """Return the tokens of a word: ``(word)`` for row 0, or ``(row, word)``."""
        row, word = self._place(batch_or_word_index, word_index)
        span = row.word_to_tokens(word, sequence_index)
        return None if span is None else TokenSpan(*span)

    def word_to_chars(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> CharSpan | None:
        """Return the source span of a word: ``(word)`` for row 0, or ``(row, word)``."""
        row, word = self._place(batch_or_word_index, word_index)
        span = row.word_to_chars(word, sequence_index)
        return None if span is None else CharSpan(*span)

    def char_to_token(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """Return the token over a character: ``(char)`` for row 0, or ``(row, char)``."""
        row, char = self._place(batch_or_char_index, char_index)
        token: int | None = row.char_to_token(char, sequence_index)
        return token

    def char_to_word(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """Return the word over a character: ``(char)`` for row 0, or ``(row, char)``."""
        row, char = self._place(batch_or_char_index, char_index)
        word: int | None = row.char_to_word(char, sequence_index)
        return word

    def _row(self, batch_index: int) -> Any:
        if not self._encodings:
            raise InputError(
                "Tokens, words and characters are known only for encodings made from text by a "
                "tokenizer, not for ids put together otherwise."
            )
        try:
            return self._encodings[batch_index]
        except IndexError:
            raise InputError(
                f"There is no row {batch_index}; this encoding has {len(self._encodings)}."
            ) from None

    def _place(self, batch_or_index: int, index: int | None) -> tuple[Any, int]:
        if index is None:
            return self._row(0), batch_or_index
        return self._row(batch_or_index), index

    def _token(self, batch_or_index: int, index: int | None) -> tuple[Any, int]:
        row, token = self._place(batch_or_index, index)
        return row, token + len(row) if token < 0 else token

    def convert_to_tensors(
        self, tensor_type: str | TensorType | None = None, prepend_batch_axis: bool = False
    ) -> "BatchEncoding":
        """Convert the values in place.

        Args:
            tensor_type: ``"np"``, ``"pt"`` or ``"tf"``; None changes nothing.
            prepend_batch_axis: Whether to add a first axis of size 1.

        Returns:
            This object.

        Raises:
            InputError: Rows have different lengths.
            MissingExtraError: The library is not installed.
        """
        if tensor_type is None:
            return self
        kind = parse_choice(TensorType, tensor_type, "return_tensors")
        for name, value in self.data.items():
            try:
                self.data[name] = as_tensor([value] if prepend_batch_axis else value, kind)
            except InputError as error:
                raise InputError(f"{name}: {error}") from None
        return self

    def to(self, device: Any, *, non_blocking: bool = False) -> "BatchEncoding":
        """Move PyTorch tensors to a device, in place.

        Args:
            device: ``"cuda"``, ``0``, a ``torch.device``, …
            non_blocking: Whether the copy may be asynchronous.

        Returns:
            This object.
        """
        if not isinstance(device, (str, int)) and type(device).__name__ != "device":
            logger.warning("An encoding can be moved to a device, not cast to %r.", device)
            return self
        self.data = {
            name: value.to(device=device, non_blocking=non_blocking)
            if callable(getattr(value, "to", None))
            else value
            for name, value in self.data.items()
        }
        return self
