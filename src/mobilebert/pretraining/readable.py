"""Whether a model can read prepared sequences, told before anything is computed."""

from mobilebert.config import MobileBertConfig
from mobilebert.corpora.manifest import Split
from mobilebert.errors import InputError
from mobilebert.pretraining.batches import PretrainingData
from mobilebert.pretraining.encoder_facts import EncoderFacts

__all__ = ["check_readable"]


def check_readable(
    data: PretrainingData, reader: MobileBertConfig | EncoderFacts, called: str = "model"
) -> None:
    """Refuse data that a model cannot read.

    Args:
        data: What it is to read.
        reader: What the model is.
        called: What messages call it.

    Raises:
        InputError: Sequences are longer than its positions, or of more segments than it knows.
    """
    directory = data.corpus.directory
    longest, positions = int(data.lengths.max()), reader.max_position_embeddings
    if longest > positions:
        split = "held-out " if data.corpus.split == Split.HELD_OUT else ""
        raise InputError(
            f"{directory} has {split}sequences of {longest} tokens, and the {called} reads "
            f"{positions} (max_position_embeddings): prepare with a smaller --max-length, or give "
            f"another {called}."
        )
    if data.has_pairs and reader.type_vocab_size < 2:
        raise InputError(
            f"{directory} has pairs of segments, and the {called} knows a single one (its "
            f"type_vocab_size is {reader.type_vocab_size}): prepare with --no-next-sentence, or "
            f"give another {called}."
        )
