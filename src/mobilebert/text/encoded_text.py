"""What the pure-Python tokenizer knows about one encoded row: tokens, places and words.

It answers the same questions as `tokenizers.Encoding`, so that both tokenizers fill the same
`BatchEncoding`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

__all__ = ["EncodedText", "TokenSequence"]

Value = TypeVar("Value")


@dataclass(slots=True)
class TokenSequence:
    """One tokenized text, before special tokens.

    Attributes:
        ids: Token ids.
        tokens: Token texts.
        offsets: For each token, its (start, end) in the text, or in its word where the text was
            given as words.
        words: For each token, the index of its word.
    """

    ids: list[int] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    offsets: list[tuple[int, int]] = field(default_factory=list)
    words: list[int] = field(default_factory=list)

    def append(self, id_: int, token: str, offsets: tuple[int, int], word: int) -> None:
        """Add one token."""
        self.ids.append(id_)
        self.tokens.append(token)
        self.offsets.append(offsets)
        self.words.append(word)

    def __getitem__(self, part: slice) -> "TokenSequence":
        return TokenSequence(
            self.ids[part], self.tokens[part], self.offsets[part], self.words[part]
        )


@dataclass(slots=True)
class EncodedText:
    """One row as the model reads it, with the way back to the text.

    Attributes:
        ids: Token ids, special tokens and padding included; all lists have this length.
        tokens: Token texts.
        type_ids: 0 for the first sequence, 1 for the second.
        offsets: Source span of each token, (0, 0) for special tokens.
        word_ids: Word index of each token, None for special tokens.
        sequence_ids: 0 or 1, None for special tokens.
        special_tokens_mask: 1 for special tokens and padding.
        attention_mask: 0 for padding.
        n_sequences: 1 or 2.
    """

    ids: list[int]
    tokens: list[str]
    type_ids: list[int]
    offsets: list[tuple[int, int]]
    word_ids: list[int | None]
    sequence_ids: list[int | None]
    special_tokens_mask: list[int]
    attention_mask: list[int]
    n_sequences: int

    @classmethod
    def of(
        cls,
        ids: Sequence[int],
        sequences: Sequence[TokenSequence],
        cls_token: str | None,
        sep_token: str | None,
    ) -> "EncodedText":
        """Lay out one sequence or a pair, with special tokens where given.

        Args:
            ids: The row's ids, special tokens included.
            sequences: One sequence or two.
            cls_token: First token of the row.
            sep_token: Token after each sequence.
        """
        row = cls(list(ids), [], [], [], [], [], [], [], len(sequences))
        row._add_special(cls_token, 0)
        for index, sequence in enumerate(sequences):
            count = len(sequence.tokens)
            row.tokens += sequence.tokens
            row.offsets += sequence.offsets
            row.word_ids += sequence.words
            row.type_ids += [index] * count
            row.sequence_ids += [index] * count
            row.special_tokens_mask += [0] * count
            row._add_special(sep_token, index)
        row.attention_mask = [1] * len(row.tokens)
        return row

    def _add_special(self, token: str | None, type_id: int) -> None:
        if token is not None:
            self.tokens.append(token)
            self.offsets.append((0, 0))
            self.word_ids.append(None)
            self.type_ids.append(type_id)
            self.sequence_ids.append(None)
            self.special_tokens_mask.append(1)

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def overflowing(self) -> list["EncodedText"]:
        """Always empty: this tokenizer reports overflowing tokens as a list of ids."""
        return []

    def padded(self, count: int, side: str, pad_id: int, pad_token: str) -> "EncodedText":
        """Return a copy with `count` padding tokens on one side."""

        def pad(values: Sequence[Value], filler: Value) -> list[Value]:
            filling = [filler] * count
            return [*filling, *values] if side == "left" else [*values, *filling]

        return EncodedText(
            pad(self.ids, pad_id),
            pad(self.tokens, pad_token),
            pad(self.type_ids, 0),
            pad(self.offsets, (0, 0)),
            pad(self.word_ids, None),
            pad(self.sequence_ids, None),
            pad(self.special_tokens_mask, 1),
            pad(self.attention_mask, 0),
            self.n_sequences,
        )

    def token_to_sequence(self, token_index: int) -> int | None:
        """Return which sequence a token belongs to."""
        return self.sequence_ids[token_index] if token_index < len(self) else None

    def token_to_word(self, token_index: int) -> int | None:
        """Return the word index of a token."""
        return self.word_ids[token_index] if token_index < len(self) else None

    def token_to_chars(self, token_index: int) -> tuple[int, int] | None:
        """Return the source span of a token."""
        if self.token_to_sequence(token_index) is None:
            return None
        return self.offsets[token_index]

    def word_to_tokens(self, word_index: int, sequence_index: int = 0) -> tuple[int, int] | None:
        """Return the range of tokens of a word."""
        found = [
            index
            for index, (word, sequence) in enumerate(
                zip(self.word_ids, self.sequence_ids, strict=True)
            )
            if word == word_index and sequence == sequence_index
        ]
        return (found[0], found[-1] + 1) if found else None

    def word_to_chars(self, word_index: int, sequence_index: int = 0) -> tuple[int, int] | None:
        """Return the source span of a word."""
        tokens = self.word_to_tokens(word_index, sequence_index)
        if tokens is None:
            return None
        return self.offsets[tokens[0]][0], self.offsets[tokens[1] - 1][1]

    def char_to_token(self, char_index: int, sequence_index: int = 0) -> int | None:
        """Return the token that covers a character of the source."""
        for index, (start, end) in enumerate(self.offsets):
            if start <= char_index < end and self.sequence_ids[index] == sequence_index:
                return index
        return None

    def char_to_word(self, char_index: int, sequence_index: int = 0) -> int | None:
        """Return the word that covers a character of the source."""
        token = self.char_to_token(char_index, sequence_index)
        return None if token is None else self.token_to_word(token)
