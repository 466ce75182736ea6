import pytest

from mobilebert import MobileBertConfig
from mobilebert.errors import ConfigError
from mobilebert.tasks import TASKS
from mobilebert.weights import (
    WeightInit,
    WeightKind,
    differences,
    heads_of_layer,
    parameter_count,
    pruned_heads_of_layer,
    weight_specs,
)
from models import VARIANTS, small_config


@pytest.mark.parametrize(
    ("preset", "encoder"),
    [
        # Encoder and embeddings without pooler: computed from the paper's table 1.
        ("mobilebert", 24_581_888),
        ("mobilebert-no-opt", 24_581_888),
        ("mobilebert-qat", 24_581_888),
        ("mobilebert-tiny", 15_485_696),
        ("ib-bert-large", 294_205_184),
    ],
)
def test_presets_have_the_papers_parameter_counts(preset, encoder):
    assert parameter_count(MobileBertConfig.preset(preset)) == encoder


def test_heads_add_the_documented_numbers():
    config = MobileBertConfig.preset("mobilebert")
    encoder = parameter_count(config)
    # Transform and its norm, the vocabulary bias, the extension of the word table.
    vocabulary = 263_680 + 30_522 + 11_720_448
    assert parameter_count(config, "masked_lm") - encoder == vocabulary
    assert parameter_count(config, "pretraining") - encoder == vocabulary + 2 * 512 + 2
    # transformers prints 24,582,914 for a released SST-2 classifier.
    assert parameter_count(config, "text-classification") == 24_582_914


def test_default_configuration_has_the_documented_state_dict_sizes():
    config = MobileBertConfig()
    keys = {name: len(weight_specs(config, name)) for name in TASKS}
    assert keys == {
        "feature_extraction": 1113,
        "pretraining": 1123,
        "masked_lm": 1119,
        "next_sentence_prediction": 1115,
        "sequence_classification": 1115,
        "multiple_choice": 1115,
        "question_answering": 1113,
        "token_classification": 1113,
    }


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_names_are_unique_and_ties_point_to_a_tensor_of_the_same_shape(variant, task):
    specs = weight_specs(small_config(variant), task)
    shapes = {row.name: row.shape for row in specs}
    assert len(shapes) == len(specs)
    for row in specs:
        assert row.tied_to is None or shapes[row.tied_to] == row.shape


def test_untied_vocabulary_counts_its_own_table():
    tied, untied = (small_config(tie_word_embeddings=flag) for flag in (True, False))
    extra = parameter_count(untied, "masked_lm") - parameter_count(tied, "masked_lm")
    assert extra == tied.vocab_size * tied.embedding_size


def test_pruned_heads_narrow_the_attention_of_their_layer_only():
    config = small_config(pruned_heads={"0": [0, 2], "-1": [3]})
    shapes = {row.name: row.shape for row in weight_specs(config)}
    assert shapes["encoder.layer.0.attention.self.query.weight"] == (12, 24)
    assert shapes["encoder.layer.0.attention.output.dense.weight"] == (24, 12)
    assert shapes["encoder.layer.1.attention.self.value.weight"] == (18, 32)


def test_a_layer_is_pruned_under_either_of_its_numbers():
    config = small_config(pruned_heads={1: [0, 2], -1: [2, 3]})
    assert pruned_heads_of_layer(config, 0) == set()
    assert pruned_heads_of_layer(config, 1) == {0, 2, 3}
    assert heads_of_layer(config, 1) == 1
    with pytest.raises(ConfigError, match="all 4 heads of layer 1"):
        small_config(pruned_heads={1: [0, 1], -1: [2, 3]})


def test_differences_names_everything_at_once():
    specs = weight_specs(small_config(), "masked_lm")
    shapes = {row.name: row.shape for row in specs if row.tied_to is None}
    assert differences(specs, shapes) == differences(specs, {r.name: r.shape for r in specs})
    del shapes["cls.predictions.bias"], shapes["cls.predictions.transform.dense.bias"]
    shapes["mobilebert.encoder.layer.0.intermediate.dense.bias"] = (7,)
    shapes["stranger"] = (1,)
    found = differences(specs, shapes)
    assert found.missing == (
        "cls.predictions.bias",
        "cls.predictions.transform.dense.bias",
    )
    assert found.unexpected == ("stranger",)
    assert found.mismatched == (
        ("mobilebert.encoder.layer.0.intermediate.dense.bias", (7,), (36,)),
    )


def test_initial_values_are_the_documented_ones():
    def wanted(name):
        if name.endswith("bias"):
            return WeightInit.ZEROS
        return WeightInit.ONES if "LayerNorm" in name else WeightInit.TRUNCATED_NORMAL

    specs = weight_specs(small_config(), "pretraining")
    assert {row.name: row.init for row in specs} == {row.name: wanted(row.name) for row in specs}


def test_only_the_padding_row_starts_at_zero():
    rows = [row for row in weight_specs(small_config(pad_token_id=5)) if row.zero_row is not None]
    assert [(row.name, row.zero_row) for row in rows] == [("embeddings.word_embeddings.weight", 5)]
    assert rows[0].kind is WeightKind.EMBEDDING


def test_vocabulary_head_needs_room_beside_the_word_table():
    config = small_config(embedding_size=64)
    with pytest.raises(ConfigError, match="embedding_size <= hidden_size"):
        weight_specs(config, "fill-mask")
