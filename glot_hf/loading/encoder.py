# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What makes sentence vectors: a saved head, or a backbone and a pooling without parameters."""

from typing import Any

from ..system.errors import InputError, user_errors
from .backbone import set_max_length
from .head import load_head, new_head


def load_encoder(
    head: str | None,
    backbone: str | None,
    revision: str | None,
    pooling: str,
    load_kwargs: dict[str, Any],
    max_length: int | None,
) -> tuple[Any, Any]:
    """
    Load a model with its backbone, on the accelerator if there is one, and the tokenizer, which cuts at `max_length`.

    Args:
        head (`str`, *optional*): folder or repository of a saved head, whose backbone comes with it.
        backbone (`str`, *optional*): repository or folder of the backbone, where there is no head.
        revision (`str`, *optional*): branch, tag or commit of `backbone`.
        pooling (`str`): what pools the states of `backbone`.
        load_kwargs (`dict`): options of the backbone's `from_pretrained`.
        max_length (`int`, *optional*): longer texts are cut at this many tokens; default: where training cut them, or
            what fits.

    Raises:
        InputError: it cannot be loaded, or has no sentence vectors.
    """
    import torch
    from safetensors import SafetensorError

    from ..model.backbone_glot import device_of
    from ..model.late_glot import NO_VECTORS
    from ..model.modeling_glot import GlotModel

    with user_errors(RuntimeError, SafetensorError):
        if head is None:
            model, tokenizer = new_head(GlotModel, backbone, revision, load_kwargs, pooling=pooling)
        else:
            model, tokenizer = load_head(head, load_kwargs)
        network = model.base_model.backbone
        if network is None:
            raise InputError(f"the head in {head!r} names no backbone, so it cannot read text")
        if model.config.compares_tokens:
            raise InputError(NO_VECTORS)
        if torch.accelerator.is_available() and device_of(network).type == "cpu":
            model.to(torch.accelerator.current_accelerator())
        if max_length is not None:
            set_max_length(tokenizer, max_length, network)
        return model, tokenizer
