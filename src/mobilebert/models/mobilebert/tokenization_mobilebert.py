"""The pure-Python tokenizer under its documented qualified name."""

from mobilebert.text import MobileBertTokenizer

__all__ = ["MobileBertTokenizer"]
