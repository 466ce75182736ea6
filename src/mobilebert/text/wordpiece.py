"""Third step of tokenization: greedy longest-match-first WordPiece.

Source: `WordpieceTokenizer` in google-research/bert ``tokenization.py``.
"""

from collections.abc import Container

__all__ = ["WordpieceTokenizer"]


class WordpieceTokenizer:
    """Splits words into the longest pieces that the vocabulary has.

    Args:
        vocab: The pieces; those that continue a word start with "##".
        unk_token: What a word becomes that cannot be spelled in pieces.
        max_input_chars_per_word: Longer words become `unk_token` at once. This bound makes the
            cost of a text linear in its length.
    """

    def __init__(
        self, vocab: Container[str], unk_token: str, max_input_chars_per_word: int = 100
    ) -> None:
        self.vocab = vocab
        self.unk_token = unk_token
        self.max_input_chars_per_word = max_input_chars_per_word

    def tokenize(self, text: str) -> list[str]:
        """Split words separated by whitespace into pieces.

        Args:
            text: Words, already normalized and pre-tokenized.

        Returns:
            The pieces of all words in order.
        """
        return [piece for word in text.split() for piece, _, _ in self.pieces(word)]

    def pieces(self, word: str) -> list[tuple[str, int, int]]:
        """Split one word.

        Args:
            word: The word.

        Returns:
            (piece, start, end) with the characters of the word that each piece covers; one
            `unk_token` over the whole word when some part of it matches no piece.
        """
        unknown = [(self.unk_token, 0, len(word))]
        if len(word) > self.max_input_chars_per_word:
            return unknown
        pieces: list[tuple[str, int, int]] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(len(word), start, -1):
                piece = prefix + word[start:end]
                if piece in self.vocab:
                    break
            else:
                return unknown
            pieces.append((piece, start, end))
            start = end
        return pieces
