"""Building and configuring the Rust tokenizer behind `MobileBertTokenizerFast`."""

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from mobilebert.errors import CheckpointError, InputError
from mobilebert.files import read_text
from mobilebert.text.options import Lengths, PaddingStrategy

__all__ = [
    "ConfiguredTokenizers",
    "Settings",
    "build",
    "read",
    "set_normalizer",
    "set_template",
    "truncation_error",
]


def build(vocab: Mapping[str, int], unk_token: str, prefix: str) -> Tokenizer:
    """Build a BERT tokenizer from a vocabulary; normalizer and template come separately.

    Args:
        vocab: Token to id.
        unk_token: The unknown token.
        prefix: What a piece that continues a word begins with.
    """
    model = models.WordPiece(
        vocab=dict(vocab),
        unk_token=unk_token,
        continuing_subword_prefix=prefix,
        max_input_chars_per_word=100,
    )
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix=prefix)
    return tokenizer


def read(path: Any) -> Tokenizer:
    """Read tokenizer.json.

    Args:
        path: The file.

    Raises:
        CheckpointError: The file is missing, damaged, or no WordPiece tokenizer.
    """
    text = read_text(path)
    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # the Rust library raises plain Exception
        raise CheckpointError(f"{path} is not a valid tokenizer.json: {error}") from None
    if not isinstance(tokenizer.model, models.WordPiece):
        raise CheckpointError(
            f"{path} has a {type(tokenizer.model).__name__} model; MobileBERT uses WordPiece."
        )
    if tokenizer.post_processor is not None:
        # The library reads a template with undefined tokens, and panics when a text is encoded.
        undefined = _undefined_tokens(json.loads(tokenizer.post_processor.__getstate__()))
        if undefined:
            raise CheckpointError(
                f"{path} puts {', '.join(map(repr, sorted(undefined)))} around texts without "
                "saying which ids that means; take the model's original file."
            )
    return tokenizer


def _undefined_tokens(processor: Mapping[str, Any]) -> set[str]:
    """List the special tokens that a post-processor's templates use and do not define."""
    used: set[str] = {
        piece["SpecialToken"]["id"]
        for template in ("single", "pair")
        for piece in processor.get(template, ())
        if "SpecialToken" in piece
    }
    undefined = used.difference(processor.get("special_tokens", ()))
    return undefined.union(*map(_undefined_tokens, processor.get("processors", ())))


def set_normalizer(
    tokenizer: Tokenizer,
    lowercase: bool,
    strip_accents: bool | None,
    handle_chinese_chars: bool,
    clean_text: bool | None,
) -> None:
    """Set the options of the BERT normalizer.

    Args:
        tokenizer: The tokenizer, changed in place.
        lowercase: Whether to lower-case the text.
        strip_accents: Whether to remove accents; None follows `lowercase`.
        handle_chinese_chars: Whether each CJK ideograph is a word.
        clean_text: Whether to drop controls and unify whitespace; None leaves it as it is.
    """
    settings: dict[str, Any] = {
        "lowercase": lowercase,
        "strip_accents": strip_accents,
        "handle_chinese_chars": handle_chinese_chars,
    }
    if clean_text is not None:
        settings["clean_text"] = clean_text
    current: dict[str, Any] = {"type": "BertNormalizer"}
    if tokenizer.normalizer is not None:
        current = json.loads(tokenizer.normalizer.__getstate__())
    if current.pop("type") != "BertNormalizer" or all(
        name in current and current[name] == value for name, value in settings.items()
    ):
        return
    normalizer = normalizers.BertNormalizer(**{**current, **settings})
    tokenizer.normalizer = normalizer


def set_template(tokenizer: Tokenizer, cls_token: str | None, sep_token: str | None) -> None:
    """Set where special tokens go: ``[CLS] A [SEP]`` and ``[CLS] A [SEP] B [SEP]``.

    Args:
        tokenizer: The tokenizer, changed in place; it must know both tokens.
        cls_token: First token of a row, or None.
        sep_token: Token after each sequence, or None.
    """

    def piece(token: str | None, type_id: int) -> list[str]:
        return [] if token is None else [f"{token}:{type_id}"]

    single = [*piece(cls_token, 0), "$A:0", *piece(sep_token, 0)]
    special = {t: tokenizer.token_to_id(t) for t in (cls_token, sep_token) if t is not None}
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single,
        pair=[*single, "$B:1", *piece(sep_token, 1)],
        special_tokens=list(special.items()),
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """State of the Rust tokenizer that one call needs.

    Attributes:
        truncation: Arguments of ``enable_truncation``, sorted pairs; None for no truncation.
        padding: Arguments of ``enable_padding``, sorted pairs; None for no padding.
        split_special_tokens: Whether special tokens in the text are text.
    """

    truncation: tuple[tuple[str, Any], ...] | None = None
    padding: tuple[tuple[str, Any], ...] | None = None
    split_special_tokens: bool = False

    @classmethod
    def of(
        cls, lengths: Lengths, pad: tuple[int | None, str | None, int], split_special_tokens: bool
    ) -> "Settings":
        """Word the lengths of a call for the Rust tokenizer.

        Args:
            lengths: Padding and truncation.
            pad: Padding id, padding token, token type of padding.
            split_special_tokens: Whether special tokens in the text are text.
        """
        truncation = padding = None
        if lengths.truncates:
            truncation = (
                ("direction", lengths.truncation_side),
                ("max_length", lengths.max_length),
                ("strategy", str(lengths.truncation)),
                ("stride", lengths.stride),
            )
        if lengths.pads:
            longest = lengths.padding is PaddingStrategy.LONGEST
            padding = (
                ("direction", lengths.padding_side),
                ("length", None if longest else lengths.max_length),
                ("pad_id", pad[0]),
                ("pad_to_multiple_of", lengths.pad_to_multiple_of),
                ("pad_token", pad[1]),
                ("pad_type_id", pad[2]),
            )
        return cls(truncation, padding, split_special_tokens)


class ConfiguredTokenizers:
    """Copies of a tokenizer, one for each combination of settings.

    Truncation and padding are state of the Rust object. Changing them for a call would change
    them under other threads, so every combination has a copy that is never changed again. The
    copies share the vocabulary; the last ones used are kept.

    Args:
        original: The tokenizer; it may be changed, copies made before are then dropped.
        never_split: Words that are matched as whole words and kept.
    """

    _KEPT = 16

    def __init__(self, original: Tokenizer, never_split: Sequence[str] = ()) -> None:
        self._original = original
        self._never_split = tuple(never_split)
        self._copies: OrderedDict[Settings, Tokenizer] = OrderedDict()
        self._state: Any = None
        self._lock = threading.Lock()

    def get(self, settings: Settings) -> Tokenizer:
        """Return the tokenizer with these settings."""
        original = self._original
        plain = settings == Settings() and not self._never_split
        if plain and original.truncation is None and original.padding is None:
            if not original.encode_special_tokens:
                return original
        state = self._state_of_original()
        with self._lock:
            if state != self._state:
                self._copies.clear()
                self._state = state
            copy = self._copies.get(settings)
            if copy is None:
                copy = self._copies[settings] = self._configured(settings)
                if len(self._copies) > self._KEPT:
                    self._copies.popitem(last=False)
            self._copies.move_to_end(settings)
            return copy

    def forget(self) -> None:
        """Drop all copies, because the original has changed."""
        with self._lock:
            self._copies.clear()

    def _state_of_original(self) -> Any:
        """Return what shows that the original's parts were replaced or tokens added."""
        original = self._original
        parts = (original.normalizer, original.pre_tokenizer, original.post_processor)
        states = tuple(None if part is None else part.__getstate__() for part in parts)
        return (*states, original.get_vocab_size())

    def _configured(self, settings: Settings) -> Tokenizer:
        copy = _copy(self._original)
        if self._never_split:
            copy.add_tokens(
                [AddedToken(word, single_word=True, normalized=False) for word in self._never_split]
            )
        copy.encode_special_tokens = settings.split_special_tokens
        if settings.truncation is not None:
            copy.enable_truncation(**dict(settings.truncation))
        if settings.padding is not None:
            copy.enable_padding(**dict(settings.padding))
        return copy


def _copy(original: Tokenizer) -> Tokenizer:
    """Copy a tokenizer; the vocabulary is shared, which a deep copy would not do."""
    copy = Tokenizer(original.model)
    if original.normalizer is not None:
        copy.normalizer = original.normalizer
    if original.pre_tokenizer is not None:
        copy.pre_tokenizer = original.pre_tokenizer
    if original.post_processor is not None:
        copy.post_processor = original.post_processor
    if original.decoder is not None:
        copy.decoder = original.decoder
    added = original.get_added_tokens_decoder()
    for _, token in sorted(added.items()):
        if token.special:
            copy.add_special_tokens([token])
        else:
            copy.add_tokens([token])
    if copy.get_added_tokens_decoder().keys() != added.keys():
        # Ids with gaps cannot be given by adding in order; the slow way keeps them.
        copy = Tokenizer.from_str(original.to_str())
        copy.no_truncation()
        copy.no_padding()
    return copy


def truncation_error(error: BaseException) -> InputError:
    """Word an error of the Rust tokenizer about truncation."""
    text = str(error).strip().rstrip(",.")
    return InputError(
        f"The text cannot be truncated as asked: {text[:200]}. Use a larger max_length, a smaller "
        "stride, or truncation='longest_first'."
    )
