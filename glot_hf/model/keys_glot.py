# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What a head's configuration may hold under the keys that it has from transformers, which checks none of them."""

import reprlib
from collections.abc import Callable
from typing import Any

from .options_glot import WIDEST, is_dtype


_PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: value is None or isinstance(value, kinds)


def _is_integer(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_mapping(value: Any, is_key: Callable[[Any], bool], is_value: Callable[[Any], bool]) -> bool:
    return value is None or (isinstance(value, dict) and all(is_key(key) and is_value(value[key]) for key in value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_class(value: Any) -> bool:
    """Return whether this is the number of a class; JSON has the keys of a mapping as texts."""
    if _is_text(value):
        value = int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None
    return _is_integer(value, 0, WIDEST - 1)


# key: what is valid, in words and as a check
_VALID: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "architectures": (
        "a list of the names of classes",
        lambda value: value is None or (isinstance(value, list) and all(map(_is_text, value))),
    ),
    "auto_map": (
        "a mapping from names of Auto classes to classes in the head's code",
        lambda value: _is_mapping(value, _is_text, lambda each: isinstance(each, (str, list, tuple))),
    ),
    "chunk_size_feed_forward": (
        "an integer from 0 on",
        lambda value: value is None or _is_integer(value, 0, 2**31 - 1),
    ),
    "custom_pipelines": (
        "a mapping from tasks to what says how they are done",
        lambda value: _is_mapping(value, _is_text, lambda each: isinstance(each, dict)),
    ),
    "dtype": ("the name of a floating-point dtype of torch, such as float32", is_dtype),
    "id2label": (
        f"a mapping from 1 to {WIDEST:,} classes, numbers from 0 on, to their names",
        lambda value: _is_mapping(value, _is_class, _is_text) and (value is None or 1 <= len(value) <= WIDEST),
    ),
    "label2id": (
        "a mapping from names of classes to their numbers",
        lambda value: _is_mapping(value, _is_text, _is_class),
    ),
    "num_labels": (f"an integer from 1 to {WIDEST:,}", lambda value: _is_integer(value, 1, WIDEST)),
    "problem_type": (f"one of {_PROBLEM_TYPES}", lambda value: value is None or value in _PROBLEM_TYPES),
    "quantization_config": (
        "a mapping, which says how weights are quantized",
        lambda value: value is None or isinstance(value, dict) or hasattr(value, "to_dict"),
    ),
    "torch_dtype": ("the name of a floating-point dtype of torch, such as float32", is_dtype),
    **dict.fromkeys(
        ("is_encoder_decoder", "output_attentions", "output_hidden_states", "return_dict", "use_cache"),
        ("true or false", _is(bool)),
    ),
    **dict.fromkeys(
        (
            "_name_or_path",
            "backbone_fingerprint",
            "glot_hf_version",
            "tokenizer_class",
            "transformers_version",
        ),
        ("a text", _is(str)),
    ),
    **dict.fromkeys(
        ("layer_types", "mtp_layer_types", "per_layer_config", "rope_parameters", "transformers_weights"),
        ("left out: it is for other models", _is()),
    ),
}


def require_valid(key: str, value: Any) -> None:
    """
    Check one key of a configuration. Options of a head and unknown keys pass: the former have checks of their own.

    Raises:
        ValueError: names the key, the value and what is valid.
    """
    words, is_valid = _VALID.get(key, ("", _is(object)))
    if not is_valid(value):
        raise ValueError(f"{key}={reprlib.repr(value)} is not valid in a head's configuration: it must be {words}")
