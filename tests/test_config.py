import copy
import json
import pickle

import numpy as np
import pytest
import torch
import transformers

from mobilebert import MobileBertConfig
from mobilebert.errors import ArgumentError, CheckpointError, ConfigError
from mobilebert.presets import PRESETS

# The documented defaults, in signature order.
DOCUMENTED = {
    "vocab_size": 30522,
    "hidden_size": 512,
    "num_hidden_layers": 24,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "hidden_act": "relu",
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
    "embedding_size": 128,
    "trigram_input": True,
    "use_bottleneck": True,
    "intra_bottleneck_size": 128,
    "use_bottleneck_attention": False,
    "key_query_shared_bottleneck": True,
    "num_feedforward_networks": 4,
    "normalization_type": "no_norm",
    "classifier_activation": True,
    "classifier_dropout": None,
}

GOOGLE_TEACHER = {
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 512,
    "initializer_range": 0.02,
    "intermediate_size": 4096,
    "max_position_embeddings": 512,
    "num_attention_heads": 4,
    "num_hidden_layers": 24,
    "type_vocab_size": 2,
    "vocab_size": 30522,
    "embedding_size": 128,
    "trigram_input": True,
    "use_bottleneck": True,
    "intra_bottleneck_size": 1024,
}


def test_defaults_and_positional_order_are_the_documented_ones():
    config = MobileBertConfig()
    assert {name: getattr(config, name) for name in DOCUMENTED} == DOCUMENTED
    assert MobileBertConfig(*DOCUMENTED.values()) == config


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"num_labels": 5},
        {"id2label": {"0": "no", "1": "yes", "2": "maybe"}},
        {"id2label": {0: "a", 1: "b"}, "label2id": {"a": 0, "b": 1}},
        {"problem_type": "regression", "output_attentions": True, "return_dict": False},
        {"use_bottleneck": False, "num_attention_heads": 8, "tie_word_embeddings": False},
        {"pruned_heads": {0: [1]}, "classifier_dropout": 0.3, "my_own_key": {"a": [1, None]}},
        {"torch_dtype": "float16", "architectures": ["MobileBertForMaskedLM"]},
        {"eos_token_id": [102, 0], "task_specific_params": {"a": {"prefix": "b: "}}},
    ],
)
def test_config_json_is_exchanged_with_transformers(tmp_path, fields):
    ours, peers = MobileBertConfig(**fields), transformers.MobileBertConfig(**fields)
    ours.save_pretrained(tmp_path / "ours")
    peers.save_pretrained(tmp_path / "peer")
    read_by_peer = transformers.MobileBertConfig.from_pretrained(tmp_path / "ours")
    read_by_us = MobileBertConfig.from_pretrained(tmp_path / "peer")
    names = [*DOCUMENTED, *fields, "num_labels", "id2label", "true_hidden_size", "use_return_dict"]
    for name in names:
        wanted = getattr(peers, name)
        assert str(getattr(ours, name)) == str(wanted).removeprefix("torch.")
        assert getattr(read_by_peer, name) == wanted
        assert getattr(read_by_us, name) == getattr(ours, name)


def test_generic_attributes_are_there_and_settable(tmp_path):
    names = ("bos_token_id", "decoder_start_token_id", "eos_token_id", "prefix", "sep_token_id")
    names = (*names, "task_specific_params")
    config, peers = MobileBertConfig(), transformers.MobileBertConfig()
    assert {name: getattr(config, name) for name in names} == dict.fromkeys(names)
    assert {name: getattr(peers, name) for name in names} == dict.fromkeys(names)
    assert not set(names) & set(json.loads(config.to_json_string()))
    config.sep_token_id = 102
    config.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["sep_token_id"] == 102
    assert MobileBertConfig.from_pretrained(tmp_path, prefix="a: ").sep_token_id == 102


def test_dtypes_are_kept_by_name():
    for dtype in ("float16", "torch.float16", torch.float16):
        assert MobileBertConfig(dtype=dtype).dtype == "float16"
        assert MobileBertConfig(torch_dtype=dtype).torch_dtype == "float16"


def test_changing_one_field_of_the_file_changes_what_the_peer_reads(tmp_path):
    MobileBertConfig(intermediate_size=511).save_pretrained(tmp_path)
    assert (
        transformers.MobileBertConfig.from_pretrained(tmp_path) != transformers.MobileBertConfig()
    )


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_the_round_trip(tmp_path, name):
    config = MobileBertConfig.preset(name, num_labels=7)
    config.to_json_file(tmp_path / "config.json")
    assert MobileBertConfig.from_json_file(tmp_path / "config.json") == config


def test_the_bundled_model_is_the_mini_preset():
    bundled = MobileBertConfig.from_pretrained("mobilebert-mini-uncased")
    preset = MobileBertConfig.preset("mobilebert-mini")
    assert {n: getattr(bundled, n) for n in DOCUMENTED} == {
        n: getattr(preset, n) for n in DOCUMENTED
    }


def test_googles_files_are_read_with_googles_defaults(tmp_path):
    (tmp_path / "teacher.json").write_text(json.dumps(GOOGLE_TEACHER))
    teacher = MobileBertConfig.from_json_file(tmp_path / "teacher.json")
    wanted = MobileBertConfig.preset("ib-bert-large", classifier_activation=True)
    assert teacher == wanted
    plain = {"vocab_size": 100, "hidden_act": "relu", "hidden_size": 24, "num_attention_heads": 2}
    config = MobileBertConfig.from_dict(plain)
    assert (config.embedding_size, config.intra_bottleneck_size) == (24, 24)
    assert not config.use_bottleneck


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_attention_heads": 5}, r"=5 does not divide intra_bottleneck_size=128.* 1, 2, 4"),
        ({"use_bottleneck": False, "num_attention_heads": 7}, "does not divide hidden_size=512"),
        ({"num_feedforward_networks": 0}, "integer from 1 to 64, not 0"),
        ({"hidden_act": "prelu"}, "'prelu'; choose one of gelu"),
        ({"hidden_act": 3}, "activation name or a function, not 3"),
        ({"normalization_type": "batch_norm"}, "no_norm, layer_norm, not 'batch_norm'"),
        ({"hidden_size": -512}, "from 1 to 65,536, not -512"),
        ({"hidden_size": "512"}, "not '512'"),
        ({"hidden_size": 512.0}, "not 512.0"),
        ({"hidden_size": True}, "not True"),
        ({"vocab_size": 10**15}, "from 1 to 16,777,216"),
        ({"num_hidden_layers": 10**9}, "from 1 to 1,000"),
        ({"hidden_dropout_prob": 1.5}, "probability from 0 to 1, not 1.5"),
        ({"attention_probs_dropout_prob": float("nan")}, "probability"),
        ({"classifier_dropout": "0.1"}, "probability"),
        ({"layer_norm_eps": -1e-12}, "at least 0"),
        ({"use_bottleneck": "yes"}, "true or false, not 'yes'"),
        ({"problem_type": "ranking"}, "regression, single_label_classification"),
        ({"pad_token_id": 30522}, "outside the vocabulary"),
        ({"pad_token_id": -1}, "token id"),
        ({"id2label": ["a"]}, "id2label must be"),
        ({"id2label": {"x": "a"}}, "integer keys"),
        ({"id2label": {"0": ["x"]}}, r"labels that are texts, not \['x'\] for '0'"),
        ({"id2label": {float("inf"): "x"}}, "integer keys"),
        ({"label2id": 3}, "label2id must be"),
        ({"label2id": {"x": {}}}, "label2id must have numbers, not {} for 'x'"),
        ({"initializer_range": 10**400}, "at least 0, not 1000"),
        ({"pruned_heads": {0: [float("inf")]}}, "table of layer"),
        ({"num_labels": 0}, "num_labels must be"),
        ({"pruned_heads": {0: [4]}}, "heads are 0 to 3"),
        ({"pruned_heads": {24: [0]}}, "there are 24 layers"),
        ({"pruned_heads": {0: [0, 1, 2, 3]}}, "removes all 4 heads"),
        ({"pruned_heads": [1]}, "table of layer"),
    ],
)
def test_impossible_values_say_what_is_allowed(fields, message):
    with pytest.raises(ConfigError, match=message):
        MobileBertConfig(**fields)


@pytest.mark.parametrize(
    ("name", "value"),
    [("hidden_size", 0), ("hidden_act", "tan"), ("trigram_input", 2), ("problem_type", "x")],
)
def test_assignment_is_checked_and_leaves_the_old_value(name, value):
    config = MobileBertConfig()
    before = getattr(config, name)
    with pytest.raises(ConfigError, match=name):
        setattr(config, name, value)
    assert getattr(config, name) == before


def test_update_checks_the_combination():
    config = MobileBertConfig()
    config.update({"intra_bottleneck_size": 96, "num_attention_heads": 6})
    assert config.true_hidden_size == 96
    with pytest.raises(ConfigError, match="does not divide"):
        config.update({"num_attention_heads": 7})


def test_labels_follow_each_other():
    config = MobileBertConfig(num_labels=3)
    assert config.id2label == {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}
    config.id2label = {"0": "bad", "1": "good"}
    assert (config.num_labels, config.label2id) == (2, {"bad": 0, "good": 1})
    config.num_labels = 2
    assert config.id2label[1] == "good"
    config.num_labels = 4
    assert config.label2id["LABEL_3"] == 3
    assert MobileBertConfig(label2id={"x": 0, "y": 1}).id2label == {0: "x", 1: "y"}


def test_contradicting_label_numbers(caplog):
    assert MobileBertConfig(num_labels=3, id2label={0: "a"}).num_labels == 1
    assert "num_labels=3" in caplog.text
    with pytest.raises(ConfigError, match="num_labels=3 does not fit"):
        MobileBertConfig.from_dict({}, num_labels=3, id2label={0: "a"})


def test_unknown_keys_are_kept_and_never_obeyed(tmp_path):
    hostile = {
        "model_type": "mobilebert",
        "auto_map": {"AutoModel": "evil--modeling.Evil"},
        "_attn_implementation_internal": "kernels/evil",
        "to_dict": "overwritten",
        "_attn_implementation": "kernels/evil",
        "not an identifier": 1,
        "self": {"vocab_size": 1},
        "true_hidden_size": 7,
    }
    (tmp_path / "config.json").write_text(json.dumps(hostile))
    config = MobileBertConfig.from_pretrained(tmp_path)
    assert config._attn_implementation is None
    assert callable(config.to_dict)
    assert config.true_hidden_size == 128
    config.save_pretrained(tmp_path / "again")
    written = json.loads((tmp_path / "again" / "config.json").read_text())
    assert {k: written[k] for k in hostile if k != "true_hidden_size"} == {
        k: v for k, v in hostile.items() if k != "true_hidden_size"
    }


def test_from_pretrained_takes_fields_and_returns_or_refuses_the_rest(tmp_path):
    MobileBertConfig().save_pretrained(tmp_path)
    config, unused = MobileBertConfig.from_pretrained(
        tmp_path, num_labels=9, output_attentions=True, foo=1, return_unused_kwargs=True
    )
    assert (config.num_labels, config.output_attentions, unused) == (9, True, {"foo": 1})
    assert config.name_or_path == str(tmp_path)
    with pytest.raises(ArgumentError, match="foo"):
        MobileBertConfig.from_pretrained(tmp_path, foo=1)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("", CheckpointError, "not a valid JSON"),
        ("[1]", CheckpointError, "hold a JSON object"),
        ("[" * 100_000, CheckpointError, "not a valid JSON"),
        ('{"model_type": "bert"}', ConfigError, "'bert' model; this library is for MobileBERT"),
        ('{"hidden_size": 1e400}', ConfigError, "hidden_size"),
        ('{"hidden_size": [1]}', ConfigError, "hidden_size"),
    ],
)
def test_bad_files(tmp_path, content, error, message):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(error, match=message):
        MobileBertConfig.from_pretrained(tmp_path)


def test_missing_places(tmp_path):
    with pytest.raises(CheckpointError, match="no config.json"):
        MobileBertConfig.from_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="mobilebert-mini-uncased"):
        MobileBertConfig.from_pretrained(tmp_path / "absent" / "deep" / "name")


def test_a_function_as_activation_works_but_is_not_written():
    config = MobileBertConfig(hidden_act=np.tanh)
    assert "hidden_act" in repr(config)
    with pytest.raises(ConfigError, match="hidden_act is a function"):
        config.to_json_string()


def test_copies_are_independent_and_equal():
    config = MobileBertConfig(id2label={0: "a", 1: "b"}, extra=[1])
    for twin in (copy.deepcopy(config), pickle.loads(pickle.dumps(config))):
        assert twin == config
        twin.id2label[0] = "changed"
        assert config.id2label[0] == "a"
        assert twin != config
    assert config.to_dict()["extra"] is not config.extra


def test_unknown_field_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no field 'hiden_size'"):
        _ = MobileBertConfig().hiden_size


def test_runtime_choices_are_not_written():
    config = MobileBertConfig(attn_implementation="eager", name_or_path="somewhere")
    assert config._attn_implementation == "eager"
    text = config.to_json_string()
    assert "eager" not in text
    assert "somewhere" not in text


def test_fields_that_do_not_go_together_are_not_saved(tmp_path):
    config = MobileBertConfig()
    config.num_attention_heads = 3  # assigned alone: the other sizes may follow
    with pytest.raises(ConfigError, match="num_attention_heads=3 does not divide"):
        config.save_pretrained(tmp_path)
    assert list(tmp_path.iterdir()) == []
