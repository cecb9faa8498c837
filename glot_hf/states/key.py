# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What a hidden-state cache is of: everything that changes the states, as a record of JSON values."""

import hashlib
import json
import shlex
from collections.abc import Iterator
from typing import Any

import torch
import transformers
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from ..system.errors import InputError


FORMAT_VERSION = 1
# Of a configuration, what is said by other fields of the key.
_SAID_ELSEWHERE = ("_name_or_path", "dtype", "transformers_version")
# The fields of every key; `token_features` is one where there are any.
KEYS = (
    *("format_version", "backbone", "revision", "weights", "config", "attention", "transformers_version"),
    *("backbone_dtype", "stored_dtype", "layers", "tokenizer", "max_length", "texts", "tokens_per_shard"),
)
_HASHES = ("weights", "config", "backbone_config", "tokenizer", "texts")


def make_key(
    backbone: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: list[str],
    revision: str | None,
    layers: int | list[int],
    max_length: int | None,
    dtype: torch.dtype,
    tokens_per_shard: int,
    token_features: list[str] | None = None,
) -> dict[str, Any]:
    """
    The key of the states of `texts`, which are distinct and sorted. Reads every weight of the backbone.

    `token_features` is a part of it where there are any: without, the key is the one of caches before it existed.

    Raises:
        ValueError: some of the weights are not in memory.
    """
    key = {
        "format_version": FORMAT_VERSION,
        "backbone": backbone.name_or_path,
        "revision": revision,
        "weights": hash_weights(backbone),
        "config": hash_config(backbone.config),
        "attention": backbone.config._attn_implementation,
        "transformers_version": transformers.__version__,
        "backbone_dtype": _name(backbone.dtype),
        "stored_dtype": _name(dtype),
        "layers": layers,
        "tokenizer": hash_tokenizer(tokenizer),
        "max_length": max_length,
        "texts": hash_texts(texts),
        "tokens_per_shard": tokens_per_shard,
    }
    return key | ({"token_features": token_features} if token_features else {})


def digest(key: dict[str, Any]) -> str:
    """Return the key's SHA-256, in hexadecimal digits."""
    return hash_json(key)


def require_same_key(stored: dict[str, Any], wanted: dict[str, Any], where: str) -> None:
    """
    Raises:
        InputError: the keys differ; names the first fields that do.
    """
    if different := differences(stored, wanted):
        raise InputError(
            f"{where!r} holds hidden states with another {different}: name another folder, or delete this one with "
            f"`glot-hf cache clear {shlex.quote(where)}`"
        )


def differences(stored: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Say in which fields two keys differ first, with both values, but for hashes; empty where they are the same."""
    names = [*wanted, *(name for name in stored if name not in wanted)]
    found = [
        name if name in _HASHES else f"{name} ({stored.get(name)!r}, not {wanted.get(name)!r})"
        for name in names
        if stored.get(name) != wanted.get(name)
    ]
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return ", ".join(found[:3]) + more


def hash_texts(texts: list[str]) -> str:
    """Hash a list of texts, in its order."""
    found = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        found.update(len(data).to_bytes(8, "little") + data)
    return found.hexdigest()


def hash_tensor(tensor: torch.Tensor) -> str:
    """Hash the bytes of a tensor, without its dtype and shape."""
    return hashlib.sha256(_bytes(tensor)).hexdigest()


def hash_weights(model: torch.nn.Module) -> str:
    """
    Hash the names, dtypes and bytes of all weights and buffers.

    Raises:
        ValueError: some of them are not in memory.
    """
    found = hashlib.sha256()
    tensors = {**model.state_dict(), **dict(model.named_buffers())}  # rotary frequencies are not in the former
    for name, value in sorted(tensors.items()):
        for part in _parts(value):
            if isinstance(part, torch.Tensor):
                if part.is_meta:
                    raise ValueError(
                        f"the weight {name!r} is not in memory, so the states cannot be told from those of other "
                        "weights: load the backbone without offloading, or go without a cache"
                    )
                found.update(f"{name} {part.dtype} {tuple(part.shape)}".encode())
                found.update(_bytes(part.dequantize() if part.is_quantized else part))
            else:
                found.update(f"{name} {part!r}".encode())
    return found.hexdigest()


def _parts(value: Any) -> Iterator[Any]:
    """Return the plain tensors of a weight (several for a quantized layer), and what is said beside them."""
    if isinstance(value, tuple):
        for part in value:
            yield from _parts(part)
    elif hasattr(value, "__tensor_flatten__"):
        names, context = value.__tensor_flatten__()
        for name in names:
            yield from _parts(getattr(value, name))
        yield context
    else:
        yield value


def hash_backbone(backbone: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
    """
    Return hashes of what a backbone and its tokenizer are, wherever they are from. Reads every weight.

    Raises:
        ValueError: some of the weights are not in memory.
    """
    return {
        "weights": hash_weights(backbone),
        "config": hash_config(backbone.config),
        "tokenizer": hash_tokenizer(tokenizer),
    }


def hash_config(config: PreTrainedConfig) -> str:
    """Hash what a backbone's configuration says of how it computes."""
    return hash_json({name: value for name, value in config.to_dict().items() if name not in _SAID_ELSEWHERE})


def hash_tokenizer(tokenizer: PreTrainedTokenizerBase) -> str:
    """Hash everything that decides which tokens a text has, except where it is cut."""
    if tokenizer.is_fast:
        backend: Any = tokenizer.backend_tokenizer
        rules = json.loads(backend.to_str())
        del rules["padding"], rules["truncation"]  # left by the last call
    else:
        rules = {"vocabulary": tokenizer.get_vocab(), "options": tokenizer.init_kwargs}
    return hash_json([type(tokenizer).__name__, tokenizer.special_tokens_map, tokenizer.truncation_side, rules])


def hash_json(value: Any) -> str:
    """Hash JSON values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def _bytes(tensor: torch.Tensor) -> memoryview:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
