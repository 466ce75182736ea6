import numpy as np
import pytest

from mobilebert import MobileBertConfig, pretrain
from mobilebert.corpora.prepared import PreparedCorpus
from mobilebert.errors import InputError
from mobilebert.pretraining.material import Material
from mobilebert.pretraining.settings import PretrainSettings
from mobilebert.pretraining.source_passes import read_passes, sequence_passes


@pytest.mark.parametrize("given", ["b=3", "b.txt=3", " b = 3.0 ", "a=1,b=3"])
def test_a_source_is_read_as_often_as_it_is_said(prepared, given):
    corpus = PreparedCorpus.open(prepared)
    assert corpus.source_names == ("a.txt", "b.txt")
    np.testing.assert_array_equal(sequence_passes(corpus, given), 1 + 2.0 * (corpus.sources == 1))


def test_a_name_may_have_points_and_equals_signs():
    assert read_passes("a=b.txt=2,c.v2.txt=0") == {"a=b.txt": 2.0, "c.v2.txt": 0.0}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("b", "takes SOURCE=F, such as factbook=4, with F from 0 to 100; not 'b'"),
        ("b=", "not 'b='"),
        ("=2", "not '=2'"),
        ("b=many", "not 'b=many'"),
        ("a=1,b=-1", "not 'b=-1'"),
        ("b=101", "not 'b=101'"),
        ("b=nan", "not 'b=nan'"),
        ("a=1,", "not ''"),
        ("a=1,a=2", "names a twice"),
        ("c=2", "names 'c'; the data have the sources a.txt, b.txt"),
        ("a=0,b=0", "'a=0,b=0' leaves nothing to learn"),
    ],
)
def test_what_cannot_be_is_refused(prepared, given, told):
    with pytest.raises(InputError, match=told):
        sequence_passes(PreparedCorpus.open(prepared), given)


def material(prepared, tokenizer, **settings):
    chosen = PretrainSettings(batch_size=8, device="cpu", **settings)
    return Material.read(prepared, tokenizer, MobileBertConfig(vocab_size=len(tokenizer)), chosen)


def test_a_run_reads_it_so_often(prepared, tokenizer):
    usual, more = (material(prepared, tokenizer, source_passes=x) for x in (None, "b=3"))
    sources = more.train.corpus.sources
    plan = more.plan()
    read = np.concatenate([plan.batch(step) for step in range(plan.steps_per_epoch)])
    assert np.bincount(sources[read]).tolist() == [(sources == 0).sum(), 3 * (sources == 1).sum()]
    assert plan.steps_per_epoch > usual.plan().steps_per_epoch
    config = MobileBertConfig()
    assert usual.digest(config) != more.digest(config)


def test_it_is_refused_before_anything_is_computed(prepared, config_file, tokenizer_dir, tmp_path):
    with pytest.raises(InputError, match="source_passes names 'c'"):
        pretrain(
            config_file,
            data=prepared,
            output=tmp_path / "model",
            tokenizer=tokenizer_dir,
            source_passes="c=2",
        )
    assert not (tmp_path / "model").exists()
