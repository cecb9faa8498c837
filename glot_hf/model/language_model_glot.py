# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
The language model that a decoder with tied embeddings is: its output layer is its embedding matrix, so the backbone
that makes token states knows how probable each token was (`token_features=["surprisal"]`, see surprisal_glot).
"""

import copy
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING, PreTrainedConfig, PreTrainedModel

from .surprisal_glot import token_surprisal


_HINT = "choose a decoder with tied embeddings, such as gpt2 or Gemma, as the backbone, or leave token_features out"
_CHECKED: WeakSet[PreTrainedModel] = WeakSet()  # backbones that `require_language_model` has tried


def surprisal_of(backbone: PreTrainedModel, last_hidden_state: Tensor, inputs: dict[str, Tensor]) -> Tensor:
    """
    Return [`token_surprisal`] of what a backbone was called with and its last hidden state, `(B, L, 4)`.

    Raises:
        ValueError: there are no `input_ids`, or the embeddings are not in memory or have adapters of their own.
    """
    if "input_ids" not in inputs:
        raise ValueError(
            "token_features=['surprisal'] says how probable each token is, and inputs_embeds do not say which token "
            "that is: pass input_ids, or hidden_states with these numbers"
        )
    embeddings: Any = backbone.get_input_embeddings()
    if hasattr(embeddings, "base_layer") or embeddings.weight.is_meta:
        raise ValueError(
            "token_features=['surprisal'] multiplies states by the embeddings, which are not in memory or have "
            "adapters of their own: load the backbone without offloading, with adapters in other layers alone"
        )
    adjust = logit_adjustment(backbone.config)
    return token_surprisal(
        last_hidden_state, inputs["input_ids"], inputs.get("attention_mask"), embeddings.weight, adjust
    )


def logit_adjustment(config: PreTrainedConfig) -> Callable[[Tensor], Tensor]:
    """Return what a language model does to its logits: scale them (Cohere, Granite), or cap them softly (Gemma 2)."""
    scale = (getattr(config, "logit_scale", None) or 1.0) / (getattr(config, "logits_scaling", None) or 1.0)
    cap = getattr(config, "final_logit_softcapping", None)

    def adjust(logits: Tensor) -> Tensor:
        logits = logits if scale == 1 else logits * scale
        return logits if cap is None else (logits / cap).tanh() * cap

    return adjust


def require_tied_decoder(config: PreTrainedConfig) -> None:
    """
    Refuse a backbone whose configuration shows that its states and embeddings predict no next token.

    Raises:
        ValueError: it is no decoder of transformers, or has an output layer of its own.
    """
    kind = type(config)
    is_encoder = getattr(config, "is_encoder_decoder", False) or kind in MODEL_FOR_MASKED_LM_MAPPING
    if is_encoder or kind not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ValueError(
            f"token_features=['surprisal'] needs a decoder that transformers has a language model of, which "
            f"{config.model_type!r} is not: {_HINT}"
        )
    if not getattr(config, "tie_word_embeddings", False):
        raise ValueError(
            f"token_features=['surprisal']: this checkpoint of type {config.model_type!r} ties no embeddings, so its "
            f"output layer is not in the backbone: {_HINT}"
        )


@torch.no_grad()
def require_language_model(backbone: PreTrainedModel) -> None:
    """
    Refuse a backbone whose embeddings do not give the logits of its own language model, which is tried on a few
    tokens, once for each backbone.

    Raises:
        ValueError: see [`require_tied_decoder`]; or the logits are others, or the states see the tokens that follow.
    """
    if backbone in _CHECKED:
        return
    require_tied_decoder(backbone.config)
    with torch.device("meta"):  # the rest of it is the backbone
        model_class: Any = MODEL_FOR_CAUSAL_LM_MAPPING[type(backbone.config)]
        model = model_class(copy.deepcopy(backbone.config)).eval()
    embeddings: Any = backbone.get_input_embeddings()
    layer = model.get_output_embeddings()
    is_sound = type(model.base_model) is type(backbone) and layer is not None and getattr(layer, "bias", None) is None
    if is_sound and layer is not None:
        setattr(model, model.base_model_prefix, backbone)
        layer.weight = embeddings.weight
        tokens = torch.tensor([[5, 6, 7], [5, 6, 8]], device=embeddings.weight.device)
        states = backbone(input_ids=tokens, use_cache=False).last_hidden_state  # (2, 3, d)
        expected = model(input_ids=tokens, use_cache=False).logits.float()
        logits = logit_adjustment(backbone.config)(states.float() @ embeddings.weight.float().T)  # (2, 3, V)
        is_sound = (logits - expected).norm() <= 0.02 * expected.norm()  # half precision is within 0.01
        is_sound = is_sound and torch.allclose(states[0, :2], states[1, :2], rtol=0.02, atol=1e-3)
    if not is_sound:
        raise ValueError(
            f"token_features=['surprisal']: the language model of this {backbone.config.model_type!r} backbone does "
            f"not predict the next token by its states and embeddings alone: {_HINT}"
        )
    _CHECKED.add(backbone)


__all__ = ["require_language_model", "require_tied_decoder", "surprisal_of"]
