# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Refuse a head's file that lacks weights, which transformers would fill in at random, or holds such as are none."""

import os
from collections.abc import Iterable
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel
from transformers.modeling_utils import safe_open


_TASK_PARTS = ("classifier.", "similarity_projection.", "late.")  # what a classifier has beside its `GlotModel`


def require_all_weights(
    model: PreTrainedModel,
    information: dict[str, Any],
    architectures: list[str] | None,
    name_or_path: str | os.PathLike | None,
) -> None:
    """
    Refuse a head some of whose weights were not in its file, and one whose file holds others.

    A classifier may be loaded from a `GlotModel`, and gets a new classifying layer; a `GlotModel` from a classifier.

    Args:
        information (`dict`): what `from_pretrained(output_loading_info=True)` returns.
        architectures (`list[str]`, *optional*): the classes that the saved configuration names.
        name_or_path: the head's, for the message.

    Raises:
        ValueError: names the weights.
    """
    missing, unexpected = set(information["missing_keys"]), set(information["unexpected_keys"])
    base = model.base_model
    if model is base:
        unexpected = {name for name in unexpected if not name.startswith(_TASK_PARTS)}
        own = ("head.", "backbone.")
    else:
        prefix = f"{model.base_model_prefix}."
        own = (f"{prefix}head.", f"{prefix}backbone.")
        if "GlotModel" not in (architectures or ()):
            own += _TASK_PARTS
    missing = {name for name in missing if name.startswith(own)}  # others belong to a subclass of the user's
    if missing or unexpected:
        raise ValueError(
            " and ".join(
                [
                    *([f"{str(name_or_path)!r} lacks weights of this head ({_listed(missing)})"] * bool(missing)),
                    *([f"holds weights that this head does not have ({_listed(unexpected)})"] * bool(unexpected)),
                ]
            )
            + ": its answers would be random; get the whole file again, and load it with the options that it was "
            "saved with and a glot_hf that is not older"
        )


def require_sound(name: str, weight: Tensor, expected: Tensor) -> None:
    """
    Refuse a weight that would be cast in silence, or that no answer can come from.

    Args:
        expected (`Tensor`): what the model has under this name, for its dtype.

    Raises:
        ValueError: the weight is an integer or bool where the model has a floating-point number, or the other way
            round, or it holds NaN or infinity.
    """
    if weight.is_floating_point() != expected.is_floating_point():
        raise ValueError(
            f"{name} is {weight.dtype} in the head's file, where a head has {expected.dtype}: get the whole file again"
        )
    if weight.is_floating_point() and not weight.float().isfinite().all():
        raise ValueError(
            f"{name} holds NaN or infinity: the head's own weights are not finite; train it again with a smaller "
            "learning_rate, or get the whole file again"
        )


def require_sound_files(model: PreTrainedModel, files: Iterable[str]) -> None:
    """
    Check the head's weights in safetensors files, see [`require_sound`]; not those of a backbone beside them.

    Raises:
        ValueError: names a weight.
    """
    prefix = f"{model.base_model_prefix}."  # a `GlotModel` may be loaded from a classifier, and the other way round
    expected = {name.removeprefix(prefix): value for name, value in model.state_dict().items()}
    for file in files:
        with safe_open(file, "pt") as opened:
            for name in sorted(opened.keys()):
                own = name.removeprefix(prefix)
                if own in expected and not own.startswith("backbone."):
                    require_sound(name, opened.get_tensor(name), expected[own])


def require_all_adapter_weights(missing: Iterable[str]) -> None:
    """
    Refuse an adapter some of whose weights, or of the head that was trained with it, were not in its file.

    Raises:
        ValueError: names the weights.
    """
    if missing := set(missing):
        raise ValueError(
            f"The adapter's file lacks weights ({_listed(missing)}): its answers would be random; get the whole file "
            "again"
        )


def _listed(names: set[str]) -> str:
    first = sorted(names)[:4]
    return ", ".join(first) + (f" and {len(names) - len(first)} more" if len(names) > len(first) else "")
