"""A random encoder of the size that most tests take."""

import torch
from transformers import BertConfig, BertModel


def make_bert():
    """With absolute positions, d = 32, and the vocabulary of `single_words`: the same weights each time."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=99, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=37
    )
    return BertModel(config).eval()
