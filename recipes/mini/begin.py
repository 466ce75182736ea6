"""A checkpoint to train further: its weights as float32, and no dropout.

python recipes/mini/begin.py MODEL OUTPUT
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from mobilebert.files import make_directory

__all__ = ["LAST", "main"]

# Of the tokenizer, which is saved behind the weights; written last.
LAST = "tokenizer.json"


def main(given: Sequence[str] | None = None) -> None:
    """Save it, with its tokenizer.

    Args:
        given: The model, a directory or a name, and the directory for the result.
    """
    import torch

    from mobilebert import MobileBertForPreTraining, MobileBertTokenizerFast

    model, output = sys.argv[1:] if given is None else given
    directory = make_directory(Path(output))
    begun = MobileBertForPreTraining.from_pretrained(model, dtype=torch.float32)
    begun.config.attention_probs_dropout_prob = begun.config.hidden_dropout_prob = 0.0
    begun.save_pretrained(directory)
    MobileBertTokenizerFast.from_pretrained(model).save_pretrained(directory)


if __name__ == "__main__":
    main()
