"""What the Keras classes can do besides `call`: another vocabulary size, fewer heads, and so on."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

import mobilebert
from assertions import assert_close, relative_error
from mobilebert.errors import ArgumentError, InputError
from mobilebert.keras.resize import resized_rows
from mobilebert.keras.variables import read
from mobilebert.resizing import COVARIANCE_SHARE
from mobilebert.tasks import TASKS
from mobilebert.weights import weight_specs
from models import random_batch
from tf_models import build, pair
from tolerances import FLOAT32, INITIAL_STANDARD_DEVIATION, SAMPLE_COVARIANCE, TRUNCATED_SHARE

NAMES = ("input_ids", "attention_mask", "token_type_ids")
HEADS = [task for task, row in TASKS.items() if row.vocabulary]
SHALLOW = {"num_hidden_layers": 1, "num_feedforward_networks": 1}


def inputs(model, rows=3, words=60):
    """Padded inputs whose ids are in any vocabulary of the tests."""
    choices = 4 if model.task.choices else 0
    ids, mask, types = random_batch(model.config, rows, choices=choices)
    return {"input_ids": ids % words, "attention_mask": mask, "token_type_ids": types}


def run_torch(model, batch, **options):
    with torch.no_grad():
        return model(**{name: torch.as_tensor(x) for name, x in batch.items()}, **options)


def results(output):
    return {name: np.asarray(x) for name, x in output.items() if not isinstance(x, tuple)}


def shapes(model):
    return {name: x.shape for name, x in read(model, model.weight_specs()).items()}


def wanted_shapes(model):
    rows = weight_specs(model.config, model.task)
    return {row.name: row.shape for row in rows if row.tied_to is None}


# Another vocabulary size


@pytest.mark.parametrize("size", [60, 103])
@pytest.mark.parametrize(
    ("task", "variant"),
    [*((task, "mobilebert") for task in TASKS), *((task, "untied") for task in HEADS)],
)
def test_every_model_takes_another_vocabulary_size(task, variant, size):
    """As in PyTorch, old words keep their scores."""
    ours, theirs = pair(task, variant, **SHALLOW)
    batch = inputs(ours)
    before = results(ours(**batch))
    table = ours.resize_token_embeddings(size)
    theirs.resize_token_embeddings(size)
    assert table is ours.get_input_embeddings()
    assert table.input_dim == table.embeddings.shape[0] == ours.config.vocab_size == size
    assert shapes(ours) == wanted_shapes(ours)
    after, wanted = results(ours(**batch)), results(run_torch(theirs, batch))
    for name, old in before.items():
        kept = min(60, old.shape[-1]) if TASKS[task].vocabulary and old.ndim == 3 else None
        assert after[name].shape == wanted[name].shape
        assert_close(after[name][..., :kept], old[..., :kept], FLOAT32, name)
        assert_close(after[name][..., :kept], wanted[name][..., :kept], FLOAT32, name)


@pytest.mark.parametrize("size", [60, 103])
@pytest.mark.parametrize("variant", ["mobilebert", "untied"])
def test_both_packages_read_resized_and_pruned_models(variant, size, tmp_path):
    model = build("masked_lm", variant)
    model.resize_token_embeddings(size)
    model.prune_heads({0: [3], 1: [0, 2]})
    model.save_pretrained(tmp_path)
    batch = inputs(model)
    batch["input_ids"] += size - 60
    wanted = model(**batch).logits
    again = type(model).from_pretrained(tmp_path)
    theirs = mobilebert.MobileBertForMaskedLM.from_pretrained(tmp_path)
    for found in (again, theirs):
        assert (found.config.vocab_size, found.config.pruned_heads) == (size, {0: [3], 1: [0, 2]})
    assert_close(again(**batch).logits, wanted, FLOAT32)
    assert_close(run_torch(theirs, batch).logits, wanted, FLOAT32)


def test_a_table_that_was_not_resized_is_noticed():
    """The twin: with other numbers in a new word's row its score changes, and only its score."""
    model = build("masked_lm", "untied")
    batch = inputs(model)
    model.resize_token_embeddings(103)
    before = np.asarray(model(**batch).logits)
    rows = np.array(model.get_output_embeddings().embeddings.numpy())
    rows[102] += 1
    model.set_output_embeddings(rows)
    after = np.asarray(model(**batch).logits)
    assert_close(after[..., :102], before[..., :102], FLOAT32)
    assert relative_error(after[..., 102], before[..., 102]) > 5 * FLOAT32


def test_both_widths_may_be_equal():
    model = build("masked_lm", "plain_embedding")
    model.resize_token_embeddings(120)
    assert shapes(model) == wanted_shapes(model)
    model.resize_token_embeddings(130, mean_resizing=False)
    assert model(**inputs(model)).logits.shape == (3, 11, 130)


def test_the_size_is_rounded_up():
    model = build("masked_lm", **SHALLOW)
    assert model.resize_token_embeddings(100, pad_to_multiple_of=64).input_dim == 128
    assert model.resize_token_embeddings(pad_to_multiple_of=100).input_dim == 200
    assert model.resize_token_embeddings(200, pad_to_multiple_of=8).input_dim == 200
    assert model.resize_token_embeddings().input_dim == model.vocab_size == 200


def test_the_padding_row_may_be_cut_off(tmp_path):
    model = build(pad_token_id=90, **SHALLOW)
    batch = inputs(model)
    model.resize_token_embeddings(80)
    assert model.config.pad_token_id is None
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    assert_close(again(**batch).pooler_output, model(**batch).pooler_output, FLOAT32)


@pytest.mark.parametrize(
    "arguments", [(0,), (-3,), (2.5,), ("9",), (True,), (9, 0), (9, 2.0), (None, -1)]
)
def test_impossible_sizes_are_refused_as_in_pytorch(arguments):
    said = []
    for model in pair(**SHALLOW):
        with pytest.raises(InputError, match="must be an integer of at least 1") as caught:
            model.resize_token_embeddings(*arguments)
        assert model.config.vocab_size == 97
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_new_rows_lie_around_the_mean_of_the_old():
    old = np.random.default_rng(0).standard_normal((500, 4)) * [1, 2, 3, 4] + 5
    old = old.astype(np.float32)
    new = resized_rows(old, 20_500, True, 0.02)[500:].astype(np.float64)
    mean = old.mean(0, dtype=np.float64)
    scaled = (new - mean) / COVARIANCE_SHARE**0.5
    assert_close(np.cov(scaled.T), np.cov(old.T, ddof=0), SAMPLE_COVARIANCE, "covariance")
    assert_close(new.mean(0), mean, FLOAT32)


def test_new_rows_may_be_drawn_as_initial_weights_are():
    old = np.full((50, 8), 100, np.float32)
    new = resized_rows(old, 4000, False, 0.5)
    assert np.array_equal(new[:50], old)
    assert np.abs(new[50:]).max() <= 1.0
    assert new[50:].std() == pytest.approx(0.5 * TRUNCATED_SHARE, rel=INITIAL_STANDARD_DEVIATION)


def test_the_seed_decides_on_new_rows():
    tables = []
    for seed in (1, 1, 2):
        model = build(**SHALLOW)
        keras.utils.set_random_seed(seed)
        tables.append(model.resize_token_embeddings(120).embeddings.numpy())
    assert np.array_equal(tables[0], tables[1])
    assert not np.array_equal(tables[0], tables[2])


def test_frozen_variables_stay_frozen_and_keep_their_dtype():
    model = build("masked_lm", "untied", dtype="bfloat16", **SHALLOW)
    names = [variable.name for variable in model.weights]
    model.mobilebert.trainable = False
    model.cls.predictions.bias.trainable = False
    trainable = len(model.trainable_weights)
    model.resize_token_embeddings(120)
    model.prune_heads({0: [1]})
    assert len(model.trainable_weights) == trainable
    assert not model.cls.predictions.bias.trainable
    assert {str(variable.dtype) for variable in model.weights} == {"bfloat16"}
    assert [variable.name for variable in model.weights] == names  # their order too
    model.mobilebert.trainable = True
    assert model.get_input_embeddings().embeddings.trainable


def test_an_optimizer_that_has_not_run_is_kept():
    model = build(**SHALLOW)
    model.compile(optimizer="adam")
    first = model.optimizer
    model.resize_token_embeddings(100)
    assert model.optimizer is first
    model.resize_token_embeddings(100)  # nothing to do
    model.prune_heads({})
    assert model.optimizer is first


# Pruning


@pytest.mark.parametrize(
    ("task", "variant"), [*((task, "mobilebert") for task in TASKS), ("masked_lm", "no_bottleneck")]
)
def test_pruned_models_are_those_of_pytorch(task, variant):
    ours, theirs = pair(task, variant, num_feedforward_networks=1)
    batch = inputs(ours)
    masked = ours(**batch, head_mask=np.array([[1, 1, 1, 0], [0, 0, 1, 1]], np.float32))
    for model in (ours, theirs):
        model.prune_heads({0: [3], -1: [0]})
        model.prune_heads({1: [1, 0], 0: []})
    assert ours.config.pruned_heads == theirs.config.pruned_heads == {0: [3], 1: [0, 1]}
    assert shapes(ours) == wanted_shapes(ours)
    found = ours(**batch, output_attentions=True)
    wanted = run_torch(theirs, batch, output_attentions=True)
    assert [x.shape for x in found.attentions] == [tuple(x.shape) for x in wanted.attentions]
    for name, value in results(wanted).items():
        assert_close(results(found)[name], value, FLOAT32, name)
        # A head that is gone adds what a head of probability 0 does: nothing.
        assert_close(results(masked)[name], value, FLOAT32, name)


def test_a_head_mask_goes_on_counting_heads_as_the_unpruned_model_does():
    ours, theirs = pair()
    for model in (ours, theirs):
        model.prune_heads({0: [1], 1: [0, 3]})
    batch, mask = inputs(ours), np.array([0.5, 1, 0.25, 2], dtype=np.float32)
    wanted = run_torch(theirs, batch, head_mask=torch.as_tensor(mask))
    assert_close(ours(**batch, head_mask=mask).pooler_output, wanted.pooler_output, FLOAT32)


def test_another_pruned_head_is_noticed():
    """The twin: the outputs are those of the heads named and of no others."""
    ours, theirs = pair()
    ours.prune_heads({0: [3]})
    theirs.prune_heads({0: [2]})
    batch = inputs(ours)
    wanted = results(run_torch(theirs, batch))["last_hidden_state"]
    assert relative_error(ours(**batch).last_hidden_state, wanted) > 5 * FLOAT32


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        ({2: [0]}, "no layer 2; layers are 0 to 1"),
        ({-3: [0]}, "no layer -3"),
        ({0: [4]}, "no head 4; heads are 0 to 3"),
        ({0: [0, 1, 2, 3]}, "Layer 0 would lose all its 4 heads"),
        ({0: 1}, "Heads are named by layer"),
        ([0, 1], "Heads are named by layer"),
    ],
)
def test_impossible_pruning_changes_nothing(heads, message):
    model = build()
    before = shapes(model)
    with pytest.raises(InputError, match=message):
        model.prune_heads({1: [0], **heads} if isinstance(heads, dict) else heads)
    assert model.config.pruned_heads == {}
    assert shapes(model) == before


@pytest.mark.parametrize("change", ["resize_token_embeddings", "prune_heads"])
def test_adapters_and_quantised_layers_keep_their_shape(change):
    """A later layer is adapted: the earlier ones are left alone too."""
    argument = {"resize_token_embeddings": 100, "prune_heads": {0: [1], 1: [1]}}[change]
    model = build("masked_lm", "untied")
    model.mobilebert.encoder.layer[1].attention.self.value.enable_lora(2)
    before = [tuple(variable.shape) for variable in model.weights]
    with pytest.raises(InputError, match=r"resize and prune before quantize\(\) and enable_lora"):
        getattr(model, change)(argument)
    assert model.config.vocab_size == 97
    assert model.config.pruned_heads == {}
    assert [tuple(variable.shape) for variable in model.weights] == before


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
