import numpy as np
import pytest

from mobilebert.checkpoint.names import (
    ENCODER_PREFIX,
    Dialect,
    NameTable,
    canonical_tensors,
)
from mobilebert.checkpoint.stored import StoredTensor
from mobilebert.config import MobileBertConfig
from mobilebert.errors import CheckpointError
from mobilebert.presets import PRESETS
from mobilebert.tasks import TASKS
from mobilebert.weights import weight_specs
from models import VARIANTS, random_tensors, small_config

FOREIGN = (Dialect.GOOGLE, Dialect.KERAS)


def stored(shape=(1,)):
    return StoredTensor.from_array(np.zeros(shape, np.float32))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("dialect", Dialect)
def test_every_name_of_every_preset_and_task_comes_back(preset, dialect):
    config = MobileBertConfig.preset(preset)
    table = NameTable(config)
    reverse = table.canonical(dialect)
    seen = 0
    for task in TASKS:
        for row in weight_specs(config, task):
            foreign = table.foreign(row.name, dialect)
            if foreign is None:
                assert row.name.startswith("cls.predictions.decoder.")
                continue
            name = row.name.removeprefix(ENCODER_PREFIX)
            assert reverse[foreign.name] == (name, foreign.transposed)
            seen += 1
    assert seen > 8 * 46 * config.num_hidden_layers // 3


@pytest.mark.parametrize("dialect", FOREIGN)
@pytest.mark.parametrize("variant", VARIANTS)
def test_tensors_survive_the_way_to_another_dialect_and_back(variant, dialect):
    config = small_config(variant)
    table = NameTable(config)
    arrays = random_tensors(config, "pretraining")
    foreign = {}
    for name, array in arrays.items():
        there = table.foreign(name, dialect)
        if there is not None:
            foreign[there.name] = StoredTensor.from_array(array.T if there.transposed else array)
    found = canonical_tensors(foreign, config, dialect)
    wanted = {k.removeprefix(ENCODER_PREFIX): v for k, v in arrays.items()}
    if dialect is Dialect.GOOGLE:
        wanted.pop("cls.predictions.decoder.weight", None)  # never written there
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name].array(), array)
        assert found[name].shape == array.shape


# The names of the released checkpoint (google-research/mobilebert) and of transformers' files.
SPOT_CHECKS = [
    ("embeddings.word_embeddings.weight", "bert/embeddings/word_embeddings", False),
    (
        "embeddings.embedding_transformation.weight",
        "bert/embeddings/embedding_transformation/kernel",
        True,
    ),
    ("embeddings.LayerNorm.weight", "bert/embeddings/FakeLayerNorm/gamma", False),
    (
        "encoder.layer.11.ffn.2.output.LayerNorm.bias",
        "bert/encoder/layer_11/ffn_layer_2/output/FakeLayerNorm/beta",
        False,
    ),
    (
        "encoder.layer.3.bottleneck.attention.dense.weight",
        "bert/encoder/layer_3/bottleneck/attention/dense/kernel",
        True,
    ),
    (
        "encoder.layer.3.attention.self.value.bias",
        "bert/encoder/layer_3/attention/self/value/bias",
        False,
    ),
    ("cls.predictions.transform.LayerNorm.weight", "cls/predictions/transform/LayerNorm/gamma", 0),
    ("cls.predictions.dense.weight", "cls/predictions/extra_output_weights", True),
    ("cls.predictions.bias", "cls/predictions/output_bias", False),
    ("cls.seq_relationship.weight", "cls/seq_relationship/output_weights", False),
    ("qa_outputs.weight", "cls/squad/output_weights", False),
    ("classifier.bias", "output_bias", False),
]


@pytest.mark.parametrize(("canonical", "google", "transposed"), SPOT_CHECKS)
def test_google_names_are_those_of_the_released_checkpoint(canonical, google, transposed):
    found = NameTable(MobileBertConfig.preset("mobilebert")).foreign(canonical, Dialect.GOOGLE)
    assert (found.name, found.transposed) == (google, bool(transposed))


def test_google_names_a_true_layer_norm_so():
    config = MobileBertConfig.preset("mobilebert-no-opt")
    found = NameTable(config).foreign("mobilebert.embeddings.LayerNorm.bias", Dialect.GOOGLE)
    assert found.name == "bert/embeddings/LayerNorm/beta"
    # and the other spelling is read too, as transformers does
    other = {"bert/embeddings/FakeLayerNorm/beta": stored()}
    assert list(canonical_tensors(other, config, Dialect.GOOGLE)) == ["embeddings.LayerNorm.bias"]


def test_optimizer_state_and_position_ids_are_left_out():
    config = small_config()
    names = [
        "bert/embeddings/LayerNorm/beta/adam_m",
        "bert/embeddings/LayerNorm/beta/adam_v",
        "bert/embeddings/LayerNorm/beta/AdamWeightDecayOptimizer_1",
        "global_step",
    ]
    assert canonical_tensors(dict.fromkeys(names, stored()), config, Dialect.GOOGLE) == {}
    ids = {"mobilebert.embeddings.position_ids": stored(), "embeddings.position_ids": stored()}
    assert canonical_tensors(ids, config, Dialect.CANONICAL) == {}


def test_legacy_norm_names_are_read():
    names = {
        "mobilebert.embeddings.LayerNorm.gamma": stored(),
        "mobilebert.embeddings.LayerNorm.beta": stored(),
    }
    found = canonical_tensors(names, small_config(), Dialect.CANONICAL)
    assert list(found) == ["embeddings.LayerNorm.weight", "embeddings.LayerNorm.bias"]


def test_state_dicts_of_users_keep_names_that_mean_something_elsewhere():
    names = ["global_step", "adam_m", "own.LayerNorm.gamma", "mobilebert.own.LayerNorm.beta"]
    found = canonical_tensors(dict.fromkeys(names, stored()), small_config(), Dialect.CANONICAL)
    assert list(found) == [*names[:3], "own.LayerNorm.beta"]
    both = ["embeddings.LayerNorm.gamma", "mobilebert.embeddings.LayerNorm.weight"]
    found = canonical_tensors(dict.fromkeys(both, stored()), small_config(), Dialect.CANONICAL)
    assert list(found) == [f"own:{both[0]}", "embeddings.LayerNorm.weight"]


@pytest.mark.parametrize("variant", ["mobilebert", "teacher"])
def test_every_legacy_norm_name_is_read(variant):
    config = small_config(variant)
    rows = [r.name for task in TASKS for r in weight_specs(config, task) if "LayerNorm" in r.name]
    for name in set(rows):
        legacy = name.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta")
        found = canonical_tensors({legacy: stored()}, config, Dialect.CANONICAL)
        assert list(found) == [name.removeprefix(ENCODER_PREFIX)]


def test_two_spellings_of_one_tensor_are_refused():
    names = {"embeddings.LayerNorm.gamma": stored(), "embeddings.LayerNorm.weight": stored()}
    with pytest.raises(CheckpointError, match=r"gamma.*LayerNorm\.weight.*are both"):
        canonical_tensors(names, small_config(), Dialect.CANONICAL)


def test_a_name_that_no_model_has_is_refused_by_the_table_and_kept_by_the_reader():
    with pytest.raises(CheckpointError, match=r"decoder\.layer\.0"):
        NameTable(small_config()).foreign("decoder.layer.0", Dialect.GOOGLE)
    for dialect in Dialect:
        assert list(canonical_tensors({"lstm": stored()}, small_config(), dialect)) == ["lstm"]
