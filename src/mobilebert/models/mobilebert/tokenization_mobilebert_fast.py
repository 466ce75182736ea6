"""The fast tokenizer under its documented qualified name."""

from mobilebert.text import MobileBertTokenizerFast

__all__ = ["MobileBertTokenizerFast"]
