"""From files to prepared data: content, the same bytes always, resumption, refusals."""

import json
import os
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from corpora.texts import documents, prepare, write
from mobilebert.corpora import preparing, units
from mobilebert.corpora.manifest import MANIFEST_FILE, Split
from mobilebert.corpora.prepared import PreparedCorpus
from mobilebert.corpora.preparing import prepare_pretraining
from mobilebert.corpora.vocabulary_digest import vocabulary_digest
from mobilebert.directory_lock import alone_in
from mobilebert.errors import ArgumentError, CheckpointError, InputError
from mobilebert.hub import BUNDLED_MODEL
from mobilebert.text import MobileBertTokenizer

CLS, SEP, MASK = 101, 102, 103


@pytest.fixture
def small_units(monkeypatch):
    """Units of some thousand characters, so that small texts have many."""
    monkeypatch.setattr(units, "UNIT_CHARACTERS", 12_000)
    monkeypatch.setattr(units, "_PIECE_CHARACTERS", 6_000)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    directory = tmp_path_factory.mktemp("corpus")
    write(directory, "a.txt", documents(40))
    write(directory, "b.txt.xz", documents(4, paragraphs=60, seed=1))
    return directory


def content(directory):
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def test_what_is_prepared(tmp_path, corpus, tokenizer):
    result, train, held = prepare(corpus, tmp_path / "out", tokenizer, max_length=64, held_out=0.1)
    assert result.sequences == len(train) > 100
    assert result.held_out_sequences == len(held) > 8
    assert train.manifest.vocabulary == vocabulary_digest(tokenizer)
    assert train.manifest.vocab_size == 30522
    train.check_vocabulary(tokenizer)
    assert train.source_names == ("a.txt", "b.txt.xz")
    for sequence in (*train, *held):
        ids, first = sequence.ids.tolist(), int((sequence.types == 0).sum())
        assert len(ids) <= 64
        assert ids[0] == CLS
        assert [place for place, id_ in enumerate(ids) if id_ == SEP] == [first - 1, len(ids) - 1]
        assert CLS not in ids[1:]
        assert MASK not in ids
        assert sequence.places is None
    assert 0.3 < np.mean(train.follows) < 0.7
    assert set(train.sources.tolist()) == {0, 1}
    for source in result.manifest.sources:
        assert 0.1 <= source.held_out_share <= 0.2
        assert source.train.tokens > source.train.pieces * 0.7
    total = result.manifest.total(Split.TRAIN)
    assert total.tokens == train.lengths.sum()
    assert result.characters == sum(source.characters for source in result.manifest.sources)


def test_pairs_that_follow_stand_so_in_the_text(tmp_path, corpus, tokenizer):
    _, train, _ = prepare(corpus, tmp_path / "out", tokenizer, max_length=32, held_out=0.1)
    spoken = {}
    for name, seed, count, paragraphs in (("a", 0, 40, 12), ("b", 1, 4, 60)):
        for doc in documents(count, paragraphs=paragraphs, seed=seed):
            ids = [i for text in doc for i in tokenizer(text, add_special_tokens=False).input_ids]
            spoken.setdefault(name, []).append(" ".join(map(str, ids)))
    for sequence in train[:200]:
        first = int((sequence.types == 0).sum())
        one = " ".join(map(str, sequence.ids[1 : first - 1]))
        two = " ".join(map(str, sequence.ids[first:-1]))
        docs = spoken["ab"[sequence.source]]
        found = [any(text in doc for doc in docs) for text in (one, two)]
        assert found == [True, True]
        if sequence.follows:
            assert any(one in doc and two in doc[doc.index(one) :] for doc in docs)


def test_nothing_held_out_is_trained_on(tmp_path, corpus, tokenizer):
    _, train, held = prepare(corpus, tmp_path / "out", tokenizer, max_length=64, held_out=0.1)
    marks = [marks_of(split, tokenizer) for split in (train, held)]
    assert marks[0]
    assert marks[1]
    assert not marks[0] & marks[1]


def _marked(text):
    """Names of documents and paragraphs, which each paragraph begins with."""
    words = text.split()
    return [
        pair
        for pair in pairwise(words)
        if pair[0].startswith("d") and pair[1].startswith("p") and pair[1][1:].isdigit()
    ]


@pytest.mark.parametrize(
    "settings", [{}, {"masking": "static", "dupe_factor": 2}, {"next_sentence": False}], ids=str
)
def test_any_number_of_processes_writes_the_same_bytes(
    tmp_path, corpus, tokenizer, small_units, settings
):
    written = {}
    for name, options in {
        "one": {},
        "again": {},
        "two": {"processes": 2},
        "seed": {"seed": 1},
    }.items():
        prepare(
            corpus, tmp_path / name, tokenizer, max_length=32, held_out=0.1, **settings, **options
        )
        written[name] = content(tmp_path / name)
    assert len(written["one"]) > 10
    assert written["one"] == written["again"] == written["two"]
    assert written["one"] != written["seed"]


def marks_of(split, tokenizer):
    texts = tokenizer.batch_decode([sequence.ids for sequence in split])
    return {" ".join(pair) for text in texts for pair in _marked(text)}


def test_other_seeds_and_lengths_hold_out_the_same(tmp_path, corpus, tokenizer):
    marks = {}
    for seed, length in ((1, 32), (2, 48)):
        output = tmp_path / str(seed)
        _, train, held = prepare(
            corpus, output, tokenizer, seed=seed, max_length=length, held_out=0.1
        )
        marks[seed] = [marks_of(split, tokenizer) for split in (train, held)]
    assert marks[1][1]
    assert not marks[1][1] & marks[2][0]
    assert not marks[2][1] & marks[1][0]


def test_static_masks(tmp_path, corpus, tokenizer):
    options = {"max_length": 64, "held_out": 0.1, "dupe_factor": 1}
    _, plain, _ = prepare(corpus, tmp_path / "plain", tokenizer, **options)
    _, masked, _ = prepare(
        corpus, tmp_path / "masked", tokenizer, **options, masking="static", max_masked=5
    )
    assert len(plain) == len(masked)
    changed = 0
    for one, other in zip(plain, masked, strict=True):
        maskable = int((~np.isin(one.ids, [CLS, SEP])).sum())
        assert len(other.places) == min(5, max(1, round(0.15 * maskable)))
        assert np.array_equal(one.ids[other.places], other.wanted)
        restored = other.ids.copy()
        restored[other.places] = other.wanted
        assert np.array_equal(restored, one.ids)
        changed += int((other.ids == MASK).sum())
    assert changed / sum(len(one.places) for one in masked) == pytest.approx(0.8, abs=0.07)


def test_dupes_are_other_sequences_of_the_same_text(tmp_path, corpus, tokenizer):
    once, _ = (prepare(corpus, tmp_path / "1", tokenizer, held_out=0.1)[0], None)
    three, train, held = prepare(corpus, tmp_path / "3", tokenizer, held_out=0.1, dupe_factor=3)
    assert abs(three.sequences / once.sequences - 3) < 0.3
    assert three.held_out_sequences == once.held_out_sequences == len(held)
    thirds = np.array_split(np.arange(len(train)), 3)
    texts = [{train[int(n)].ids.tobytes() for n in third} for third in thirds]
    assert len(texts[0] & texts[1]) < len(texts[0]) * 0.2


def test_single_segments(tmp_path, tokenizer):
    """A single document is enough for them."""
    path = write(tmp_path, "one.txt", documents(1, paragraphs=200))
    with pytest.raises(InputError, match=r"single document.*--no-next-sentence"):
        prepare_pretraining(path, tmp_path / "pairs", tokenizer=tokenizer)
    assert not (tmp_path / "pairs").exists()
    _, train, held = prepare(
        path, tmp_path / "out", tokenizer, next_sentence=False, held_out=0.1, short_sequences=0
    )
    assert all(sequence.follows is None for sequence in (*train, *held))
    assert not any(sequence.types.any() for sequence in train)
    assert (train.lengths == 128).mean() > 0.8


def test_two_documents_are_enough_for_pairs(tmp_path, tokenizer):
    path = write(tmp_path, "two.txt", documents(2, paragraphs=100))
    _, train, held = prepare(path, tmp_path / "out", tokenizer, held_out=0.1)
    assert {True, False} == {sequence.follows for sequence in train}
    assert {True, False} == {sequence.follows for sequence in held}


def test_special_tokens_in_the_text_are_text(tmp_path, tokenizer):
    path = write(tmp_path, "a.txt", [["one [SEP] two [MASK] three."] * 40] * 2)
    _, train = prepare(path, tmp_path / "out", tokenizer, held_out=0)
    for sequence in train:
        assert (sequence.ids == SEP).sum() == 2
        assert MASK not in sequence.ids


class Stopped(Exception):
    pass


def stop_after(monkeypatch, count):
    """Let a preparation break off behind some shards, as if it were killed."""
    keep = preparing.PreparationDirectory.keep
    left = [count]

    def counted(self, shard):
        if not left[0]:
            raise Stopped
        left[0] -= 1
        keep(self, shard)

    monkeypatch.setattr(preparing.PreparationDirectory, "keep", counted)


def test_a_preparation_that_was_broken_off_goes_on(
    tmp_path, corpus, tokenizer, small_units, monkeypatch
):
    options = {"tokenizer": tokenizer, "max_length": 32, "held_out": 0.1}
    prepare_pretraining(corpus, tmp_path / "whole", **options)
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(Stopped):
            prepare_pretraining(corpus, tmp_path / "out", **options)
    with pytest.raises(InputError, match="not finished"):
        PreparedCorpus.open(tmp_path / "out")
    # Of one of the kept shards a byte is another, and a killed program left half a file.
    with (tmp_path / "out" / "train-00000.tokens.npy").open("r+b") as shard:
        shard.seek(-1, os.SEEK_END)
        last = shard.read(1)
        shard.seek(-1, os.SEEK_END)
        shard.write(bytes([last[0] ^ 1]))
    (tmp_path / "out" / ".train-00009.tokens.npy.abc.partial").write_bytes(b"half")
    with pytest.raises(InputError, match="begun otherwise: max_length is 32 there and 48 now"):
        prepare_pretraining(corpus, tmp_path / "out", **{**options, "max_length": 48})
    result = prepare_pretraining(corpus, tmp_path / "out", **options)
    whole = sum(source.characters for source in result.manifest.sources)
    assert 0 < result.characters < whole
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_data_that_are_there_are_not_made_again(tmp_path, corpus, tokenizer):
    first, _, _ = prepare(corpus, tmp_path / "out", tokenizer, held_out=0.1)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    again, _, _ = prepare(corpus, tmp_path / "out", tokenizer, held_out=0.1)
    assert again.characters == 0
    assert "Nothing was to be done" in again.summary()
    assert again.manifest == first.manifest
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}


@pytest.mark.parametrize("size", [0, 20_000])
def test_finished_data_that_are_damaged_are_refused(tmp_path, tokenizer, size):
    text = write(tmp_path, "a.txt", documents(6, paragraphs=20))
    prepare(text, tmp_path / "out", tokenizer, held_out=0)
    with (tmp_path / "out" / "train-00000.tokens.npy").open("r+b") as shard:
        shard.truncate(size)
    with pytest.raises(InputError, match=r"train-00000.tokens.npy has .*--overwrite"):
        prepare_pretraining(text, tmp_path / "out", tokenizer=tokenizer, held_out=0)


def test_files_of_one_document_among_others_are_the_same_again(tmp_path, tokenizer):
    for name, count, seed in (("a.txt", 1, 0), ("b.txt", 3, 1), ("c.txt", 1, 2)):
        write(tmp_path / "text", name, documents(count, paragraphs=40, seed=seed))
    for _ in range(2):
        result, _, _ = prepare(tmp_path / "text", tmp_path / "out", tokenizer, held_out=0.1)
    assert result.characters == 0
    assert [len(source.files) for source in result.manifest.sources] == [2, 1]


def test_replacing_that_was_broken_off_goes_on(
    tmp_path, corpus, tokenizer, small_units, monkeypatch
):
    output, options = tmp_path / "out", {"tokenizer": tokenizer, "held_out": 0.1}
    prepare_pretraining(corpus, output, seed=3, **options)
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(Stopped):
            prepare_pretraining(corpus, output, overwrite=True, **options)
    result = prepare_pretraining(corpus, output, overwrite=True, **options)
    assert 0 < result.characters < sum(x.characters for x in result.manifest.sources)
    # What is finished is replaced.
    again = prepare_pretraining(corpus, output, overwrite=True, **options)
    assert again.characters == sum(x.characters for x in result.manifest.sources)


def test_other_data_in_the_same_place_are_refused(tmp_path, corpus, tokenizer, small_units):
    output = tmp_path / "out"
    prepare(corpus, output, tokenizer, held_out=0.1)
    (output / "notes.txt").write_text("mine")
    for change, reason in (
        ({"seed": 2}, "seed is 12345 there and 2 now"),
        ({"whole_words": True}, "whole_words is False there and True now"),
    ):
        with pytest.raises(InputError, match=rf"{reason}.*--overwrite"):
            prepare_pretraining(corpus, output, tokenizer=tokenizer, held_out=0.1, **change)
    cased = type(tokenizer).from_pretrained(BUNDLED_MODEL, do_lower_case=False)
    with pytest.raises(InputError, match="the vocabulary is another one"):
        prepare_pretraining(corpus, output, tokenizer=cased, held_out=0.1)
    text = write(tmp_path, "other.txt", documents(6, paragraphs=40, seed=4))
    with pytest.raises(InputError, match="the files are others"):
        prepare_pretraining(text, output, tokenizer=tokenizer, held_out=0.1)
    result, train, _ = prepare(text, output, tokenizer, held_out=0.1, overwrite=True)
    assert train.source_names == ("other.txt",)
    shards = {
        f"{shard.name}.{kind}.npy"
        for shard in result.manifest.shards
        for kind in ("tokens", "sequences")
    }
    assert {path.name for path in output.iterdir()} == {*shards, MANIFEST_FILE, "notes.txt"}


def test_directories_that_are_refused(tmp_path, corpus, tokenizer):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("")
    (tmp_path / "file").write_text("")
    for name, reason in (("full", "is not empty"), ("file", "is a file")):
        with pytest.raises(InputError, match=reason):
            prepare_pretraining(corpus, tmp_path / name, tokenizer=tokenizer)


def test_a_disk_that_is_too_full_is_refused_before(tmp_path, tokenizer, monkeypatch):
    text = write(tmp_path, "a.txt", documents(6, paragraphs=20))
    options = {"tokenizer": tokenizer, "held_out": 0}
    prepare_pretraining(text, tmp_path / "there", **options)
    before = content(tmp_path / "there")
    usage = shutil.disk_usage(tmp_path)._replace(free=0)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: usage)
        for name, settings in (("out", {}), ("there", {"dupe_factor": 9, "overwrite": True})):
            with pytest.raises(CheckpointError, match="MB left, and the data need about"):
                prepare_pretraining(text, tmp_path / name, **options, **settings)
    assert content(tmp_path / "there") == before
    prepare_pretraining(text, tmp_path / "out", **options)  # room was made


def test_a_disk_that_takes_nothing_is_one_sentence_and_no_obstacle(
    tmp_path, tokenizer, monkeypatch
):
    def full(path, data):
        raise OSError(28, "No space left on device")

    text = write(tmp_path, "a.txt", documents(6, paragraphs=20))
    options = {"tokenizer": tokenizer, "held_out": 0}
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(CheckpointError, match="probe: No space left on device"):
            prepare_pretraining(text, tmp_path / "out", **options)
    left = tmp_path / "out" / "preparing"
    assert not list(left.iterdir())
    (left / ".started.json.0a.partial").write_text("")  # of a machine that went down
    (left / "mine").write_text("")
    with pytest.raises(InputError, match="is not empty"):
        prepare_pretraining(text, tmp_path / "out", **options)
    (left / "mine").unlink()
    prepare_pretraining(text, tmp_path / "out", **options)


def test_a_disk_that_becomes_full_is_one_sentence(tmp_path, corpus, tokenizer, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full)
    with pytest.raises(CheckpointError, match="No space left on device.*the same command goes on"):
        prepare_pretraining(corpus, tmp_path / "out", tokenizer=tokenizer, held_out=0.1)


def test_two_at_once_are_refused(tmp_path, corpus, tokenizer):
    output = tmp_path / "out"
    with alone_in(output), pytest.raises(InputError, match="Another run is at work"):
        prepare_pretraining(corpus, output, tokenizer=tokenizer)
    assert not output.exists()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"max_length": 4}, "max_length must be a whole number from 8"),
        ({"max_length": 12.5}, "max_length must be a whole number"),
        ({"short_sequences": 2}, "short_sequences must be a number from 0 to 1"),
        ({"short_length": 128}, "short_length must be below max_length, 128, not 128"),
        ({"short_length": 64, "short_sequences": 0}, "short_length is of short sequences, of wh"),
        ({"short_length": 4}, "short_length must be a whole number from 8"),
        ({"dupe_factor": 0}, "dupe_factor"),
        ({"masking": "once"}, "masking must be one of dynamic, static, not 'once'"),
        ({"masked_share": 0}, "masked_share"),
        ({"held_out": 0.9}, "held_out must be a number from 0 to 0.5"),
        ({"held_out": float("nan")}, "held_out"),
        ({"seed": True}, "seed"),
        ({"held_out": None}, "held_out must be a number, not None"),
        ({"processes": 0}, "processes must be a whole number from 1"),
    ],
)
def test_impossible_values_are_refused(tmp_path, corpus, tokenizer, settings, reason):
    with pytest.raises(InputError, match=reason):
        prepare_pretraining(corpus, tmp_path / "out", tokenizer=tokenizer, **settings)
    assert not (tmp_path / "out").exists()


def test_settings_that_do_not_exist(tmp_path, corpus):
    with pytest.raises(ArgumentError, match="Did you mean max_length"):
        prepare_pretraining(corpus, tmp_path / "out", max_lenght=3)


def test_a_tokenizer_without_masks_is_refused(tmp_path, corpus, tokenizer):
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\na\n")
    own = type(tokenizer)(tmp_path / "vocab.txt", mask_token=None, cls_token=None)
    with pytest.raises(InputError, match="no cls_token and no mask_token"):
        prepare_pretraining(corpus, tmp_path / "out", tokenizer=own)


def test_both_tokenizers_prepare_the_same(tmp_path, tokenizer):
    text = write(tmp_path, "a.txt", documents(3, paragraphs=20))
    slow = MobileBertTokenizer.from_pretrained(BUNDLED_MODEL)
    for name, given in (("slow", slow), ("fast", tokenizer), ("named", BUNDLED_MODEL)):
        prepare_pretraining(text, tmp_path / name, tokenizer=given, held_out=0.1)
    assert content(tmp_path / "slow") == content(tmp_path / "fast") == content(tmp_path / "named")


def test_the_manifest_holds_nothing_of_this_machine(tmp_path, corpus, tokenizer):
    prepare(corpus, tmp_path / "out", tokenizer, held_out=0.1)
    stored = (tmp_path / "out" / MANIFEST_FILE).read_text()
    assert str(tmp_path) not in stored
    assert str(corpus) not in stored
    assert json.loads(stored)["sources"][1]["files"][0]["name"] == "b.txt.xz"


def test_rows_without_text_are_told(tmp_path, tokenizer, capsys):
    texts = ["\n".join(document) for document in documents(8)]
    rows = [*texts[:4], None, "", *texts[4:], " "]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": row}) + "\n" for row in rows))
    prepare(tmp_path / "a.jsonl", tmp_path / "out", tokenizer, held_out=0.1, progress=True)
    assert "Rows without text, which are left out: 3." in capsys.readouterr().err
