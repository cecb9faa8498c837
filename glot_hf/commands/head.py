# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""A saved head of any kind, opened by a command that takes text from anywhere."""

import os
from typing import Any

from ..errors import InputError
from .backbone import load_tokenizer


def load_head(name: str, backbone_kwargs: dict[str, Any] | None = None) -> tuple[Any, Any]:
    """
    Args:
        name (`str`): folder or repository of a head, or folder of adapters and their head.
        backbone_kwargs (`dict`, *optional*): for loading the backbone.

    Returns:
        The model with its backbone and the tokenizer; both without where no backbone is recorded, the tokenizer None.

    Raises:
        InputError: there is no head, or no tokenizer can be found for it.
        OSError, ValueError: it cannot be loaded; see `from_pretrained`.
    """
    from transformers.utils import has_file

    from ..configuration_glot import GlotConfig
    from ..saved_head import saved_class
    from .finetuning import ADAPTER_CONFIG, load_adapter

    if os.path.isfile(os.path.join(name, ADAPTER_CONFIG)):
        if backbone_kwargs:
            raise InputError("--backbone_load_kwargs is not for a folder with adapters, which says how to load itself")
        model = load_adapter(name)
    else:
        try:
            config = GlotConfig.from_pretrained(name)
        except OSError as error:
            raise InputError(f"there is no head in {name!r}, neither here nor on the Hub: {error}") from error
        model = saved_class(config, name).from_pretrained(name, backbone_kwargs=backbone_kwargs)
    config = model.config
    if model.base_model.backbone is None:
        return model, None
    if has_file(name, "tokenizer_config.json"):
        return model, load_tokenizer(name, None, {})
    if config.backbone_name_or_path is None:
        raise InputError(f"{name!r} has no tokenizer, and does not say where its backbone is from: put it there")
    load_kwargs = config.backbone_load_kwargs or {}
    return model, load_tokenizer(config.backbone_name_or_path, config.backbone_revision, load_kwargs)
