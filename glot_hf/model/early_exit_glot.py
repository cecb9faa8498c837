# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
Stopping a backbone at the highest layer that a head reads, so that the blocks above it are not run.

Hidden state k is what block k is given (block 0 is given the embeddings). A hook before each block that is asked for
keeps its input, and the last of them ends the call.
"""

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel


class _Reached(Exception):
    """Ends a call of a backbone: all states that were asked for are there."""


# Whether stopping gives the states of a whole run, by backbone and layers: tried once.
_IS_EXACT: WeakKeyDictionary[PreTrainedModel, dict[tuple[int, ...], bool]] = WeakKeyDictionary()


def states_below_top(
    backbone: PreTrainedModel,
    inputs: dict[str, Any],
    layers: list[int],
    whole_run: Callable[[dict[str, Any]], list[Tensor]],
) -> tuple[Tensor, ...] | None:
    """
    Return the hidden states of some layers without running the blocks above them, or None where that cannot be done.

    The first call for a backbone and these layers compares the states with those of a whole run, as backbones are
    free to hand other things to their blocks.

    Args:
        inputs (`dict`): what the backbone is called with.
        layers (`list[int]`): as in `backbone_layers`.
        whole_run: returns the same states, of a whole run of the backbone on other inputs.

    Returns:
        `tuple[Tensor, ...]`: one `(B, L, d)` for each of the layers. None for the last layer, behind which a decoder
        has one more norm; for a backbone in training mode or being compiled; and for backbones without one list of
        blocks, such as those with an encoder and a decoder.
    """
    blocks = None if backbone.training or torch.compiler.is_compiling() else _blocks(backbone)
    if blocks is None:
        return None
    wanted = tuple(layer % (len(blocks) + 1) for layer in layers if -len(blocks) - 1 <= layer <= len(blocks))
    if len(wanted) < len(layers) or len(blocks) in wanted:
        return None
    exact = _IS_EXACT.setdefault(backbone, {})
    if wanted not in exact:
        first = {name: value[:1] if isinstance(value, Tensor) else value for name, value in inputs.items()}
        with torch.no_grad():
            exact[wanted] = _are_equal(_run(backbone, first, blocks, wanted), whole_run(first))
    return _run(backbone, inputs, blocks, wanted) if exact[wanted] else None


def _blocks(backbone: PreTrainedModel) -> nn.ModuleList | None:
    """Return the list of the backbone's blocks; None where no list, or more than one, is as long as it is deep."""
    depth = getattr(backbone.config, "num_hidden_layers", None)
    lists = [part for part in backbone.modules() if isinstance(part, nn.ModuleList) and len(part) == depth]
    return lists[0] if len(lists) == 1 else None


def _run(
    backbone: PreTrainedModel, inputs: dict[str, Any], blocks: nn.ModuleList, layers: tuple[int, ...]
) -> tuple[Any, ...] | None:
    found: dict[int, Any] = {}
    highest = max(layers)

    def keep(layer: int, args: tuple, kwargs: dict[str, Any]) -> None:
        found[layer] = args[0] if args else kwargs.get("hidden_states")
        if layer == highest:
            raise _Reached

    hooks = [
        blocks[layer].register_forward_pre_hook(
            lambda _, args, kwargs, layer=layer: keep(layer, args, kwargs), with_kwargs=True
        )
        for layer in set(layers)
    ]
    try:
        backbone(**inputs)
    except _Reached:
        return tuple(found.get(layer) for layer in layers)
    finally:
        for hook in hooks:
            hook.remove()
    return None


def _are_equal(found: tuple[Tensor | None, ...] | None, expected: list[Tensor]) -> bool:
    return found is not None and all(
        isinstance(state, Tensor) and state.shape == whole.shape and torch.allclose(state, whole, rtol=1e-3, atol=1e-5)
        for state, whole in zip(found, expected)
    )
