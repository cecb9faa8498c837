# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
Running a backbone: `run_backbone` gives each text the states that it has alone, wherever its padding is.

Padding is moved to the right, or taken out where a backbone would see it; `forward_backbone` then calls the backbone
with what its forward takes, and reads whatever kind of output it returns.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel

from .early_exit_glot import states_below_top
from .language_model_glot import surprisal_of


class BackboneStates(NamedTuple):
    """What a backbone returns for a batch."""

    states: Tensor  # (B, L, d); (B, L, n, d) where n layers are read; d is larger with token features
    hidden_states: tuple[Tensor, ...] | None  # each (B, L, d)
    attentions: tuple[Tensor, ...] | None  # each (B, heads, L, L)


# The states of tokens depend on padding in these, in spite of the mask: through a convolution, through pooling over
# neighbours, or through landmarks and buckets that span the whole row.
_SEES_PADDING = {"canine", "convbert", "funnel", "mra", "nystromformer", "yoso"}


def run_backbone(
    backbone: PreTrainedModel,
    inputs: Mapping[str, Tensor | None],
    layers: int | list[int] = -1,
    output_hidden_states: bool | list[int] | None = False,
    output_attentions: bool | None = False,
    token_features: list[str] | None = None,
) -> BackboneStates:
    """
    Return the token states of the `layers` of a backbone. A text's states are those that it has alone.

    Unless `position_ids` are given, left-padded rows are shifted to right padding before the call and back after it:
    absolute positions then start at a row's first token. A backbone that takes no attention mask, or does not keep to
    it, is run without padding, on the rows of one length at a time; its states are zeros at padding. Gradients are
    recorded where something asks for them: with a frozen backbone only inputs can, such as the `inputs_embeds` of an
    attribution method.

    Args:
        inputs: `input_ids` or `inputs_embeds`, `attention_mask`, `token_type_ids`, `position_ids`; None is left out.
        layers (`int` or `list[int]`): the layer to read, or a list of n layers, for states `(B, L, n, d)`.
        output_hidden_states (`bool` or `list[int]`): return the states of all layers too, or those of some layers and
            None for the others.
        output_attentions (`bool`): return the attentions too.
        token_features (`list[str]`, *optional*): what stands behind the states of each token, at each of n layers:
            "surprisal" is four numbers, for states `(B, L, d + 4)`; see
            [`~glot_hf.model.surprisal_glot.token_surprisal`].

    Raises:
        ValueError: the backbone does not have one of the `layers`, or does not return what is asked for; or there
            are no `input_ids` to compute token features of.
    """
    given = {name: tensor for name, tensor in inputs.items() if tensor is not None}
    if "attention_mask" not in given:
        return forward_backbone(backbone, given, layers, output_hidden_states, output_attentions, token_features)
    run = _run_without_padding if sees_padding(backbone) else _run_padded_on_the_right
    return run(backbone, given, layers, output_hidden_states, output_attentions, token_features)


def sees_padding(backbone: PreTrainedModel) -> bool:
    """Return whether padding changes the states of tokens: the backbone takes no mask, or does not keep to it."""
    return backbone.config.model_type in _SEES_PADDING or "attention_mask" not in forward_parameters(backbone)


def _run_padded_on_the_right(backbone: PreTrainedModel, inputs: dict[str, Tensor], *wanted) -> BackboneStates:
    mask = inputs["attention_mask"]
    can_shift = mask.dim() == 2 and "position_ids" not in inputs
    # A traced program always shifts: a branch on data cannot be exported.
    if not can_shift or not (torch.compiler.is_compiling() or not mask[:, 0].all()):
        return forward_backbone(backbone, inputs, *wanted)
    shift = LeftPadding(mask)
    inputs = {name: shift.to_right(tensor) for name, tensor in inputs.items()}
    states, hidden_states, attentions = forward_backbone(backbone, inputs, *wanted)
    return BackboneStates(
        shift.to_left(states),
        _each(shift.to_left, hidden_states),
        _each(lambda attention: shift.to_left(shift.to_left(attention, dim=2), dim=3), attentions),
    )


def _run_without_padding(
    backbone: PreTrainedModel,
    inputs: dict[str, Tensor],
    layers: int | list[int],
    output_hidden_states: bool | list[int] | None,
    output_attentions: bool | None,
    token_features: list[str] | None,
) -> BackboneStates:
    inputs = dict(inputs)
    mask = inputs.pop("attention_mask")
    if mask.all():
        return forward_backbone(backbone, inputs, layers, output_hidden_states, output_attentions, token_features)
    if output_attentions:
        raise ValueError(
            f"a {backbone.config.model_type!r} backbone, which sees padding, is run on texts of one length at a time: "
            "pass no padding to get its attentions"
        )
    states: Any = None
    hidden_states: Any = None
    for group in EqualLengths.groups(mask):
        rows = {name: group.take(tensor) for name, tensor in inputs.items()}
        run = forward_backbone(backbone, rows, layers, output_hidden_states, token_features=token_features)
        states = group.put(run.states, states)
        if run.hidden_states is not None:
            others = hidden_states or [None] * len(run.hidden_states)
            hidden_states = tuple(
                state if state is None else group.put(state, among) for state, among in zip(run.hidden_states, others)
            )
    return BackboneStates(states, hidden_states, None)


def _each(function: Callable[[Tensor], Tensor], tensors: tuple[Tensor, ...] | None) -> tuple[Tensor, ...] | None:
    # A layer that nobody asked for is None.
    return tensors and tuple(tensor if tensor is None else function(tensor) for tensor in tensors)


def forward_parameters(backbone: PreTrainedModel) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of the forward of the backbone's class. (An instance may have hooks around its own.)"""
    whole: Any = backbone
    if hasattr(backbone, "get_base_model"):  # peft's own forward passes on whatever it is given
        backbone = whole.get_base_model()
    return inspect.signature(type(backbone).forward).parameters


def forward_backbone(
    backbone: PreTrainedModel,
    inputs: dict[str, Tensor],
    layers: int | list[int] = -1,
    output_hidden_states: bool | list[int] | None = False,
    output_attentions: bool | None = False,
    token_features: list[str] | None = None,
) -> BackboneStates:
    """
    Call a backbone on inputs as they are, and return the token states of its `layers`: see [`run_backbone`].

    Raises:
        ValueError: see [`run_backbone`].
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

    def run(inputs: dict[str, Tensor]) -> _Outputs:
        return _Outputs(backbone(**(inputs | flags)), backbone.config.model_type)

    if layers != -1 and not output_hidden_states and not output_attentions and not token_features:
        several = [layers] if isinstance(layers, int) else layers
        calls = inputs | {name: value for name, value in flags.items() if name != "output_hidden_states"}

        def whole_run(inputs: dict[str, Any]) -> list[Tensor]:
            hidden_states = run(inputs).layers("hidden_states", 3)
            return [hidden_states[layer] for layer in several]

        below = states_below_top(backbone, calls, several, whole_run)
        if below is not None:
            return BackboneStates(below[0] if isinstance(layers, int) else torch.stack(below, dim=2), None, None)
    read = run(inputs)
    hidden_states: Any = read.layers("hidden_states", 3) if layers != -1 or output_hidden_states else None
    states = read.last_hidden_state() if layers == -1 else select_layers(hidden_states, layers)
    shape = next(inputs[name].shape[:2] for name in ("input_ids", "inputs_embeds") if name in inputs)  # B, L
    for state in (states, *(hidden_states or ())):
        if state is not None and state.shape[:2] != shape:
            raise ValueError(
                f"a head needs one state a token, but a {backbone.config.model_type!r} backbone makes states of shape "
                f"{tuple(state.shape)} of {tuple(shape)} tokens: read another of `backbone_layers`, or choose another "
                "backbone"
            )
    if token_features:  # "surprisal", the only one there is
        numbers = surprisal_of(backbone, read.last_hidden_state(), inputs).to(states.device, states.dtype)  # (B, L, 4)
        numbers = numbers if isinstance(layers, int) else numbers[:, :, None].expand(-1, -1, states.shape[2], -1)
        states = torch.cat([states, numbers], dim=-1)
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
    """What a backbone returned: a transformers output, or the tuple that models with code of their own may return."""

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

    def layers(self, name: str, dim: int) -> tuple[Tensor, ...] | Any:
        if self._is_tuple():  # its parts have no names, so their shapes tell them apart
            found = [value for value in self._outputs if _is_tuple_of_tensors(value, dim)]
            value = found[0] if len(found) == 1 else None
        else:
            value = getattr(self._outputs, name, None)
            if name == "attentions" and hasattr(self._outputs, name):
                return value  # None where its attn_implementation, such as sdpa, keeps none, as transformers warns
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
    Return one of the hidden states `(B, L, d)`, or those of a list of n layers, `(B, L, n, d)`.

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


class LeftPadding:
    """Roll each row of a batch by the number of padded positions before its first token, and back."""

    def __init__(self, mask: Tensor):
        padded = (mask.cumsum(dim=1) == 0).sum(dim=1, keepdim=True)  # (B, 1)
        positions = torch.arange(mask.shape[1], device=mask.device)  # (L,)
        length = positions[-1:] + 1  # a tensor, because ONNX has no remainder of a size
        self._right = (positions + padded) % length  # (B, L)
        self._left = (positions - padded) % length  # (B, L)

    def to_right(self, tensor: Tensor) -> Tensor:
        return self._take(tensor, self._right, dim=1)

    def to_left(self, tensor: Tensor, dim: int = 1) -> Tensor:
        return self._take(tensor, self._left, dim)

    @staticmethod
    def _take(tensor: Tensor, index: Tensor, dim: int) -> Tensor:
        shape = [1] * tensor.dim()
        shape[0], shape[dim] = index.shape
        # torch.take_along_dim would do, but cannot be exported for any length.
        tensor, index = torch.broadcast_tensors(tensor, index.to(tensor.device).view(shape))
        return tensor.gather(dim, index)


class EqualLengths:
    """The rows of a batch that have `l` tokens: take them without their padding, and put them back."""

    def __init__(self, rows: Tensor, mask: Tensor):
        self._shape = mask.shape  # B, L
        self._rows = rows[:, None]  # (n, 1)
        self._positions = mask[rows].nonzero()[:, 1].view(len(rows), -1)  # (n, l)

    @classmethod
    def groups(cls, mask: Tensor) -> Iterator["EqualLengths"]:
        """Yield all rows of a mask `(B, L)`, a length at a time. A row of padding alone counts as one token."""
        mask = mask.bool()
        mask = torch.cat([mask[:, :1] | ~mask.any(dim=1, keepdim=True), mask[:, 1:]], dim=1)
        lengths = mask.sum(dim=1)
        for length in lengths.unique():
            yield cls((lengths == length).nonzero()[:, 0], mask)

    def take(self, tensor: Tensor) -> Tensor:
        """Take these rows. `(B, L, ...)`, or `(1, L, ...)` for all rows -> `(n, l, ...)`."""
        return tensor.expand(self._shape[0], *tensor.shape[1:])[self._rows, self._positions]

    def put(self, tensor: Tensor, among: Tensor | None) -> Tensor:
        """Put `(n, l, ...)` into `among`, `(B, L, ...)`, which is zeros where it is None."""
        if among is None:
            among = tensor.new_zeros(*self._shape, *tensor.shape[2:])
        return among.index_put((self._rows.to(tensor.device), self._positions.to(tensor.device)), tensor)
