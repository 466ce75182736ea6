"""A checkpoint between two steps of the recipe: weights and tokenizer, read and written."""

from pathlib import Path

import torch

from mobilebert import MobileBertForPreTraining, MobileBertTokenizerFast
from mobilebert.files import make_directory

__all__ = ["LAST", "load_to_train", "save_with_tokenizer"]

# Of the tokenizer, which is saved behind the weights; written last.
LAST = "tokenizer.json"


def load_to_train(name: str) -> tuple[MobileBertForPreTraining, MobileBertTokenizerFast]:
    """Return a model to be trained on, without dropout, and its tokenizer.

    Args:
        name: A directory, or a name on the hub.
    """
    model = MobileBertForPreTraining.from_pretrained(name, dtype=torch.float32)
    # There are more words than a model of this size can learn by heart.
    model.config.attention_probs_dropout_prob = model.config.hidden_dropout_prob = 0.0
    return model, MobileBertTokenizerFast.from_pretrained(name)


def save_with_tokenizer(
    model: MobileBertForPreTraining, tokenizer: MobileBertTokenizerFast, output: Path
) -> None:
    """Save both.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        output: The directory.
    """
    directory = make_directory(output)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
