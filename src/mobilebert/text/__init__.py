"""Tokenizers: from text to token ids and back."""

from tokenizers import AddedToken

from mobilebert.text.characters import (
    is_control as _is_control,
    is_punctuation as _is_punctuation,
    is_whitespace as _is_whitespace,
)
from mobilebert.text.encoding import BatchEncoding, CharSpan, TokenSpan
from mobilebert.text.fast import MobileBertTokenizerFast
from mobilebert.text.options import PaddingStrategy, TensorType, TruncationStrategy
from mobilebert.text.pretokenize import BasicTokenizer
from mobilebert.text.slow import MobileBertTokenizer
from mobilebert.text.tokenizer import PreTrainedTokenizer
from mobilebert.text.vocabulary import load_vocab
from mobilebert.text.wordpiece import WordpieceTokenizer

__all__ = [
    "AddedToken",
    "BasicTokenizer",
    "BatchEncoding",
    "CharSpan",
    "MobileBertTokenizer",
    "MobileBertTokenizerFast",
    "PaddingStrategy",
    "PreTrainedTokenizer",
    "TensorType",
    "TokenSpan",
    "TruncationStrategy",
    "WordpieceTokenizer",
    "_is_control",
    "_is_punctuation",
    "_is_whitespace",
    "load_vocab",
]
