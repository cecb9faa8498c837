# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Where a backbone is from, so that a head finds it again, and whether it still has the weights that it had there."""

import hashlib
import os
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from .backbone_glot import has_adapters, has_optional_pooler, text_encoder
from .configuration_glot import GlotConfig, config_from_dict
from .options_glot import RECORDED_BACKBONE_KWARGS


# A fingerprint reads every second row of the matrices of a backbone with more weights than this, or every third, ...
_WEIGHTS_READ = 2**28


def origin(name: str | None, revision: str | None, kwargs: dict[str, Any]) -> dict[str, Any]:
    """
    Return what a head's configuration records of where its backbone is from.

    Args:
        name (`str`, *optional*): repository or folder; None where it is not known.
        revision (`str`, *optional*): commit, branch or tag.
        kwargs (`dict`): options for `AutoModel.from_pretrained`; those in `RECORDED_BACKBONE_KWARGS` are recorded.
    """
    recorded = {key: _to_json(kwargs[key]) for key in RECORDED_BACKBONE_KWARGS if kwargs.get(key) is not None}
    return {
        "backbone_name_or_path": os.path.abspath(name) if name and os.path.isdir(name) else name,
        "backbone_revision": revision,
        "backbone_load_kwargs": recorded or None,
    }


def origin_of(model: nn.Module, revision: str | None = None, kwargs: dict[str, Any] | None = None) -> dict[str, Any]:
    """
    Return the `origin` of a model that is already loaded, as far as the model knows it.

    Args:
        model (`nn.Module`): the whole of what was loaded: a part of a model has no name of its own.
        revision, kwargs (*optional*): what the caller knows of its loading.
    """
    backbone = text_encoder(model)
    kwargs = {**(kwargs or {}), "dtype": backbone.dtype}
    quantizer = getattr(model, "hf_quantizer", None) or getattr(backbone, "hf_quantizer", None)
    if quantizer is not None and not quantizer.pre_quantized:  # else its folder says so
        kwargs["quantization_config"] = quantizer.quantization_config
    # A model does not know where its adapters are from: its name is that of the base without them.
    name = None if has_adapters(backbone) else getattr(model, "name_or_path", None) or None
    # transformers 5.23 no longer keeps the commit.
    return origin(name, revision or getattr(backbone.config, "_commit_hash", None), kwargs)


def place_in_repository(config: GlotConfig) -> dict[str, str]:
    """Return where in its repository or folder the recorded backbone, and its tokenizer, are."""
    recorded = config.backbone_load_kwargs or {}
    return {key: recorded[key] for key in ("gguf_file", "subfolder") if key in recorded}


def read_config(name: str, **options: Any) -> PreTrainedConfig:
    """
    Return the configuration of a published backbone, without running code of its repository.

    Args:
        name (`str`): repository or folder.
        options: revision, subfolder, token, ... of `PreTrainedConfig.get_config_dict`.

    Raises:
        OSError, ValueError: there is none.
    """
    described, _ = PreTrainedConfig.get_config_dict(name, **options)
    return config_from_dict(described)


def vocabulary_at(config: GlotConfig) -> int | None:
    """Return how many tokens the recorded backbone has where it is from; None where that is not on this machine."""
    place = place_in_repository(config)
    if config.backbone_name_or_path is None or "gguf_file" in place:
        return None  # the configuration is in the large file
    try:
        return vocabulary_of(
            read_config(
                config.backbone_name_or_path, revision=config.backbone_revision, local_files_only=True, **place
            )
        )
    except (OSError, ValueError):
        return None  # an adapter, for one, has no such configuration


def vocabulary_of(backbone_config: PreTrainedConfig) -> int | None:
    """Return how many tokens a backbone knows, or None where its configuration does not say."""
    return getattr(backbone_config.get_text_config(), "vocab_size", None)


@torch.no_grad()
def fingerprint(backbone: PreTrainedModel) -> str | None:
    """
    Return a short text that differs where the weights of two backbones do: "<which weights>-<their values>".

    Weights are compared as bfloat16, so that the same ones loaded as float32 or bfloat16, on any device, have one
    fingerprint. All weights of a backbone of up to 268 million are read, and evenly spaced rows of a larger one, which
    takes less than a second on one CPU core. Weights that are quantized, sharded or not in memory are left out, and
    so are those of a pooler that no head reads; None where no other are left.
    """
    names, values = hashlib.sha256(), hashlib.sha256()
    weights = dict(_readable(backbone))
    step = 1 + sum(weight.numel() for weight in weights.values()) // _WEIGHTS_READ
    for name, weight in sorted(weights.items()):
        # float16 weights are told apart: rounded to float16 and then to bfloat16 is not always rounded once.
        names.update(f"{name} {tuple(weight.shape)} {weight.dtype == torch.float16}\n".encode())
        values.update(f"{_checksum(weight, step)}\n".encode())
    return f"{names.hexdigest()[:16]}-{values.hexdigest()[:16]}" if weights else None


def _readable(backbone: PreTrainedModel) -> Iterator[tuple[str, Tensor]]:
    skips_pooler = has_optional_pooler(type(backbone))
    for name, weight in backbone.named_parameters():
        is_plain = type(weight) is nn.Parameter and weight.dtype.is_floating_point and weight.dtype.itemsize > 1
        if is_plain and not weight.is_meta and weight.numel() and not (skips_pooler and name.startswith("pooler.")):
            yield name, weight


def _checksum(weight: Tensor, step: int) -> int:
    """
    Sum the bits of every `step`-th row, each row times its number: in integers, so that all devices give the same sum
    in whatever order they add.
    """
    rows = weight[::step] if weight.dim() > 1 else weight.reshape(-1, 1)
    rows = rows.flatten(1).to(torch.bfloat16).contiguous()
    if rows.shape[1] % 4:
        bits = rows.view(torch.int16).sum(1, dtype=torch.long)
    else:  # four weights at a time
        bits = (rows.clone() if rows.storage_offset() % 4 else rows).view(torch.long).sum(1)
    return int((bits * torch.arange(1, len(bits) + 1, device=bits.device)).sum())


def are_comparable(first: Any, second: Any) -> bool:
    """Return whether two fingerprints are of the same weights by name, so that their values can be compared."""
    are_texts = isinstance(first, str) and isinstance(second, str)  # a config.json of others may hold anything
    return are_texts and first.split("-")[0] == second.split("-")[0]


def _to_json(value: Any) -> Any:
    """Return an option as config.json can hold it: a torch dtype by its name, a quantization config as a dict."""
    if isinstance(value, torch.dtype):
        return str(value).removeprefix("torch.")
    return value.to_dict() if hasattr(value, "to_dict") else value
