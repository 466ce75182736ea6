"""Module tree, initial weights, generic methods."""

import inspect

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mobilebert.config import MobileBertConfig
from mobilebert.errors import ArgumentError, ConfigError, InputError
from mobilebert.tasks import TASKS
from mobilebert.torch import (
    MODEL_CLASSES,
    MobileBertForMaskedLM,
    MobileBertForSequenceClassification,
    MobileBertModel,
)
from mobilebert.torch.initialization import initialize
from mobilebert.weights import WeightInit, WeightKind, parameter_count, weight_specs
from models import VARIANTS, small_config
from tolerances import INITIAL_STANDARD_DEVIATION, TRUNCATED_SHARE
from torch_models import batch_for, build


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_module_tree_is_the_weight_specification(variant, task):
    config = small_config(variant)
    model = MODEL_CLASSES[task](config)
    specs = weight_specs(config, task)
    state = model.state_dict()
    assert {name: tuple(x.shape) for name, x in state.items()} == {r.name: r.shape for r in specs}
    if config.normalization_type == "no_norm":  # torch.nn.LayerNorm registers its weight first
        assert list(state) == [row.name for row in specs]
    assert model.num_parameters() == parameter_count(config, task)
    assert model.weight_specs() == specs


def test_without_pooler():
    model = MobileBertModel(small_config(), add_pooling_layer=False)
    assert model.pooler is None
    assert not any(name.startswith("pooler") for name in model.state_dict())
    assert model.weight_specs() == weight_specs(model.config, add_pooling_layer=False)


@pytest.mark.parametrize("task", ["masked_lm", "sequence_classification"])
@pytest.mark.parametrize("variant", ["mobilebert", "no_opt", "untied"])
def test_initial_weights(variant, task):
    config = small_config(variant, vocab_size=997, initializer_range=0.3, pad_token_id=5)
    model = MODEL_CLASSES[task](config)
    state = model.state_dict()
    drawn = []
    for spec in weight_specs(config, task):
        tensor = state[spec.name]
        if spec.init is WeightInit.TRUNCATED_NORMAL:
            assert tensor.abs().max() <= 2 * 0.3
            drawn.append(tensor.flatten())
            if spec.size > 300:
                assert tensor.std() > 0.2
        else:
            assert bool((tensor == (spec.init is WeightInit.ONES)).all()), spec.name
        if spec.zero_row is not None:
            assert not tensor[5].any()
            assert tensor[4].any()
    values = torch.cat(drawn)
    assert abs(values.mean()) < 0.3 * INITIAL_STANDARD_DEVIATION
    assert values.std() / 0.3 == pytest.approx(TRUNCATED_SHARE, rel=INITIAL_STANDARD_DEVIATION)


def test_named_weights_are_initialised_alone():
    model = build("sequence_classification")
    before = {name: x.clone() for name, x in model.state_dict().items()}
    model.init_weights(["classifier.weight", "classifier.bias"])
    changed = {n for n, x in model.state_dict().items() if not torch.equal(x, before[n])}
    assert changed == {"classifier.weight", "classifier.bias"}
    initialize(model, model.weight_specs(), 0.02)
    assert not torch.equal(
        model.mobilebert.pooler.dense.weight, before["mobilebert.pooler.dense.weight"]
    )


def test_models_without_memory():
    with torch.device("meta"):
        model = MobileBertForMaskedLM(small_config())
    assert all(parameter.is_meta for parameter in model.parameters())
    words = model.get_input_embeddings().weight
    assert model.cls.predictions.decoder.weight is words


def test_tied_weights():
    model = build("masked_lm")
    head = model.cls.predictions
    assert head.decoder.weight is model.mobilebert.embeddings.word_embeddings.weight
    assert head.decoder.bias is head.bias
    assert set(model._tied_weights_keys) == {
        row.name for row in model.weight_specs() if row.tied_to is not None
    }
    untied = build("masked_lm", "untied").cls.predictions
    assert untied.decoder.weight is not model.get_input_embeddings().weight
    assert untied.decoder.bias is untied.bias
    model.set_input_embeddings(nn.Embedding(97, 16))
    model.tie_weights()
    assert head.decoder.weight is model.mobilebert.embeddings.word_embeddings.weight


def test_embeddings_are_reached_and_replaced():
    model = build("masked_lm")
    assert model.get_output_embeddings() is model.cls.predictions.decoder
    decoder = nn.Linear(16, 97)
    model.set_output_embeddings(decoder)
    assert model.cls.predictions.bias is decoder.bias
    assert model.cls.predictions.decoder.bias is decoder.bias
    classifier = build("sequence_classification")
    assert classifier.get_output_embeddings() is None
    with pytest.raises(InputError, match="no output embeddings"):
        classifier.set_output_embeddings(decoder)


def test_generic_methods():
    model = build("sequence_classification")
    assert model.base_model is model.mobilebert
    assert model.mobilebert.base_model is model.mobilebert
    assert model.base_model_prefix == "mobilebert"
    assert model.main_input_name == "input_ids"
    assert model.config_class is MobileBertConfig
    assert model.framework == "pt"
    assert not model.can_generate()
    assert model.device == torch.device("cpu")
    assert model.dtype == torch.float32
    assert model.bfloat16().dtype == torch.bfloat16
    total = model.num_parameters()
    tables = 97 * 16 + 40 * 32 + 2 * 32
    assert model.num_parameters(exclude_embeddings=True) == total - tables
    model.mobilebert.requires_grad_(False)
    assert model.num_parameters(only_trainable=True) == 2 * 32 + 2
    assert model.get_memory_footprint() == 2 * total
    assert model.estimate_tokens({"input_ids": torch.zeros(2, 3)}) == 6
    assert model.estimate_tokens({}) == 0
    assert model.floating_point_ops({"input_ids": torch.zeros(2, 3)}) == 36 * (total - tables)
    model(**model.dummy_inputs)
    chooser = build("multiple_choice")
    chooser(**chooser.dummy_inputs)


def test_models_from_configurations():
    config = small_config(dtype="bfloat16")
    assert MobileBertModel(config).dtype == torch.float32
    assert MobileBertModel.from_config(config).dtype == torch.bfloat16
    eager = MobileBertModel._from_config(
        config, torch_dtype=torch.float64, attn_implementation="eager"
    )
    assert eager.dtype == torch.float64
    assert eager.config._attn_implementation == "eager"
    assert MobileBertModel.from_config(config, add_pooling_layer=False).pooler is None


@pytest.mark.parametrize("dtype", ["int8", "float12", torch.int64, 3])
def test_impossible_dtypes_are_refused(dtype):
    with pytest.raises(InputError, match="float16"):
        MobileBertModel.from_config(small_config(), dtype=dtype)


def test_wrong_configurations_are_refused():
    with pytest.raises(ArgumentError, match=r"from_pretrained\(name_or_path\)"):
        MobileBertModel({"vocab_size": 3})
    config = small_config()
    config.num_attention_heads = 7
    with pytest.raises(ConfigError, match="num_attention_heads=7"):
        MobileBertModel(config)
    with pytest.raises(ConfigError, match="embedding_size <= hidden_size"):
        MobileBertForMaskedLM(small_config(embedding_size=48))
    with pytest.raises(InputError, match="sdpa or eager"):
        MobileBertModel(small_config(attn_implementation="flash_attention_2"))
    with pytest.raises(InputError, match="sdpa or eager"):
        build().set_attn_implementation("flex_attention")
    with pytest.raises(InputError, match="zero or pad_embedding"):
        MobileBertModel(small_config(), pad_neighbor="nothing")


@pytest.mark.parametrize("task", TASKS)
def test_every_input_is_documented(task):
    forward = MODEL_CLASSES[task].forward
    assert "{" not in forward.__doc__
    for name in inspect.signature(forward).parameters:
        if name not in ("self", "kwargs"):
            assert f"    {name}: " in forward.__doc__


def test_checkpointed_embeddings_give_gradients_to_adapters():
    model = build()
    model.requires_grad_(False)
    model.enable_input_require_grads()
    assert model(**batch_for(model)).last_hidden_state.requires_grad
    model.disable_input_require_grads()
    assert not model(**batch_for(model)).last_hidden_state.requires_grad


def test_the_problem_type_follows_the_labels():
    model = MobileBertForSequenceClassification(small_config(num_labels=3)).eval()
    ids = torch.ones(2, 4, dtype=torch.long)
    scores = model(ids).logits
    several = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    cases = (
        ("single_label_classification", torch.tensor([0, 2]), F.cross_entropy),
        ("multi_label_classification", several, F.binary_cross_entropy_with_logits),
        ("single_label_classification", torch.tensor([1, 1]), F.cross_entropy),
    )
    for kind, labels, formula in cases:
        found = model(ids, labels=labels).loss
        assert model.config.problem_type == kind
        assert torch.allclose(found, formula(scores, labels))
    model.config.problem_type = "regression"  # what the user says stays
    assert torch.allclose(model(ids, labels=several).loss, F.mse_loss(scores, several))
    assert model.config.problem_type == "regression"


def test_attribute_kinds_are_those_of_the_specification():
    # Users look for these types when they quantise, adapt or group parameters.
    kinds = {WeightKind.LINEAR_WEIGHT: nn.Linear, WeightKind.EMBEDDING: nn.Embedding}
    model = build("sequence_classification", "no_opt")
    for spec in model.weight_specs():
        module = model.get_submodule(spec.name.rpartition(".")[0])
        if spec.kind in kinds:
            assert type(module) is kinds[spec.kind]
        if spec.kind is WeightKind.NORM_WEIGHT:
            assert type(module) is nn.LayerNorm
