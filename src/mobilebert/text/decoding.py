"""From token ids back to text."""

from collections.abc import Iterable, Sequence
from typing import Any

from mobilebert.errors import InputError
from mobilebert.text.model_inputs import ModelInputs
from mobilebert.text.tensors import to_python

__all__ = ["TokenDecoding", "clean_up_spaces"]

# Spaces that word-by-word tokenization puts before English punctuation and contractions, in the
# order in which they are removed (transformers, `clean_up_tokenization`).
_SPACED = (" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're")


def clean_up_spaces(text: str) -> str:
    """Remove the spaces before English punctuation and contractions."""
    for spaced in _SPACED:
        text = text.replace(spaced, spaced.strip())
    return text


class TokenDecoding(ModelInputs):
    """Decoding of single rows and of batches."""

    clean_up_tokenization_spaces: bool

    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **kwargs: Any,
    ) -> str:
        """Turn ids into text.

        Args:
            token_ids: One id or a row of ids: a list, numpy array, PyTorch or TensorFlow tensor.
            skip_special_tokens: Whether to leave special tokens out.
            clean_up_tokenization_spaces: Whether to remove spaces before punctuation; the
                tokenizer's own setting by default.
            **kwargs: ``spaces_between_special_tokens`` (pure-Python tokenizer).

        Returns:
            The text.

        Raises:
            InputError: The value is no row of whole numbers.
        """
        text = self._decode(_ids(token_ids), skip_special_tokens, **kwargs)
        clean = clean_up_tokenization_spaces
        if self.clean_up_tokenization_spaces if clean is None else clean:
            return clean_up_spaces(text)
        return text

    def batch_decode(
        self,
        sequences: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Turn rows of ids into texts; the arguments are those of `decode`."""
        return [
            self.decode(row, skip_special_tokens, clean_up_tokenization_spaces, **kwargs)
            for row in to_python(sequences)
        ]

    @staticmethod
    def clean_up_tokenization(out_string: str) -> str:
        """Remove the spaces before English punctuation and contractions."""
        return clean_up_spaces(out_string)

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """Join tokens to text (see the tokenizer classes)."""
        raise NotImplementedError

    def _decode(self, ids: list[int], skip_special_tokens: bool, **kwargs: Any) -> str:
        raise NotImplementedError


def _ids(value: Any) -> list[int]:
    plain = to_python(value)
    if isinstance(plain, int):
        return [plain]
    if isinstance(plain, Iterable) and not isinstance(plain, (str, bytes)):
        ids = list(plain)
        if all(isinstance(id_, int) for id_ in ids):
            return ids
    raise InputError(
        f"Cannot decode {str(value)[:80]!r} ({type(value).__name__}): give one id or one row of "
        "ids (list, numpy array, torch or tf tensor); batch_decode takes several rows."
    )
