"""The model with weights of float16, which halves its file, and the dropout of its preset.

python recipes/mini/halve.py MODEL OUTPUT
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from by_itself import run_script
from checkpoints import save_with_tokenizer

from mobilebert import MobileBertConfig, MobileBertForPreTraining, MobileBertTokenizerFast

__all__ = ["main"]


def main(given: Sequence[str]) -> None:
    """Save it, with its tokenizer.

    It was trained without dropout of attentions, as there are more words than it can learn by
    heart; those who tune it on few rows want the preset's.

    Args:
        given: The directories of the model and for the result.
    """
    model, output = map(Path, given)
    halved = MobileBertForPreTraining.from_pretrained(model, dtype=torch.float16)
    usual = MobileBertConfig.preset("mobilebert-mini").attention_probs_dropout_prob
    halved.config.attention_probs_dropout_prob = usual
    tokenizer = MobileBertTokenizerFast.from_pretrained(model)
    save_with_tokenizer(halved, tokenizer, output)


if __name__ == "__main__":
    run_script(main, __doc__)
