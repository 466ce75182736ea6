"""A published encoder gives the states that the peer's BERT gives."""

import json

import pytest
import torch
from transformers import BertForMaskedLM, BertModel

from mobilebert.errors import CheckpointError, InputError
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


def test_it_rests(tmp_path, tokenizer):
    encoder = PublishedEncoder.load(write_encoder(tmp_path, tokenizer))
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert not encoder.training
    assert len(encoder.get_submodule("encoder.layer")) == 3
    assert (encoder.width, encoder.longest) == (24, 32)


def test_what_is_no_bert(tmp_path, tokenizer):
    write_encoder(tmp_path, tokenizer)
    with pytest.raises(InputError, match="has 3 layers; layer 4 is none of them"):
        PublishedEncoder.load(tmp_path, 4)
    file = tmp_path / "config.json"
    told = json.loads(file.read_text())
    cases = {
        "model_type 'roberta'": {"model_type": "roberta"},
        "relative_key positions": {"position_embedding_type": "relative_key"},
        "hidden_size 'wide'": {"hidden_size": "wide"},
        "no multiple of its 5 heads": {"num_attention_heads": 5},
        "config.json describes it": {"intermediate_size": 41},
    }
    for message, change in cases.items():
        file.write_text(json.dumps(told | change))
        with pytest.raises((InputError, CheckpointError), match=message):
            PublishedEncoder.load(tmp_path)


def test_weights_that_are_not_there(tmp_path, tokenizer):
    write_encoder(tmp_path, tokenizer)
    file = tmp_path / "config.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps(told | {"num_hidden_layers": 4}))
    with pytest.raises(CheckpointError, match=r"encoder\.layer\.3\.\S+ of .* lacks it"):
        PublishedEncoder.load(tmp_path)
