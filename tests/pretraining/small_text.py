"""Text of a few words in fixed order, which a small model learns in a few hundred steps."""

import os
import signal
import subprocess
import sys
import time

import numpy as np

from corpora.made import arrays
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
from mobilebert.corpora.shards import write_shard
from mobilebert.corpora.vocabulary_digest import vocabulary_digest
from mobilebert.pretraining.curves import read_curves
from mobilebert.text import MobileBertTokenizerFast
from models import small_config

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [f"word{letter}" for letter in "abcdefghijklmnopqrst"]
CLS, SEP = 2, 3


def small_tokenizer(directory, words=WORDS):
    """Write a tokenizer of a few words."""
    (directory / "vocab.txt").write_text("\n".join([*SPECIAL, *words]) + "\n")
    MobileBertTokenizerFast(str(directory / "vocab.txt")).save_pretrained(directory)
    return directory


def write_config(directory, vocab_size, variant="mobilebert", **overrides):
    """Write a configuration of a small model."""
    settings = {"vocab_size": vocab_size, "max_position_embeddings": 32} | overrides
    small_config(variant, **settings).save_pretrained(directory)
    return directory / "config.json"


def sentence(rng, count):
    """Words behind each other in the order of the vocabulary, from anywhere."""
    first = int(rng.integers(len(WORDS)))
    return [len(SPECIAL) + (first + n) % len(WORDS) for n in range(count)]


def sequence(rng, source):
    """A pair whose second part goes on where the first ends, or begins anywhere."""
    length = int(rng.integers(8, 20))
    words = sentence(rng, length)
    cut = int(rng.integers(3, length - 2))
    follows = bool(rng.random() < 0.5)
    second = words[cut:] if follows else sentence(rng, length - cut)
    return [CLS, *words[:cut], SEP, *second, SEP], cut + 2, int(follows), source


def write_prepared(directory, tokenizer, train=96, held_out=24, **settings):
    """Write prepared data of two sources."""
    rng = np.random.default_rng(11)
    shards, records = {Split.TRAIN: train, Split.HELD_OUT: held_out}, []
    for split, count in shards.items():
        if not count:
            continue
        rows = [sequence(rng, int(rng.integers(2))) for _ in range(count)]
        amounts = {
            source: Amount(
                sum(row[3] == source for row in rows),
                sum(len(row[0]) for row in rows if row[3] == source),
                1,
            )
            for source in (0, 1)
        }
        name = f"{split}-00000"
        files = write_shard(directory, name, arrays(rows, len(tokenizer)))
        records.append(ShardRecord(name, split, f"made {split}", amounts, files))
    sources = tuple(
        SourceRecord(f"{name}.txt", (SourceFile(f"{name}.txt", name * 64),), 2, 100, 0, 0, 0)
        for name in "ab"
    )
    manifest = Manifest(
        PreparationSettings(max_length=32, **settings),
        vocabulary_digest(tokenizer),
        len(tokenizer),
        sources,
        tuple(records),
    )
    (directory / MANIFEST_FILE).write_text(manifest.to_json())
    return directory


def killed_at(arguments, output, stage, step):
    """Run a command, and kill it when its curves have come to a step of a stage, if one is given.

    Whole runs have to end well.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "mobilebert", *map(str, arguments)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
    )
    while stage is not None and process.poll() is None:
        entries = read_curves(output / "curves.jsonl")
        if entries and entries[-1]["stage"] == stage and entries[-1]["step"] >= step:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.01)
    _, said = process.communicate()
    wanted = 0 if stage is None else -signal.SIGKILL
    assert process.returncode == wanted, said.decode()
