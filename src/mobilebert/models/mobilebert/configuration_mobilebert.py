"""The configuration under its documented qualified name."""

from mobilebert.config import MobileBertConfig

__all__ = ["MobileBertConfig"]
