"""Random decoders with tied embeddings, and their language models."""

import torch
from transformers import AutoConfig, AutoModelForCausalLM


SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 99}
LLAMA_LIKE = SIZES | {"intermediate_size": 37, "num_key_value_heads": 2, "head_dim": 8, "tie_word_embeddings": True}
DECODERS = {
    "gpt2": SIZES | {"n_positions": 64},
    "llama": LLAMA_LIKE,
    "gemma3_text": LLAMA_LIKE,
    "gemma2": LLAMA_LIKE | {"final_logit_softcapping": 2.0},
    "granite": LLAMA_LIKE | {"logits_scaling": 8.0},
    "cohere": LLAMA_LIKE | {"logit_scale": 0.25, "use_qk_norm": False},
    "opt": SIZES | {"word_embed_proj_dim": 16, "ffn_dim": 37},
    "mamba": {"hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 99, "state_size": 4},
}


def make_decoder(kind, **options):
    torch.manual_seed(0)
    options = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2} | DECODERS[kind] | options
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **options)).eval()
    model.get_output_embeddings().weight.data.mul_(20)  # logits of a trained model are no near ties
    return model
