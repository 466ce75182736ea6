"""From texts to what the model reads: token ids with special tokens, and the way back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mobilebert.errors import InputError
from mobilebert.pipelines.parameters import LengthOptions

__all__ = [
    "ModelInput",
    "SequenceBuilder",
    "TokenizedText",
    "check_text",
    "head_and_tail",
    "longest_first",
]

# A tokenizer without a maximum has 1e30.
NO_MAXIMUM = 10**20

# Sun et al. 2019 (arXiv:1905.05583), section 5.3.1: of 510 tokens, 128 of the head.
_HEAD_SHARE = 4


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """The tokens of one text, before special tokens.

    Attributes:
        ids: Token ids.
        offsets: (start, end) of each token in the text, or in its word where words were given;
            None where the tokenizer has no offsets or they were not asked for.
        words: Index of each token's word; None likewise.
    """

    ids: list[int]
    offsets: list[tuple[int, int]] | None = None
    words: list[int | None] | None = None

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class ModelInput:
    """One sequence as the model reads it.

    Attributes:
        ids: Token ids with special tokens, [S].
        types: Segment ids, [S].
        positions: Places whose vocabulary logits are wanted.
    """

    ids: list[int]
    types: list[int]
    positions: tuple[int, ...] = ()


def check_text(text: Any, what: str = "text") -> str:
    """Check that a text can be tokenized.

    Args:
        text: What was given.
        what: Its role, for the error: text, question, context, ...

    Raises:
        InputError: It is no text, it is empty, or it holds a lone surrogate.
    """
    if not isinstance(text, str):
        raise InputError(f"The {what} must be a string, not {type(text).__name__}: {text!r:.80}.")
    if not text.strip():
        raise InputError(f"The {what} is empty: there is nothing to answer about.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"The {what} holds the lone surrogate U+{ord(text[error.start]):04X} at character "
            f"{error.start}, which is no text; was it read with the wrong encoding?"
        ) from None
    return text


def longest_first(first: int, second: int, room: int) -> tuple[int, int]:
    """Return how many tokens of two texts are kept when the longer one is cut first.

    Args:
        first: Tokens of the first text.
        second: Tokens of the second text.
        room: Tokens that fit, fewer than both have.
    """
    shorter = min(first, second, room // 2)
    longer = room - shorter
    return (shorter, longer) if first <= second else (longer, shorter)


def head_and_tail(length: int, room: int) -> list[int]:
    """Return the places of the tokens that are kept: a quarter from the head, else from the tail.

    Args:
        length: Tokens of the text.
        room: Tokens that fit; all are kept where that is no fewer.
    """
    if length <= room:
        return list(range(length))
    head = room // _HEAD_SHARE
    return [*range(head), *range(length - (room - head), length)]


def _head_and_tail_of(ids: list[int], room: int) -> list[int]:
    return [ids[place] for place in head_and_tail(len(ids), room)]


class SequenceBuilder:
    """Tokenizes texts and builds the sequences of one model.

    Texts are tokenized without special tokens and without truncation: both are added here, so the
    tokenizer's state is never changed and may be shared between threads.

    Args:
        tokenizer: A tokenizer of this library or of transformers.
        positions: Rows of the model's position table.
    """

    def __init__(self, tokenizer: Any, positions: int) -> None:
        self.tokenizer = tokenizer
        longest = getattr(tokenizer, "model_max_length", None) or NO_MAXIMUM
        self.max_length = min(int(longest), positions)
        self.specials: dict[bool, int] = {
            pair: int(tokenizer.num_special_tokens_to_add(pair)) for pair in (False, True)
        }

    def tokenize(
        self, texts: Sequence[Any], *, offsets: bool = False, split_words: bool = False
    ) -> list[TokenizedText]:
        """Tokenize texts, several at once.

        Args:
            texts: Texts, or lists of words with `split_words`.
            offsets: Whether offsets and words are wanted.
            split_words: Whether texts are lists of words.

        Returns:
            The tokens of each text; equal texts share theirs.
        """
        if not texts:
            return []
        if not split_words and len(different := dict.fromkeys(texts)) < len(texts):
            # Several questions about one context, or several labels of one text.
            found = self.tokenize(list(different), offsets=offsets)
            of_text = dict(zip(different, found, strict=True))
            return [of_text[text] for text in texts]
        offsets = offsets and bool(getattr(self.tokenizer, "is_fast", False))
        encoded = self.tokenizer(
            list(texts),
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            return_offsets_mapping=offsets,
            is_split_into_words=split_words,
            verbose=False,
        )
        ids = encoded["input_ids"]
        if not offsets:
            return [TokenizedText(list(row)) for row in ids]
        return [
            TokenizedText(
                list(row),
                [(int(start), int(end)) for start, end in encoded["offset_mapping"][number]],
                list(encoded.word_ids(number)),
            )
            for number, row in enumerate(ids)
        ]

    def room(self, max_length: int | None = None, *, pair: bool = False) -> int:
        """Return how many tokens of text fit beside the special tokens."""
        longest = self.max_length if max_length is None else min(max_length, self.max_length)
        return longest - self.specials[pair]

    def build(self, first: list[int], second: list[int] | None = None) -> ModelInput:
        """Put special tokens around one or two texts: [CLS] A [SEP], [CLS] A [SEP] B [SEP]."""
        return ModelInput(
            self.tokenizer.build_inputs_with_special_tokens(first, second),
            self.tokenizer.create_token_type_ids_from_sequences(first, second),
        )

    def start(self, first: list[int] | None = None) -> int:
        """Return where text begins: the first one, or the second behind `first`."""
        return 1 if first is None else len(first) + 2

    def fit(
        self,
        first: list[int],
        second: list[int] | None,
        lengths: LengthOptions,
        way_out: str = "pass truncation=True",
    ) -> ModelInput:
        """Build a sequence, cut to the model's length if the options say so.

        Args:
            first: Ids of the text.
            second: Ids of its pair, or None.
            lengths: Whether and where to cut.
            way_out: What the error advises.

        Raises:
            InputError: It is too long and may not be cut, or cannot be cut enough.
        """
        room = self.room(lengths.max_length, pair=second is not None)
        length = len(first) + len(second or ())
        if length > room:
            if lengths.strategy is None:
                raise InputError(
                    f"The text has {length} tokens, but {room} fit into the model beside its "
                    f"special tokens; shorten it or {way_out}."
                )
            first, second = self._cut(first, second, length - room, lengths.strategy)
        return self.build(first, second)

    def _cut(
        self, first: list[int], second: list[int] | None, excess: int, strategy: str
    ) -> tuple[list[int], list[int] | None]:
        keep = len(first) + len(second or ()) - excess
        if second is None:
            cut_one = strategy == "head_tail"
            return (_head_and_tail_of(first, keep) if cut_one else first[:keep]), None
        if strategy in ("longest_first", "head_tail"):
            one, other = longest_first(len(first), len(second), keep)
            if strategy == "head_tail":
                return _head_and_tail_of(first, one), _head_and_tail_of(second, other)
            return first[:one], second[:other]
        cut, whole = (first, second) if strategy == "only_first" else (second, first)
        if excess >= len(cut):
            raise InputError(
                f"The pair is {excess} tokens too long, and truncation={strategy!r} has only "
                f"{len(cut)} tokens to cut; shorten the other text ({len(whole)} tokens)."
            )
        cut = cut[: len(cut) - excess]
        return (cut, second) if strategy == "only_first" else (first, cut)
