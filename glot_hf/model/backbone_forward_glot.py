# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""One call of a backbone: given what its forward takes, read whatever kind of output it returns."""

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class BackboneStates(NamedTuple):
    """What a backbone makes of a batch."""

    states: Tensor  # (B, L, d); (B, L, n, d) where n layers are read
    hidden_states: tuple[Tensor, ...] | None  # each (B, L, d)
    attentions: tuple[Tensor, ...] | None  # each (B, heads, L, L)


def forward_parameters(backbone: nn.Module) -> Mapping[str, inspect.Parameter]:
    """What the forward of the backbone's class takes, by name: an instance may have hooks around its own."""
    if hasattr(backbone, "get_base_model"):  # peft's own forward passes on whatever it is given
        backbone = backbone.get_base_model()
    return inspect.signature(type(backbone).forward).parameters


def forward_backbone(
    backbone: nn.Module,
    inputs: dict[str, Tensor],
    layers: int | list[int] = -1,
    output_hidden_states: bool | list[int] = False,
    output_attentions: bool = False,
) -> BackboneStates:
    """
    Token states of the `layers` of a backbone, of inputs as they are. Where `output_hidden_states` is a list, those of
    other layers are None.

    Raises:
        ValueError: the backbone does not have one of the `layers`, or does not return what is asked for.
    """
    names = forward_parameters(backbone)
    flags: dict[str, Any] = {
        "return_dict": True,
        # Recent models also take a list of layers.
        "output_hidden_states": True if layers != -1 else output_hidden_states,
        "output_attentions": output_attentions,
    }
    flags = {name: value for name, value in flags.items() if value and (name in names or "kwargs" in names)}
    if "use_cache" in names:
        flags["use_cache"] = False  # a decoder would keep keys and values that nothing reads
    if "token_type_ids" not in names and "kwargs" not in names:  # some tokenizers return them for any model
        inputs = {name: tensor for name, tensor in inputs.items() if name != "token_type_ids"}

    read = _Outputs(backbone(**inputs, **flags), backbone.config.model_type)
    hidden_states = read.layers("hidden_states", 3) if layers != -1 or output_hidden_states else None
    states = read.last_hidden_state() if layers == -1 else select_layers(hidden_states, layers)
    shape = next(inputs[name].shape[:2] for name in ("input_ids", "inputs_embeds") if name in inputs)  # B, L
    for state in (states, *(hidden_states or ())):
        if state is not None and state.shape[:2] != shape:
            raise ValueError(
                f"a head needs one state a token, but a {backbone.config.model_type!r} backbone makes states of shape "
                f"{tuple(state.shape)} of {tuple(shape)} tokens: read another of `backbone_layers`, or choose another "
                "backbone"
            )
    if isinstance(output_hidden_states, list):
        asked, count = set(output_hidden_states), len(hidden_states)
        hidden_states = tuple(
            state if asked & {layer, layer - count} else None for layer, state in enumerate(hidden_states)
        )
    return BackboneStates(
        states,
        hidden_states if output_hidden_states else None,
        read.layers("attentions", 4) if output_attentions else None,
    )


class _Outputs:
    """A transformers output, or the tuple that models with code of their own may return."""

    def __init__(self, outputs: Any, model_type: str):
        self._outputs = outputs
        self._model_type = model_type

    def last_hidden_state(self) -> Tensor:
        if isinstance(self._outputs, Tensor):
            return self._outputs
        state = self._outputs[0] if self._is_tuple() else getattr(self._outputs, "last_hidden_state", None)
        if not isinstance(state, Tensor) or state.dim() != 3:
            raise self._missing("last hidden state (B, L, d)")
        return state

    def layers(self, name: str, dim: int) -> tuple[Tensor, ...]:
        if self._is_tuple():  # where they have no names, they are told by their shape
            found = [value for value in self._outputs if _is_tuple_of_tensors(value, dim)]
            value = found[0] if len(found) == 1 else None
        else:
            value = getattr(self._outputs, name, None)
            if name == "attentions" and hasattr(self._outputs, name):
                return value  # None where its attn_implementation keeps none, as sdpa, which transformers says
        if not value:
            raise self._missing(name)
        return value

    def _is_tuple(self) -> bool:
        return isinstance(self._outputs, (tuple, list))

    def _missing(self, what: str) -> ValueError:
        return ValueError(
            f"the {self._model_type!r} backbone returns no {what}, but {type(self._outputs).__name__}: ask for its "
            "last layer alone, or choose another backbone"
        )


def _is_tuple_of_tensors(value: Any, dim: int) -> bool:
    return (
        isinstance(value, (tuple, list))
        and bool(value)
        and all(isinstance(tensor, Tensor) and tensor.dim() == dim for tensor in value)
    )


def select_layers(hidden_states: tuple[Tensor, ...], layers: int | list[int]) -> Tensor:
    """
    Of hidden states, each `(B, L, d)`: that of one layer, or `(B, L, n, d)` of a list of n.

    Raises:
        ValueError: the backbone does not have one of the `layers`.
    """
    for layer in [layers] if isinstance(layers, int) else layers:
        if not -len(hidden_states) <= layer < len(hidden_states):
            raise ValueError(
                f"backbone_layers={layers}: the backbone has hidden states 0 (its embeddings) to "
                f"{len(hidden_states) - 1}, or -{len(hidden_states)} to -1 from the end"
            )
    if isinstance(layers, int):
        return hidden_states[layers]
    return torch.stack([hidden_states[layer] for layer in layers], dim=2)  # (B, L, n, d)
