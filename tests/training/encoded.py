"""What examples hold, and what a pipeline feeds its model, in one form that compares."""

from mobilebert.pipelines import pipeline
from mobilebert.training.encoding import encode_items
from models import small_config
from pipelines.random_checkpoints import recorded

__all__ = ["CONFIG", "encode", "fed", "rows_of"]

# As long as the checkpoints of the pipelines' tests read.
CONFIG = small_config(vocab_size=30522, max_position_embeddings=64)


def encode(task, items, tokenizer, **settings):
    return encode_items(task, items, tokenizer, CONFIG, **settings)


def rows_of(examples):
    """All sequences, as sorted (ids, types)."""
    rows = []
    for example in examples:
        start = 0
        for length in example.sequences:
            part = slice(start, start + length)
            rows.append((example.ids[part].tolist(), example.types[part].tolist()))
            start += length
        assert start == len(example.ids)
    return sorted(rows)


def fed(task, checkpoint, inputs, **parameters):
    """All sequences that a pipeline gives its model, as sorted (ids, types)."""
    answerer, backend = recorded(pipeline(task, checkpoint, backend="numpy"))
    answerer.answer_all(inputs, **parameters)
    rows = []
    for batch in backend.batches:
        flat = (array.reshape(-1, array.shape[-1]) for array in vars(batch).values())
        for ids, mask, types in zip(*flat, strict=True):
            length = int(mask.sum())
            rows.append((ids[:length].tolist(), types[:length].tolist()))
    return sorted(rows)
