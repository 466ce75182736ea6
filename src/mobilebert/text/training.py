"""Training a WordPiece vocabulary on new text with an existing tokenizer's settings."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tokenizers import AddedToken, Tokenizer, trainers

from mobilebert.text.rust import set_template

__all__ = ["train_like"]


def train_like(
    tokenizer: Tokenizer,
    texts: Iterable[Any],
    vocab_size: int,
    *,
    length: int | None,
    special_tokens: Sequence[AddedToken | str],
    unk_token: str,
    template: tuple[str | None, str | None],
    options: Mapping[str, Any],
) -> Tokenizer:
    """Train a new vocabulary.

    Args:
        tokenizer: Where normalizer, pre-tokenizer and decoder come from.
        texts: Texts or lists of texts.
        vocab_size: Number of tokens wanted, special ones included.
        length: Number of items of `texts`, for a progress bar (``show_progress=True``).
        special_tokens: Tokens that come first in the vocabulary.
        unk_token: The unknown token.
        template: First token of a row and token after each sequence.
        options: Arguments of `tokenizers.trainers.WordPieceTrainer`.

    Returns:
        A new tokenizer.
    """
    description = json.loads(tokenizer.to_str())
    description.update(added_tokens=[], post_processor=None, truncation=None, padding=None)
    description["model"].update(vocab={}, unk_token=unk_token)
    trained = Tokenizer.from_str(json.dumps(description))
    prefix = description["model"]["continuing_subword_prefix"]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        special_tokens=list(special_tokens),
        **{"continuing_subword_prefix": prefix, "show_progress": False, **options},
    )
    trained.train_from_iterator(texts, trainer=trainer, length=length)
    set_template(trained, *template)
    return trained
