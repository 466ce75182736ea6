import pytest
import torch
from transformers import BertConfig, BertModel

from mobilebert.pretraining.material import load_tokenizer

ENCODER = BertConfig(30522, 48, 2, 4, 64, max_position_embeddings=128, initializer_range=0.2)


@pytest.fixture(scope="session")
def bert(tmp_path_factory):
    """A published encoder of width 48 that reads 128 tokens."""
    directory = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    model = BertModel(ENCODER)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if ".LayerNorm." in name:  # fresh ones do nothing
                weight += torch.rand_like(weight) - 0.5
    model.save_pretrained(directory)
    load_tokenizer(None).save_pretrained(directory)
    return directory
