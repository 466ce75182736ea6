"""Short sequences that have a length of their own, from files to prepared data."""

import json

import numpy as np
import pytest

from corpora.texts import documents, prepare, write
from mobilebert.corpora.manifest import MANIFEST_FILE
from mobilebert.corpora.settings import PreparationSettings


def test_paragraphs_are_cut_for_short_sequences_of_one_length(tmp_path, tokenizer):
    """So that a short pair seldom parts a sentence: nothing is left over of most segments."""
    sentence = "one two three four five six seven eight nine ten eleven twelve."
    path = write(tmp_path, "long.txt", [[" ".join([sentence] * 40)] * 4] * 6)
    lengths = {"max_length": 512, "short_sequences": 0.8, "short_length": 128}
    _, train, _ = prepare(path, tmp_path / "out", tokenizer, held_out=0.1, **lengths)
    assert {512, 128} <= {*train.lengths.tolist()}
    second = [int(sequence.types.sum()) for sequence in train if len(sequence.ids) == 128]
    # Of paragraphs cut for 512 tokens, most short sequences would have two segments cut down alike.
    assert np.std(second) > 20
    stored = json.loads((tmp_path / "out" / MANIFEST_FILE).read_text())["settings"]
    assert stored["short_length"] == 128


def test_manifests_of_before_keep_their_hash(tmp_path, tokenizer):
    path = write(tmp_path, "a.txt", documents(40))
    prepare(path, tmp_path / "out", tokenizer, held_out=0.1)
    stored = json.loads((tmp_path / "out" / MANIFEST_FILE).read_text())["settings"]
    assert "short_length" not in stored
    assert PreparationSettings.from_json(stored).short_length is None
    with pytest.raises(KeyError, match="max_length"):
        PreparationSettings.from_json({"seed": 1})
