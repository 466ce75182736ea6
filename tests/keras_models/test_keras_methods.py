"""What the Keras classes can do besides `call`: embeddings, serving, publishing."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import mobilebert
from assertions import assert_close, relative_error
from keras_models.changing import (
    SHALLOW,
    inputs,
)
from mobilebert.errors import ArgumentError, InputError
from tf_models import build, pair
from tolerances import FLOAT32

# Embeddings and generic methods


def test_embeddings_are_reached_and_replaced():
    model = build("masked_lm", **SHALLOW)
    batch = inputs(model)
    words = model.get_input_embeddings()
    assert model.get_output_embeddings() is words
    model.set_output_embeddings(words)  # it is there
    with pytest.raises(InputError, match=r"set_input_embeddings\(\) changes both"):
        model.set_output_embeddings(np.zeros((97, 16)))
    before = model(**batch).logits
    table = np.random.default_rng(3).standard_normal((97, 16)).astype(np.float32)
    model.set_input_embeddings(table)
    assert model.get_input_embeddings() is words
    assert relative_error(model(**batch).logits, before) > 5 * FLOAT32
    by_table = model(**batch).logits
    layer = keras.layers.Embedding(97, 16)
    layer.build()
    layer.embeddings.assign(table)
    count, order = model.num_parameters(), [v.name for v in model.weights]
    model.set_input_embeddings(layer)
    assert model.get_input_embeddings() is layer
    assert model.get_output_embeddings() is layer
    assert (model.num_parameters(), [v.name for v in model.weights]) == (count, order)
    assert model.weights[0] is layer.embeddings
    assert_close(model(**batch).logits, by_table, FLOAT32)
    for wrong in (np.zeros((98, 16)), keras.layers.Embedding(97, 8), 3):
        with pytest.raises(InputError, match=r"must have the shape \(97, 16\)"):
            model.set_input_embeddings(wrong)


def test_the_main_layer_has_its_word_table_too():
    model = build("masked_lm", **SHALLOW)
    main, words = model.mobilebert, model.get_input_embeddings()
    assert main.get_input_embeddings() is words
    assert words.weight is words.embeddings
    assert words.weight.shape == (97, 16)
    table = np.full((97, 16), 0.5, np.float32)
    main.set_input_embeddings(table)
    assert main.get_input_embeddings() is words
    assert (words.weight.numpy() == table).all()
    with pytest.raises(InputError, match=r"must have the shape \(97, 16\)"):
        main.set_input_embeddings(np.zeros((98, 16)))


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras reads its variable so
def test_the_word_table_can_be_quantised():
    words = build("masked_lm", **SHALLOW).get_input_embeddings()
    words.quantize("int8")
    assert words.quantization_mode == "int8"
    assert words(np.arange(97)).shape == (97, 16)


def test_the_decoder_of_an_untied_model_is_its_own():
    model = build("pretraining", "untied", **SHALLOW)
    batch = inputs(model)
    words, decoder = model.get_input_embeddings(), model.get_output_embeddings()
    assert words is not decoder
    other = keras.layers.Embedding(97, 16)
    model.set_output_embeddings(other)
    assert model.get_output_embeddings() is other
    hidden = model.cls.predictions.transform(model.mobilebert(**batch).last_hidden_state)
    joint = np.concatenate([other.embeddings.numpy().T, model.cls.predictions.dense.weight.numpy()])
    wanted = np.asarray(hidden) @ joint + model.get_bias()["bias"].numpy()
    assert_close(model(**batch).prediction_logits, wanted, FLOAT32)


def test_the_bias_of_the_vocabulary_head():
    model = build("masked_lm", **SHALLOW)
    batch = inputs(model)
    before = np.asarray(model(**batch).logits)
    assert model.get_lm_head() is model.cls.predictions
    model.set_bias({"bias": model.get_bias()["bias"].numpy() + 3})
    assert_close(model(**batch).logits, before + 3, FLOAT32)
    with pytest.warns(FutureWarning, match="use get_bias"):
        assert model.get_prefix_bias_name() == f"{model.name}/cls/predictions"
    with pytest.warns(FutureWarning, match="use get_lm_head"):
        assert model.get_output_layer_with_bias() is model.get_lm_head()
    for wrong, message in (
        (np.zeros(97), 'given as {"bias": numbers}'),
        ({"decoder": np.zeros(97)}, 'given as {"bias": numbers}'),
        ({"bias": np.zeros(98)}, r"must have the shape \(97,\), not \(98,\)"),
        ({"bias": 3}, r"must have the shape \(97,\), not \(\)"),
    ):
        with pytest.raises(InputError, match=message):
            model.set_bias(wrong)


def test_models_without_a_vocabulary_head_say_so():
    model = build("sequence_classification", **SHALLOW)
    assert model.get_lm_head() is model.get_output_embeddings() is model.get_bias() is None
    with pytest.warns(FutureWarning):
        assert model.get_prefix_bias_name() is None
    for call in (model.set_output_embeddings, model.set_bias):
        with pytest.raises(InputError, match="TFMobileBertForSequenceClassification has no"):
            call(np.zeros((97, 16)))


def test_call_itself_takes_every_form():
    model = build("sequence_classification", **SHALLOW)
    batch = inputs(model)
    wanted = model(**batch, labels=np.array([0, 1, 1]))
    found = model.call({**batch, "labels": np.array([0, 1, 1])})
    assert_close(found.loss, float(wanted.loss), FLOAT32)
    for form in (model.call(list(batch.values())), model.call(input_ids=batch)):
        assert_close(form.logits, wanted.logits, FLOAT32)
    pooled = model.mobilebert(**batch).pooler_output
    assert_close(model.mobilebert(batch).pooler_output, pooled, FLOAT32)
    with pytest.raises(ArgumentError, match="Unknown input words"):
        model.call({**batch, "words": 1})


# Serving and publishing


SIGNATURE = {
    "inputs_embeds": tf.TensorSpec((None, None, 16), tf.float32, name="inputs_embeds"),
    "attention_mask": tf.TensorSpec((None, None), tf.int32, name="attention_mask"),
}


class ServedByEmbeddings(mobilebert.TFMobileBertForSequenceClassification):
    """What users of transformers wrote to serve a model with inputs of their own."""

    @tf.function(input_signature=[SIGNATURE])
    def serving(self, inputs):
        return self.serving_output(self.call(inputs))


def test_saved_models_beside_the_checkpoint(tmp_path):
    model = build("token_classification", output_hidden_states=True, **SHALLOW)
    batch = inputs(model)
    for _ in range(2):  # the second takes the place of the first
        model.save_pretrained(tmp_path, saved_model=True, version=3)
    assert [path.name for path in (tmp_path / "saved_model").iterdir()] == ["3"]
    assert (tmp_path / "model.safetensors").is_file()
    served = tf.saved_model.load(tmp_path / "saved_model" / "3").signatures
    wanted = model(**batch)
    for name, dtype in (("serving_default", tf.int32), ("int64_serving", tf.int64)):
        found = served[name](**{key: tf.constant(x, dtype) for key, x in batch.items()})
        assert set(found) == {"logits", "hidden_states"}
        assert_close(found["logits"], wanted.logits, FLOAT32)
        assert_close(found["hidden_states"], np.stack(wanted.hidden_states), FLOAT32)


def test_a_subclass_says_how_it_is_served(tmp_path):
    model = build("sequence_classification", **SHALLOW)
    own = ServedByEmbeddings(model.config)
    own.set_weights(model.get_weights())
    own.save_pretrained(tmp_path, saved_model=True)
    served = tf.saved_model.load(tmp_path / "saved_model" / "1").signatures["serving_default"]
    batch = inputs(model)
    words = model.get_input_embeddings()(batch["input_ids"])
    mask = tf.constant(batch["attention_mask"], tf.int32)
    wanted = model(inputs_embeds=words, attention_mask=mask).logits
    assert_close(served(inputs_embeds=words, attention_mask=mask)["logits"], wanted, FLOAT32)


def test_attentions_of_pruned_layers_are_served_by_number():
    model = build(num_feedforward_networks=1, output_attentions=True)
    assert model.eager_serving(inputs(model))["attentions"].shape == (2, 3, 4, 11, 11)
    model.prune_heads({1: [0]})
    found = model.serving(inputs(model))
    assert list(found) == ["last_hidden_state", "pooler_output", "attentions_0", "attentions_1"]
    assert found["attentions_1"].shape == (3, 3, 11, 11)


@pytest.mark.parametrize("version", ["../1", -1, True, 1.5])
def test_versions_are_numbers(version, tmp_path):
    with pytest.raises(InputError, match="version must be an integer"):
        build(**SHALLOW).save_pretrained(tmp_path / "new", saved_model=True, version=version)
    assert not (tmp_path / "new").exists()


def test_a_model_is_uploaded(uploads, tmp_path):
    model = build(**SHALLOW)
    assert model.push_to_hub("mine", token="secret", private=True, revision="draft") == "done"
    files = ["config.json", "model.safetensors"]
    assert uploads[:2] == [
        ("token", "secret"),
        ("create_repo", "mine", {"private": True, "exist_ok": True}),
    ]
    assert uploads[2][:3] == ("upload_folder", "someone/mine", files)
    assert uploads[2][3]["revision"] == "draft"
    model.save_pretrained(
        tmp_path / "model", push_to_hub=True, commit_message="first", create_pr=True
    )
    assert uploads[4][1] == "model"
    assert uploads[5][3] == {"commit_message": "first", "create_pr": True}
    with pytest.raises(ArgumentError, match="does not know commit_message"):
        model.save_pretrained(tmp_path / "model", commit_message="first")


def test_nothing_but_the_model_is_uploaded(uploads, tmp_path):
    (tmp_path / "saved_model" / "1").mkdir(parents=True)
    for name in (".env", "train.csv", "saved_model/1/earlier.pb"):
        (tmp_path / name).write_text("secret")
    model = build(**SHALLOW)
    model.save_pretrained(tmp_path, push_to_hub=True)
    assert uploads[2][2] == ["config.json", "model.safetensors"]
    model.save_pretrained(tmp_path, saved_model=True, version=2, push_to_hub=True)
    files = uploads[5][2]
    assert "saved_model/2/variables/variables.index" in files
    rest = [name for name in files if not name.startswith("saved_model/2/")]
    assert rest == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("variant", ["mobilebert", "no_opt", "untied"])
def test_variables_have_their_canonical_names_as_paths(variant):
    model = build("pretraining", variant)
    model.resize_token_embeddings(103)
    model.prune_heads({0: [1]})
    found = {variable.path for variable in model.weights}
    names = [row.name for row in model.weight_specs() if row.tied_to is None]
    assert found == {f"{model.name}/{name.replace('.', '/')}" for name in names}


def test_generic_methods():
    ours, theirs = pair("sequence_classification")
    assert ours.base_model is ours.mobilebert
    assert ours.base_model_prefix == "mobilebert"
    assert ours.main_input_name == "input_ids"
    assert ours.config_class is mobilebert.MobileBertConfig
    assert ours.framework == "tf"
    assert ours.name_or_path == ""
    assert ours.vocab_size == 97
    assert not ours.can_generate()
    for options in ({}, {"exclude_embeddings": True}):
        assert ours.num_parameters(**options) == theirs.num_parameters(**options)
    ours.mobilebert.trainable = False
    assert ours.num_parameters(only_trainable=True) == 2 * 32 + 2
    ours.tie_weights()
    ours.build((None, 7))
    ours.build_in_name_scope()
    assert [x.shape for x in ours.get_head_mask(np.ones((2, 4)), 2)] == [(1, 4, 1, 1)] * 2
    ours(ours.dummy_inputs)
    chooser = build("multiple_choice", **SHALLOW)
    chooser(**chooser.dummy_inputs)


def test_models_from_configurations():
    model = build("token_classification", num_labels=4, **SHALLOW)
    for given in (model.config, model.config.to_dict(), model.get_config()):
        again = type(model).from_config(given)
        assert again.config.to_dict() == model.config.to_dict()
    assert type(model)._from_config(model.config, dtype="bfloat16").compute_dtype == "bfloat16"
