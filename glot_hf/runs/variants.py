# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`--poolings glot adapool glot:graph_type=self`: what is compared, and with which options of its own."""

from typing import Any

from ..loading.backbone import load_backbone_and_tokenizer, set_max_length
from ..options.arguments import BackboneArguments, HeadArguments, given_head_options
from ..options.parser import CommandParser
from ..system.errors import InputError, require_distinct, user_errors


_GRAPH_OPTIONS = ("gnn_type", "num_gnn_layers", "gnn_hidden_size", "jumping_knowledge")
_ATTENTION = ("cross_attention", "latent_attention", "multi_query")
# Options that only some poolings read.
_READ_BY = {
    "graph_type": ("glot",),
    "block": ("glot", "deepsets"),
    "dropout": ("glot",),
    "readout": ("glot", "deepsets"),
    "similarity_threshold": ("glot",),
    **dict.fromkeys(_GRAPH_OPTIONS, ("glot", "deepsets")),
    "readout_hidden_size": ("glot", "adapool", "deepsets"),
    "num_attention_heads": ("glot", *_ATTENTION),
    "num_latents": ("multi_query", "latent_attention"),
}
_OF_ALL = ("backbone_layers", "backbone_load_kwargs", "backbone_in_checkpoint", "input_size", "token_features")


def parse_variants(texts: list[str]) -> dict[str, dict[str, Any]]:
    """
    Return the options of [`GlotConfig`] of each such as "glot" or "glot:graph_type=self,input_norm=standard".

    Raises:
        InputError: one is named twice, or an option does not exist, is not read by that pooling, or has a value that
            it does not take.
    """
    require_distinct(texts, "--poolings")
    return {text: _parse_variant(text) for text in texts}


def _parse_variant(text: str) -> dict[str, Any]:
    pooling, _, rest = text.partition(":")
    argv = [f"--pooling={pooling}", *(f"--{option}" for option in rest.split(",") if option)]
    (head,) = CommandParser(HeadArguments, prog=f"--poolings {text}").parse(argv)
    options = given_head_options(head, argv)
    for name in options:
        if name in _OF_ALL:
            raise InputError(f"--poolings {text}: {name} is not of one pooling but of all: pass it as --{name}")
        if pooling not in _READ_BY.get(name, (pooling,)):
            raise InputError(f"--poolings {text}: {name} has no effect there, but on {', '.join(_READ_BY[name])}")
    return options


def load_backbone_of(
    variants: dict[str, dict[str, Any]],
    backbone: BackboneArguments,
    options: dict[str, Any],
    max_length: int,
    is_default: bool = False,
) -> tuple[Any, Any, dict[str, Any]]:
    """
    Load the backbone that is shared by heads that are compared, and its tokenizer. Return them, and where the backbone
    is from with hashes of what it holds, for the record: a folder can change while its path stays.

    Args:
        options (`dict`): of [`GlotConfig`], for all variants; `backbone_load_kwargs` is taken out.
        max_length (`int`), is_default (`bool`): see [`~glot_hf.loading.backbone.set_max_length`].

    Raises:
        InputError: it cannot be loaded or take texts of `max_length`, or the options of a variant do not fit each
            other or the backbone, which is told before anything is trained.
    """
    from ..model.configuration_glot import GlotConfig
    from ..states.key import hash_backbone

    load_kwargs = options.pop("backbone_load_kwargs", None) or {}
    model, tokenizer, revision = load_backbone_and_tokenizer(*backbone.source(load_kwargs))
    with user_errors():
        content = hash_backbone(model, tokenizer)
        for own_options in variants.values():
            GlotConfig(backbone_config=model.config.to_dict(), **options | own_options)
    set_max_length(tokenizer, max_length, model, is_default)
    source = {"backbone": backbone.backbone, "backbone_revision": revision, "backbone_load_kwargs": load_kwargs}
    return model, tokenizer, source | content
