"""Prepared data made by hand: what a directory should hold, without the code that fills it."""

import numpy as np

from mobilebert.corpora.manifest import (
    MANIFEST_FILE,
    Amount,
    Manifest,
    ShardRecord,
    SourceFile,
    SourceRecord,
    Split,
)
from mobilebert.corpora.settings import PreparationSettings
from mobilebert.corpora.shards import NO_PAIR, SEQUENCE_FIELDS, ShardArrays, id_type, write_shard

# ids, tokens of the first segment, follows, source
SEQUENCES = [
    [([2, 10, 11, 3, 12, 3], 4, 1, 0), ([2, 13, 3, 14, 15, 3], 3, 0, 0)],
    [([2, 20, 21, 22, 3, 23, 3], 5, 0, 1)],
]
MASKS = [[([1], [10]), ([3, 4], [14, 15])], [([2, 3], [21, 22])]]


def arrays(rows, vocab_size, masks=None):
    """Make the arrays of a shard."""
    sequences = np.zeros(len(rows), SEQUENCE_FIELDS)
    start = masked = 0
    for number, (ids, first, follows, source) in enumerate(rows):
        follows = NO_PAIR if follows is None else follows
        sequences[number] = (start, masked, first, source, follows)
        start += len(ids)
        masked += len(masks[number][0]) if masks else 0
    kind = id_type(vocab_size)
    tokens = np.array([id_ for ids, *_ in rows for id_ in ids], kind)
    if masks is None:
        return ShardArrays(tokens, sequences)
    places = np.array([place for some, _ in masks for place in some], "<u2")
    wanted = np.array([id_ for _, some in masks for id_ in some], kind)
    return ShardArrays(tokens, sequences, places, wanted)


def write(directory, shards=SEQUENCES, masks=None, vocab_size=97, vocabulary="0" * 64, **settings):
    """Write a directory with shards to train on, and return its manifest."""
    records = []
    for number, rows in enumerate(shards):
        made = arrays(rows, vocab_size, masks[number] if masks else None)
        name = f"train-{number:05}"
        amounts = {
            source: Amount(sum(row[3] == source for row in rows), sum(len(r[0]) for r in rows), 1)
            for source in sorted({row[3] for row in rows})
        }
        files = write_shard(directory, name, made)
        records.append(ShardRecord(name, Split.TRAIN, f"made {number}", amounts, files))
    sources = tuple(
        SourceRecord(f"{name}.txt", (SourceFile(f"{name}.txt", name * 64),), 2, 100, 0, 0, 0)
        for name in "ab"
    )
    settings = PreparationSettings(masking="static" if masks else "dynamic", **settings)
    manifest = Manifest(settings, vocabulary, vocab_size, sources, tuple(records))
    (directory / MANIFEST_FILE).write_text(manifest.to_json())
    return manifest
