"""The model with weights of float16, which halves its file, and the dropout of its preset.

python recipes/mini/halve.py MODEL OUTPUT
"""

from collections.abc import Sequence
from pathlib import Path

from by_itself import run_script

from mobilebert.files import make_directory

__all__ = ["LAST", "main"]

# Of the tokenizer, which is saved behind the weights; written last.
LAST = "tokenizer.json"


def main(given: Sequence[str]) -> None:
    """Save it, with its tokenizer.

    It was trained without dropout of attentions, as there are more words than it can learn by
    heart; those who tune it on few rows want the preset's.

    Args:
        given: The directories of the model and for the result.
    """
    import torch

    from mobilebert import (
        MobileBertConfig,
        MobileBertForPreTraining,
        MobileBertTokenizerFast,
    )

    model, output = map(Path, given)
    halved = MobileBertForPreTraining.from_pretrained(model, dtype=torch.float16)
    usual = MobileBertConfig.preset("mobilebert-mini").attention_probs_dropout_prob
    halved.config.attention_probs_dropout_prob = usual
    tokenizer = MobileBertTokenizerFast.from_pretrained(model)
    directory = make_directory(output)
    halved.save_pretrained(directory)
    tokenizer.save_pretrained(directory)


if __name__ == "__main__":
    run_script(main, __doc__)
