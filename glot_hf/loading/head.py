# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""A saved head of any kind, or a new one on a backbone."""

from typing import Any

from ..system.errors import InputError
from .backbone import cut_at_longest, load_tokenizer


def load_head(name: str, backbone_kwargs: dict[str, Any] | None = None) -> tuple[Any, Any]:
    """
    Load a saved head, whoever saved it: `glot-hf train`, Trainer (a checkpoint too), save_pretrained or peft.

    Args:
        name (`str`): folder or repository of a head, or of adapters that were trained with one.
        backbone_kwargs (`dict`, *optional*): for loading the backbone; `trust_remote_code` is for the tokenizer too.

    Returns:
        The model with its backbone, and the tokenizer beside it, else the backbone's, which cuts texts at what both
        can take; where no backbone is recorded, the model alone, and None.

    Raises:
        InputError: there is no head, or no tokenizer can be found for it.
        OSError, RuntimeError, SafetensorError, ValueError: it cannot be loaded; see `from_pretrained`.
    """
    from transformers.utils import has_file

    from .adapter import base_of_adapter, load_adapter

    backbone_kwargs = backbone_kwargs or {}
    trust = {key: backbone_kwargs[key] for key in ("trust_remote_code",) if key in backbone_kwargs}
    base = base_of_adapter(name)
    if base is None:
        model, places = _load_model(name, backbone_kwargs), [name]
    else:
        if backbone_kwargs != trust:
            raise InputError("--backbone_load_kwargs is not for adapters, whose base says how it is loaded")
        model, places = load_adapter(_load_model(base, trust), name), [name, base]
    config, backbone = model.config, model.base_model.backbone
    if backbone is None:
        return model, None
    place = next((place for place in places if has_file(place, "tokenizer_config.json")), None)
    if place is not None:
        tokenizer = load_tokenizer(place, None, trust)
    elif config.backbone_name_or_path is not None:
        load_kwargs = {**(config.backbone_load_kwargs or {}), **trust}
        tokenizer = load_tokenizer(config.backbone_name_or_path, config.backbone_revision, load_kwargs)
    else:
        raise InputError(f"{name!r} has no tokenizer, and does not say where its backbone is from: put it there")
    cut_at_longest(tokenizer, backbone)
    return model, tokenizer


def _load_model(name: str, backbone_kwargs: dict[str, Any]) -> Any:
    from ..model.configuration_glot import GlotConfig
    from .saved_head import saved_class

    try:
        described = GlotConfig.get_config_dict(name)[0]
        if not described:
            raise OSError("it has no config.json")
        model_type = described.get("model_type", GlotConfig.model_type)
        if model_type != GlotConfig.model_type:
            raise InputError(
                f"{name!r} is a {model_type!r} model and not a head: glot-hf embed and mteb take it alone as "
                "--backbone, and glot-hf train makes a head on it"
            )
        config = GlotConfig.from_pretrained(name)
    except OSError as error:
        raise InputError(f"there is no head in {name!r}, neither here nor on the Hub: {error}") from error
    return saved_class(config, name).from_pretrained(name, backbone_kwargs=backbone_kwargs)


def new_head(
    model_class: type, backbone: Any, revision: str | None, load_kwargs: dict[str, Any], **options: Any
) -> tuple[Any, Any]:
    """
    Make a head with random weights on a backbone.

    Args:
        backbone (`str`): repository or folder.
        load_kwargs (`dict`): options of its `from_pretrained`; `trust_remote_code` is for the tokenizer too.
        options: options of [`GlotConfig`].

    Returns:
        The model with its backbone and the tokenizer, which cuts texts at what both can take.

    Raises:
        OSError, ValueError: the backbone cannot be loaded, or does not go with the options; see `from_backbone`.
    """
    model = model_class.from_backbone(backbone, revision, load_kwargs, **options)
    tokenizer = load_tokenizer(backbone, model.config.backbone_revision, load_kwargs)
    cut_at_longest(tokenizer, model.base_model.backbone)
    return model, tokenizer
