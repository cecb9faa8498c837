# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The head that a command asks for: a saved one of any kind, or a new one on a backbone."""

import os
from typing import Any

from ..errors import InputError
from .arguments import BackboneArguments
from .backbone import load_tokenizer


def load_head(name: str, backbone_kwargs: dict[str, Any] | None = None) -> tuple[Any, Any]:
    """
    Args:
        name (`str`): folder or repository of a head, or folder of adapters and their head.
        backbone_kwargs (`dict`, *optional*): for loading the backbone; `trust_remote_code` is for the tokenizer too.

    Returns:
        The model with its backbone, and the tokenizer; where no backbone is recorded, the model alone, and None.

    Raises:
        InputError: there is no head, or no tokenizer can be found for it.
        OSError, ValueError: it cannot be loaded; see `from_pretrained`.
    """
    from transformers import PreTrainedConfig
    from transformers.utils import has_file

    from ..configuration_glot import GlotConfig
    from ..saved_head import saved_class
    from .finetuning import ADAPTER_CONFIG, load_adapter

    backbone_kwargs = backbone_kwargs or {}
    trust = {key: backbone_kwargs[key] for key in ("trust_remote_code",) if key in backbone_kwargs}
    if os.path.isfile(os.path.join(name, ADAPTER_CONFIG)):
        if backbone_kwargs != trust:
            raise InputError("--backbone_load_kwargs is not for a folder with adapters, which says how to load itself")
        model = load_adapter(name, trust)
    else:
        try:
            model_type = PreTrainedConfig.get_config_dict(name)[0].get("model_type", "glot")
            if model_type != GlotConfig.model_type:
                raise InputError(
                    f"{name!r} is a {model_type!r} model and not a head: glot-hf embed and mteb take it alone as "
                    "--backbone, and glot-hf train makes a head on it"
                )
            config = GlotConfig.from_pretrained(name)
        except OSError as error:
            raise InputError(f"there is no head in {name!r}, neither here nor on the Hub: {error}") from error
        model = saved_class(config, name).from_pretrained(name, backbone_kwargs=backbone_kwargs)
    config = model.config
    if model.base_model.backbone is None:
        return model, None
    if has_file(name, "tokenizer_config.json"):
        return model, load_tokenizer(name, None, trust)
    if config.backbone_name_or_path is None:
        raise InputError(f"{name!r} has no tokenizer, and does not say where its backbone is from: put it there")
    load_kwargs = {**(config.backbone_load_kwargs or {}), **trust}
    return model, load_tokenizer(config.backbone_name_or_path, config.backbone_revision, load_kwargs)


def new_head(
    model_class: type, backbone: BackboneArguments, backbone_load_kwargs: dict[str, Any] | None = None, **options: Any
) -> tuple[Any, Any]:
    """
    Args:
        options: of [`GlotConfig`].

    Returns:
        The model with its backbone and the tokenizer.

    Raises:
        OSError, ValueError: the backbone cannot be loaded, or does not go with the options; see `from_backbone`.
    """
    name, load_kwargs = backbone.backbone, {**(backbone_load_kwargs or {}), **backbone.trust}
    model = model_class.from_backbone(name, backbone.backbone_revision, load_kwargs, **options)
    return model, load_tokenizer(name, model.config.backbone_revision, load_kwargs)
