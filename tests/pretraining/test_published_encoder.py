"""A published encoder gives the states that the peer's BERT gives."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertForMaskedLM, BertModel

from mobilebert.errors import CheckpointError, ConfigError, InputError
from mobilebert.pretraining.published_encoder import PublishedEncoder
from mobilebert.torch.packed import pack
from pretraining.small_encoder import write_encoder
from tolerances import FLOAT32

TEXTS = [[2, 7, 8, 3, 9, 3], [2, 12, 3], [2, 3], [2, 20, 21, 22, 23, 24, 3]]
TYPES = [[0, 0, 0, 0, 1, 1], [0, 0, 0], [0, 0], [0, 1, 1, 1, 1, 1, 1]]


def peer_states(model, depth):
    with torch.no_grad():
        found = [
            model(
                torch.tensor([ids]), token_type_ids=torch.tensor([types]), output_hidden_states=True
            ).hidden_states[depth][0]
            for ids, types in zip(TEXTS, TYPES, strict=True)
        ]
    return torch.cat(found)


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("kind", [BertModel, BertForMaskedLM])
@pytest.mark.parametrize("act", ["gelu", "relu", "gelu_new"])
def test_states_are_the_peers(tmp_path, tokenizer, kind, depth, act):
    write_encoder(tmp_path, tokenizer, kind, hidden_act=act)
    encoder = PublishedEncoder.load(tmp_path, depth)
    model = kind.from_pretrained(tmp_path).eval()
    base = getattr(model, "bert", model)
    batch = pack(TEXTS, TYPES)
    wanted = peer_states(base, depth)
    torch.testing.assert_close(encoder(batch), wanted, rtol=0, atol=FLOAT32)
    with torch.no_grad():
        encoder.get_parameter("encoder.layer.0.attention.self.key.weight")[0] *= 1.1
    assert (encoder(batch) - wanted).abs().max() > 10 * FLOAT32


def test_texts_of_one_length_need_no_mask(tmp_path, tokenizer):
    encoder = PublishedEncoder.load(write_encoder(tmp_path, tokenizer))
    texts = [[2, 7, 8, 3], [2, 9, 10, 3]]
    alone = torch.cat([encoder(pack([text])) for text in texts])
    torch.testing.assert_close(encoder(pack(texts)), alone, rtol=0, atol=FLOAT32)


def test_many_texts_of_many_lengths(tmp_path, tokenizer):
    encoder = PublishedEncoder.load(write_encoder(tmp_path, tokenizer))
    drawn = np.random.default_rng(0)
    texts = [drawn.integers(5, 20, length) for length in drawn.integers(1, 32, 60)]
    alone = torch.cat([encoder(pack([text])) for text in texts])
    torch.testing.assert_close(encoder(pack(texts)), alone, rtol=0, atol=FLOAT32)


@pytest.mark.parametrize("written", ["half", "bin", "before 2019", "beside a head"])
def test_weights_of_other_files(tmp_path, tokenizer, written):
    encoder = PublishedEncoder.load(write_encoder(tmp_path, tokenizer))
    tensors = dict(load_file(tmp_path / "model.safetensors"))
    tensors["embeddings.position_ids"] = torch.arange(32)[None]
    if written == "half":
        tensors = {name: x.half() if x.is_floating_point() else x for name, x in tensors.items()}
    if written == "before 2019":
        for new, old in (("weight", "gamma"), ("bias", "beta")):
            end = f"LayerNorm.{new}"
            tensors = {
                (n.removesuffix(new) + old if n.endswith(end) else n): x for n, x in tensors.items()
            }
        assert not any("LayerNorm.weight" in name for name in tensors)
    if written == "beside a head":
        tensors = {f"bert.{name}": tensor for name, tensor in tensors.items()}
    (tmp_path / "model.safetensors").unlink()
    if written == "bin":
        torch.save(tensors, tmp_path / "pytorch_model.bin")
    else:
        save_file(tensors, tmp_path / "model.safetensors")
    again = PublishedEncoder.load(tmp_path)
    allowed = 0.05 if written == "half" else 0
    for name, tensor in encoder.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], tensor, rtol=0, atol=allowed)
        assert again.state_dict()[name].dtype == torch.float32


def test_it_rests(tmp_path, tokenizer):
    encoder = PublishedEncoder.load(write_encoder(tmp_path, tokenizer))
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert not encoder.training
    assert len(encoder.get_submodule("encoder.layer")) == 3
    assert encoder.facts.hidden_size == 24
    assert encoder.facts.layer_norm_eps == 1e-12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "roberta"}, "model_type 'roberta'"),
        ({"position_embedding_type": "relative_key"}, "relative_key positions"),
        ({"hidden_size": "wide"}, "'wide' as hidden_size; it has to be a whole number"),
        ({"hidden_size": None}, "None as hidden_size"),
        ({"num_attention_heads": 5}, "no multiple of its 5 heads"),
        ({"layer_norm_eps": "1e-12"}, "'1e-12' as layer_norm_eps; it has to be a number"),
        ({"hidden_act": ["gelu"]}, "as hidden_act; it has to be a text"),
        ({"hidden_act": "swish-ish"}, "Unknown activation hidden_act='swish-ish'"),
        ({"intermediate_size": 41}, "config.json describes it"),
        ({"num_hidden_layers": 4}, r"encoder\.layer\.3\.\S+ of .* lacks it"),
    ],
)
def test_what_is_no_bert(tmp_path, tokenizer, change, message):
    write_encoder(tmp_path, tokenizer)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises((InputError, CheckpointError, ConfigError), match=message):
        PublishedEncoder.load(tmp_path)


def test_layers_sizes_and_numbers_that_are_not_there(tmp_path, tokenizer):
    write_encoder(tmp_path, tokenizer)
    with pytest.raises(InputError, match="has 3 layers; layer 4 is none of them"):
        PublishedEncoder.load(tmp_path, 4)
    file = tmp_path / "config.json"
    told = json.loads(file.read_text())
    del told["num_hidden_layers"]
    file.write_text(json.dumps(told))
    with pytest.raises(InputError, match="has no num_hidden_layers"):
        PublishedEncoder.load(tmp_path)
    write_encoder(tmp_path, tokenizer)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["encoder.layer.1.output.dense.bias"][3] = torch.nan
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"no numbers, in encoder\.layer\.1\.output"):
        PublishedEncoder.load(tmp_path)
