"""Classes of users: own heads on the encoder, own modules in models for a task."""

import logging

import pytest
import torch
from safetensors import safe_open
from torch import nn

from mobilebert.torch import (
    MobileBertForSequenceClassification,
    MobileBertModel,
    MobileBertPreTrainedModel,
)
from mobilebert.torch.heads import Pooler
from models import small_config
from tolerances import INITIAL_STANDARD_DEVIATION, TRUNCATED_SHARE

STD = 0.3


class Scorer(MobileBertPreTrainedModel):
    """A head as guides of transformers write it."""

    def __init__(self, config, finish="post_init"):
        super().__init__(config)
        self.mobilebert = MobileBertModel(config)
        self.rows = nn.Embedding(50, config.hidden_size, padding_idx=3)
        self.norm = nn.LayerNorm(config.hidden_size)
        self.classifier = nn.Linear(config.hidden_size, 40)
        nn.init.constant_(self.norm.weight, 7.0)
        self.encoder_before = self.mobilebert.encoder.layer[0].output.dense.weight.clone()
        getattr(self, finish)()

    def forward(self, input_ids):
        return self.classifier(self.norm(self.mobilebert(input_ids).last_hidden_state))


class Deep(MobileBertForSequenceClassification):
    """A model for a task with another classifier."""

    def __init__(self, config):
        super().__init__(config)
        width = config.hidden_size
        self.classifier = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2))
        self.post_init()


def has_initial_values(linear):
    assert not linear.bias.any()
    assert linear.weight.abs().max() <= 2 * STD
    share = linear.weight.std().item() / STD
    assert share == pytest.approx(TRUNCATED_SHARE, rel=INITIAL_STANDARD_DEVIATION)


@pytest.mark.parametrize("finish", ["post_init", "init_weights"])
def test_an_own_head_has_initial_values(finish, tmp_path):
    model = Scorer(small_config(initializer_range=STD), finish).eval()
    has_initial_values(model.classifier)
    assert not model.rows.weight[3].any()
    assert model.rows.weight.abs().max() <= 2 * STD
    assert bool((model.norm.weight == 1).all())
    assert torch.equal(model.mobilebert.encoder.layer[0].output.dense.weight, model.encoder_before)
    ids = torch.ones(2, 5, dtype=torch.long)
    model.save_pretrained(tmp_path)
    again = Scorer.from_pretrained(tmp_path)
    assert torch.equal(again(ids), model(ids))
    assert not again.newly_initialized_weights


def test_another_classifier_has_initial_values():
    model = Deep(small_config(initializer_range=STD))
    has_initial_values(model.classifier[0])
    assert not model.classifier[2].bias.any()
    assert model(torch.ones(2, 5, dtype=torch.long)).logits.shape == (2, 2)


def test_a_class_may_initialise_its_modules_itself():
    class Own(Deep):
        def _init_weights(self, module):
            nn.init.constant_(module.weight, 5.0)

    assert bool((Own(small_config()).classifier[2].weight == 5).all())


def test_modules_are_initialised_once_and_shared_weights_not_at_all():
    class Sharing(Scorer):
        def __init__(self, config):
            super().__init__(config)
            nn.init.constant_(self.classifier.weight, 5.0)
            words = self.get_input_embeddings().weight
            self.before = words.detach().clone()
            self.words = nn.Linear(words.shape[1], words.shape[0], bias=False)
            self.words.weight = words
            self.post_init()

    model = Sharing(small_config())
    assert bool((model.classifier.weight == 5).all())
    assert torch.equal(model.get_input_embeddings().weight, model.before)


class Tied(MobileBertForSequenceClassification):
    """A model for a task that scores words with the word table, shared by its constructor."""

    def __init__(self, config):
        super().__init__(config)
        words = self.get_input_embeddings().weight
        self.words = nn.Linear(words.shape[1], words.shape[0], bias=False)
        self.words.weight = words


class Speaker(MobileBertPreTrainedModel):
    """An own head that names its decoder."""

    def __init__(self, config):
        super().__init__(config)
        self.mobilebert = MobileBertModel(config)
        self.decoder = nn.Linear(config.embedding_size, config.vocab_size)
        nn.init.constant_(self.decoder.bias, 2.0)
        self.decoder._is_hf_initialized = True
        self.post_init()

    def get_output_embeddings(self):
        return self.decoder


@pytest.mark.parametrize("safe", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_that_a_class_shares_are_shared_after_loading(safe, dtype, tmp_path):
    model = Tied(small_config())
    model.save_pretrained(tmp_path, safe_serialization=safe)
    again, info = Tied.from_pretrained(tmp_path, dtype=dtype, output_loading_info=True)
    words = again.get_input_embeddings().weight
    assert torch.equal(words, model.get_input_embeddings().weight.to(dtype))
    assert again.words.weight is words
    assert not any(info.values())


def test_a_decoder_that_a_class_names_is_tied_and_resized(tmp_path):
    model = Speaker(small_config())
    assert model.decoder.weight is model.get_input_embeddings().weight
    model.resize_token_embeddings(120)
    assert model.decoder.weight is model.get_input_embeddings().weight
    assert model.decoder.out_features == model.decoder.bias.shape[0] == 120
    assert model.decoder.bias[96] == 2
    assert model.decoder.bias[97] == 0
    model.save_pretrained(tmp_path)
    again = Speaker.from_pretrained(tmp_path)
    assert again.decoder.weight is again.get_input_embeddings().weight
    assert torch.equal(again.decoder.bias, model.decoder.bias)


@pytest.mark.parametrize("size", [120, 80])
def test_a_decoder_of_its_own_is_resized(size):
    model = Speaker(small_config(tie_word_embeddings=False))
    before = model.decoder.weight.detach().clone()
    assert model.decoder.weight is not model.get_input_embeddings().weight
    model.resize_token_embeddings(size)
    assert model.decoder.weight.shape == (size, 16)
    assert torch.equal(model.decoder.weight[:80], before[:80])
    assert model.decoder.weight is not model.get_input_embeddings().weight


def test_a_decoder_may_be_made_late_and_may_be_wider():
    class Late(MobileBertForSequenceClassification):
        def __init__(self, config):
            super().__init__(config)
            self.decoder = nn.Linear(config.hidden_size, config.vocab_size)
            self.post_init()

        def get_output_embeddings(self):
            return self.decoder

    model = Late(small_config())
    assert model.decoder.weight.shape == (97, 32)
    model.resize_token_embeddings(120)
    assert model.decoder.weight.shape == (120, 32)


class Named(MobileBertPreTrainedModel):
    """Own modules with the names of the encoder's parts."""

    def __init__(self, config):
        super().__init__(config)
        self.mobilebert = MobileBertModel(config)
        self.pooler = Pooler(config)
        self.encoder = nn.Linear(config.hidden_size, 3)
        self.embeddings = nn.Module()
        self.embeddings.word_embeddings = nn.Embedding(5, 3)
        self.embeddings.register_buffer("steps", torch.tensor(3))
        self.post_init()


def test_own_modules_may_be_named_like_the_encoders(tmp_path):
    model = Named(small_config(pad_token_id=5))
    model.embeddings.steps += 4
    model.save_pretrained(tmp_path)
    again, info = Named.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values())
    state = again.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    for cls in (MobileBertModel, MobileBertForSequenceClassification):
        found, info = cls.from_pretrained(tmp_path, output_loading_info=True)
        assert len(info["unexpected_keys"]) == 6
        assert torch.equal(
            found.base_model.pooler.dense.weight, state["mobilebert.pooler.dense.weight"]
        )


def test_own_modules_leave_a_bare_encoder_its_names(tmp_path):
    bare = MobileBertModel(small_config())
    bare.save_pretrained(tmp_path)
    model, info = Named.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["unexpected_keys"]
    assert torch.equal(model.mobilebert.pooler.dense.weight, bare.pooler.dense.weight)
    assert set(info["missing_keys"]) == {
        "pooler.dense.weight",
        "pooler.dense.bias",
        "encoder.weight",
        "encoder.bias",
        "embeddings.word_embeddings.weight",
    }


class Rescorer(MobileBertPreTrainedModel):
    """A vocabulary head of its own, called as the built-in one."""

    def __init__(self, config, width):
        super().__init__(config)
        self.mobilebert = MobileBertModel(config)
        self.cls = nn.Module()
        self.cls.predictions = nn.Module()
        self.cls.predictions.decoder = nn.Linear(width, config.vocab_size)
        self.cls.predictions.bias = nn.Parameter(torch.ones(config.vocab_size))
        self.post_init()


@pytest.mark.parametrize("width", [32, 16])
def test_own_modules_may_be_named_like_tied_ones(width, tmp_path):
    model = Rescorer(small_config(), width)
    model.save_pretrained(tmp_path)
    again, info = Rescorer.from_pretrained(tmp_path, width=width, output_loading_info=True)
    assert not any(info.values())
    state = again.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert again.config.tie_word_embeddings == (width == 32)


def test_own_modules_may_be_named_like_tied_ones_and_be_equal(tmp_path, caplog):
    model = Rescorer(small_config(), width=16)
    words, own = model.get_input_embeddings().weight, model.cls.predictions
    with torch.no_grad():
        own.bias.zero_()
        own.decoder.weight.copy_(words)
    with caplog.at_level(logging.WARNING, logger="mobilebert"):
        model.save_pretrained(tmp_path)
    assert not caplog.records
    again, info = Rescorer.from_pretrained(tmp_path, width=16, output_loading_info=True)
    assert not any(info.values())
    assert again.config.tie_word_embeddings
    assert not again.cls.predictions.decoder.bias.any()
    assert torch.equal(again.cls.predictions.decoder.weight, words)


def test_what_is_named_like_a_tied_tensor_and_shared_is_written_once(tmp_path):
    model = Rescorer(small_config(), width=32)
    head = model.cls.predictions
    head.decoder.bias = head.bias
    model.save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert "cls.predictions.bias" in file.keys()
        assert "cls.predictions.decoder.bias" not in file.keys()
