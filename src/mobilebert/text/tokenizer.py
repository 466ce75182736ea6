"""The calls both tokenizers share: from texts to model inputs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mobilebert.errors import ArgumentError, InputError
from mobilebert.text.encoding import BatchEncoding
from mobilebert.text.inputs import is_batch, paired
from mobilebert.text.options import TensorType
from mobilebert.text.request import Request
from mobilebert.text.signatures import ENCODING_OPTIONS, ROW_OPTIONS, takes_options
from mobilebert.text.stored_tokenizer import StoredTokenizer

__all__ = ["PreTrainedTokenizer"]


class PreTrainedTokenizer(StoredTokenizer):
    """Everything `MobileBertTokenizer` and `MobileBertTokenizerFast` have in common."""

    def __call__(
        self,
        text: Any = None,
        text_pair: Any = None,
        text_target: Any = None,
        text_pair_target: Any = None,
        add_special_tokens: bool = True,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        stride: int = 0,
        is_split_into_words: bool = False,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_tensors: str | TensorType | None = None,
        return_token_type_ids: bool | None = None,
        return_attention_mask: bool | None = None,
        return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
        return_length: bool = False,
        verbose: bool = True,
        **kwargs: Any,
    ) -> BatchEncoding:
        """Turn texts into model inputs.

        Args:
            text: A text, a list of texts or of (text, text_pair); with `is_split_into_words` a
                list of words or a list of such lists.
            text_pair: The second text of each pair, in the form of `text`.
            text_target: Texts whose ids become ``labels``.
            text_pair_target: Second texts of the targets.
            add_special_tokens: Whether to add [CLS] and [SEP].
            padding: True or ``"longest"``, ``"max_length"``, or False.
            truncation: True or ``"longest_first"``, ``"only_first"``, ``"only_second"``, or
                False.
            max_length: Length in tokens for padding and truncation; ``model_max_length`` where
                one is needed.
            stride: Tokens shared by neighbouring parts of an overflowing text.
            is_split_into_words: Whether texts are given as words.
            pad_to_multiple_of: Round padded lengths up to a multiple of this.
            padding_side: ``"left"`` or ``"right"``.
            return_tensors: ``"np"``, ``"pt"`` or ``"tf"``; None gives lists.
            return_token_type_ids: Whether to return ``token_type_ids``.
            return_attention_mask: Whether to return ``attention_mask``.
            return_overflowing_tokens: Whether to return what truncation cut off.
            return_special_tokens_mask: Whether to return ``special_tokens_mask``.
            return_offsets_mapping: Whether to return ``offset_mapping``: (start, end) of each
                token in characters of its text.
            return_length: Whether to return ``length`` in tokens.
            verbose: Whether to log advice.
            **kwargs: ``split_special_tokens``: whether special tokens in the text are text.

        Returns:
            Model inputs by name: one row for one text, else a list of rows.

        Raises:
            InputError: The text has none of the allowed forms, holds lone surrogates, or an
                option has an impossible value.
            ArgumentError: There is no such option.
        """
        if text is None and text_target is None:
            raise InputError("Give a text (text=) or a target text (text_target=).")
        request = self._request(
            add_special_tokens=add_special_tokens,
            padding=padding,
            truncation=truncation,
            max_length=max_length,
            stride=stride,
            is_split_into_words=is_split_into_words,
            pad_to_multiple_of=pad_to_multiple_of,
            padding_side=padding_side,
            return_tensors=return_tensors,
            return_token_type_ids=return_token_type_ids,
            return_attention_mask=return_attention_mask,
            return_overflowing_tokens=return_overflowing_tokens,
            return_special_tokens_mask=return_special_tokens_mask,
            return_offsets_mapping=return_offsets_mapping,
            return_length=return_length,
            verbose=verbose,
            **kwargs,
        )
        if text_target is None:
            return self._encode(text, text_pair, request)
        targets = self._encode(text_target, text_pair_target, request)
        if text is None:
            return targets
        encoding = self._encode(text, text_pair, request)
        encoding["labels"] = targets["input_ids"]
        return encoding

    def _encode(self, text: Any, text_pair: Any, request: Request) -> BatchEncoding:
        if is_batch(text, text_pair, split=request.is_split_into_words):
            return self._encode_batch(paired(text, text_pair), request)
        return self._encode_one(text, text_pair, request)

    def _encode_one(self, text: Any, text_pair: Any, request: Request) -> BatchEncoding:
        raise NotImplementedError

    def _encode_batch(self, texts: Sequence[Any], request: Request) -> BatchEncoding:
        raise NotImplementedError

    @takes_options(*ENCODING_OPTIONS)
    def encode_plus(
        self, text: Any, text_pair: Any = None, add_special_tokens: bool = True, **options: Any
    ) -> BatchEncoding:
        """Encode one text or pair; the options are those of ``__call__``."""
        request = self._request(add_special_tokens=add_special_tokens, **options)
        return self._encode_one(text, text_pair, request)

    @takes_options(*ENCODING_OPTIONS)
    def batch_encode_plus(
        self, batch_text_or_text_pairs: Any, add_special_tokens: bool = True, **options: Any
    ) -> BatchEncoding:
        """Encode a list of texts or of pairs; the options are those of ``__call__``."""
        if not isinstance(batch_text_or_text_pairs, (list, tuple)):
            raise ArgumentError(
                "batch_encode_plus takes a list of texts or of pairs, not "
                f"{type(batch_text_or_text_pairs).__name__}; use encode_plus for one text."
            )
        request = self._request(add_special_tokens=add_special_tokens, **options)
        return self._encode_batch(batch_text_or_text_pairs, request)

    @takes_options(*ROW_OPTIONS)
    def encode(
        self, text: Any, text_pair: Any = None, add_special_tokens: bool = True, **options: Any
    ) -> Any:
        """Encode one text or pair and return its ids only; the options are those of ``__call__``.

        Returns:
            A list of ids, or a tensor of shape (1, S) with `return_tensors`.
        """
        return self.encode_plus(text, text_pair, add_special_tokens, **options)["input_ids"]

    def tokenize(
        self, text: str, pair: str | None = None, add_special_tokens: bool = False, **options: Any
    ) -> list[str]:
        """Split a text (and its pair) into tokens.

        Args:
            text: The text.
            pair: A second text.
            add_special_tokens: Whether to add [CLS] and [SEP].
            **options: The options of ``__call__``.

        Returns:
            The tokens.
        """
        return self.encode_plus(text, pair, add_special_tokens, **options).tokens()

    @contextmanager
    def as_target_tokenizer(self) -> Iterator[None]:
        """Do nothing: targets are tokenized as texts are (use ``text_target=`` instead)."""
        yield
