import numpy as np
import pytest

from mobilebert.corpora.prepared import PreparedCorpus
from mobilebert.errors import InputError
from mobilebert.pretraining.batches import PretrainingData
from mobilebert.text import MobileBertTokenizerFast
from pretraining.small_text import SEP, small_tokenizer


@pytest.fixture
def data(prepared, tokenizer):
    return PretrainingData(PreparedCorpus.open(prepared), tokenizer, len(tokenizer), seed=7)


def test_what_is_wanted_is_what_stood_there(data):
    numbers = [5, 0, 17]
    batch = data.batch(numbers, step=3)
    whole = np.concatenate([data.corpus[n].ids for n in numbers])
    rows, read = batch.rows.numpy(), batch.packed.ids.numpy()
    assert np.array_equal(whole[rows], batch.wanted.numpy())
    assert set(np.flatnonzero(read != whole)) <= set(rows.tolist())
    assert (read[rows] == data._masking.mask_id).mean() > 0.4
    assert not (whole[rows] <= SEP).any()
    lengths = [len(data.corpus[n].ids) for n in numbers]
    assert batch.packed.lengths == tuple(lengths)
    borders = np.cumsum([0, *lengths])
    assert np.array_equal(batch.sequence, np.searchsorted(borders, rows, side="right") - 1)


def test_what_follows_is_zero(data):
    numbers = list(range(20))
    batch = data.batch(numbers, step=0)
    wanted = [0 if data.corpus[n].follows else 1 for n in numbers]
    assert batch.other.tolist() == wanted
    assert set(wanted) == {0, 1}
    firsts = batch.packed.ids[batch.pairs]
    assert firsts.tolist() == [2] * len(numbers)


def test_a_batch_is_counted_before_it_is_drawn(data):
    for numbers in ([1, 2, 3], range(40)):
        words, pairs = data.counts(numbers)
        batch = data.batch(list(numbers), step=9)
        assert (words, pairs) == (len(batch.rows), len(batch.other))


def test_masks_change_with_the_step_alone(data):
    first, again, later = (data.batch([4, 8], step) for step in (1, 1, 2))
    other = data.batch([8], 1)
    assert first.rows.equal(again.rows)
    assert first.packed.ids.equal(again.packed.ids)
    assert not first.packed.ids.equal(later.packed.ids)
    # A sequence has the masks it has in any batch.
    assert other.packed.ids.equal(first.packed.ids[first.packed.lengths[0] :])


def test_another_vocabulary_is_refused(prepared, tmp_path):
    other = MobileBertTokenizerFast.from_pretrained(small_tokenizer(tmp_path, ["a", "b"]))
    with pytest.raises(InputError, match="another vocabulary"):
        PretrainingData(PreparedCorpus.open(prepared), other, len(other))
