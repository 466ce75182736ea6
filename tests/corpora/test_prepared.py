"""Reading prepared data, made by hand."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from corpora.made import MASKS, SEQUENCES, write
from mobilebert.corpora import prepared
from mobilebert.corpora.manifest import MANIFEST_FILE, Manifest, Split
from mobilebert.corpora.masking import Drawing
from mobilebert.corpora.prepared import PreparedCorpus
from mobilebert.corpora.vocabulary_digest import vocabulary_digest
from mobilebert.errors import ArgumentError, InputError

ROWS = [row for shard in SEQUENCES for row in shard]


@pytest.mark.parametrize(("vocab_size", "kind"), [(2**16, "uint16"), (2**16 + 1, "uint32")])
def test_sequences_are_read_as_they_were_written(tmp_path, vocab_size, kind):
    write(tmp_path, vocab_size=vocab_size)
    assert np.load(tmp_path / "train-00000.tokens.npy").dtype == kind
    corpus = PreparedCorpus.open(tmp_path)
    assert len(corpus) == len(corpus[:]) == 3
    assert corpus.lengths.dtype == np.int32
    assert corpus.lengths.tolist() == [6, 6, 7]
    assert corpus.sources.dtype == np.uint16
    assert corpus.sources.tolist() == [0, 0, 1]
    assert corpus.follows.tolist() == [1, 0, 0]
    assert corpus.source_names == ("a.txt", "b.txt")
    for sequence, (ids, first, follows, source) in zip(corpus, ROWS, strict=True):
        assert sequence.ids.dtype == sequence.types.dtype == np.int32
        assert sequence.ids.tolist() == ids
        assert sequence.types.tolist() == [0] * first + [1] * (len(ids) - first)
        assert sequence.follows is bool(follows)
        assert sequence.source == source
        assert sequence.places is sequence.wanted is None
    assert corpus[-1].ids.tolist() == ROWS[-1][0]
    for beyond in (3, -4):
        with pytest.raises(IndexError, match="3 sequences"):
            corpus[beyond]


def test_masks_that_were_drawn_once(tmp_path, tokenizer):
    write(tmp_path, masks=MASKS)
    corpus = PreparedCorpus.open(tmp_path)
    found = [(one.places.tolist(), one.wanted.tolist()) for one in corpus]
    assert found == [mask for shard in MASKS for mask in shard]
    assert corpus[0].places.dtype == corpus[0].wanted.dtype == np.int32
    with pytest.raises(ArgumentError, match="--masking static"):
        corpus.masking(tokenizer, 97)


def test_single_segments_have_no_next_sentence(tmp_path):
    write(tmp_path, [[([2, 10, 3], 3, None, 0)]], next_sentence=False)
    (sequence,) = PreparedCorpus.open(tmp_path)
    assert sequence.follows is None
    assert sequence.types.tolist() == [0, 0, 0]


def test_few_files_are_open_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(prepared, "_OPEN_FILES", 1)
    write(tmp_path, masks=MASKS)
    corpus = PreparedCorpus.open(tmp_path)
    assert [one.ids.tolist() for one in corpus] == [row[0] for row in ROWS]
    assert len(corpus._open) == 1
    assert pickle.loads(pickle.dumps(corpus))[2].ids.tolist() == ROWS[2][0]


def test_words_are_masked_as_the_data_were_prepared_for(tmp_path, tokenizer):
    write(tmp_path, masked_share=0.3, whole_words=True, max_masked=7)
    masking = PreparedCorpus.open(tmp_path).masking(tokenizer, 97)
    assert (masking.share, masking.whole_words, masking.max_masked) == (0.3, True, 7)
    assert masking.drawing is Drawing.EXACT


def test_another_vocabulary_is_refused(tmp_path, tokenizer):
    write(tmp_path, vocabulary=vocabulary_digest(tokenizer))
    PreparedCorpus.open(tmp_path).check_vocabulary(tokenizer)
    write(tmp_path, vocabulary="ab" * 32)
    digests = f"abababab.*{vocabulary_digest(tokenizer)[:16]}"
    with pytest.raises(InputError, match=digests):
        PreparedCorpus.open(tmp_path).check_vocabulary(tokenizer)


def test_the_digest_is_that_of_the_content(tmp_path):
    digests = set()
    for name, changes in {
        "one": {},
        "again": {},
        "seed": {"seed": 1},
        "tokens": {"shards": [SEQUENCES[0]]},
    }.items():
        (tmp_path / name).mkdir()
        write(tmp_path / name, **changes)
        digests.add(PreparedCorpus.open(tmp_path / name).digest())
    assert len(digests) == 3


def test_the_manifest_is_read_as_it_was_written(tmp_path):
    manifest = write(tmp_path, masks=MASKS)
    assert Manifest.read(tmp_path) == manifest
    assert manifest.total(Split.TRAIN).sequences == 3


def truncated(directory):
    path = directory / "train-00001.tokens.npy"
    path.write_bytes(path.read_bytes()[:-1])


def exchanged(directory):
    one, other = (directory / f"train-{n}.tokens.npy" for n in ("00000", "00001"))
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def changed(directory):
    path = directory / "train-00000.sequences.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def edited(old, new):
    def edit(directory):
        path = directory / MANIFEST_FILE
        content = path.read_text()
        assert old in content
        path.write_text(content.replace(old, new))

    return edit


DAMAGES = {
    "truncated": (truncated, r"train-00001.tokens.npy has \d+ bytes and should have \d+"),
    "exchanged": (exchanged, "is not the file that was written"),
    "changed": (changed, "is not the file that was written"),
    "missing": (lambda path: (path / "train-00000.tokens.npy").unlink(), "Cannot read .*00000"),
    "no manifest": (lambda path: (path / MANIFEST_FILE).unlink(), "not.*finished"),
    "no JSON": (lambda path: (path / MANIFEST_FILE).write_text("{"), "not a valid JSON"),
    "other format": (edited('"format": 1', '"format": 2'), "has the format 2"),
    "without shards": (edited('"shards"', '"shard"'), "is damaged.*shards"),
    "wrong setting": (edited('"max_length": 128', '"max_length": 1'), "max_length"),
    "wrong split": (edited('"split": "train"', '"split": "test"'), "is damaged"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_data_are_refused_with_the_reason(tmp_path, name):
    shards = [SEQUENCES[0], [([2, 30, 31, 3, 32, 3], 4, 1, 0), ([2, 33, 3, 34, 35, 3], 3, 0, 0)]]
    write(tmp_path, shards)
    damage, reason = DAMAGES[name]
    PreparedCorpus.open(tmp_path)
    damage(tmp_path)
    with pytest.raises(InputError, match=reason):
        PreparedCorpus.open(tmp_path)


def test_a_file_changed_in_the_middle_is_seen_where_it_is_read_anyway(tmp_path):
    rows = [([2, 10, 3, 11, 3], 3, 1, 0)] * 2000
    write(tmp_path, [rows])
    path = tmp_path / "train-00000.sequences.npy"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="is damaged"):
        PreparedCorpus.open(tmp_path)


@pytest.mark.parametrize(
    ("split", "reason"), [("held_out", "no held-out"), ("held-out", "no held-out"), ("dev", "dev")]
)
def test_a_split_that_is_not_there(tmp_path, split, reason):
    write(tmp_path)
    with pytest.raises(InputError, match=reason):
        PreparedCorpus.open(tmp_path, split)


def test_numbers_that_shards_claim_are_checked(tmp_path):
    """Sizes that agree with the manifest but not with the arrays give no wrong sequences."""
    manifest = write(tmp_path)
    (shard, other) = manifest.shards
    more = {0: replace(shard.amounts[0], sequences=3)}
    wrong = replace(manifest, shards=(replace(shard, amounts=more), other))
    (tmp_path / MANIFEST_FILE).write_text(wrong.to_json())
    with pytest.raises(InputError, match="is damaged"):
        PreparedCorpus.open(tmp_path)
