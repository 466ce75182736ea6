"""A small BERT, as the peer writes it, with a vocabulary of the tests."""

import torch
from transformers import BertConfig, BertModel

from pretraining.small_text import small_tokenizer

SIZES = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "max_position_embeddings": 32,
}


def write_encoder(directory, tokenizer, kind=BertModel, **settings):
    """Write one whose weights are far from their beginning, with its tokenizer."""
    torch.manual_seed(11)
    model = kind(BertConfig(vocab_size=len(tokenizer), **SIZES | settings)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    model.save_pretrained(directory)
    small_tokenizer(directory)
    return directory
