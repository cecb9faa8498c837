# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The frozen backbone: find it, load it, build it, run it the same way on either padding side."""

import inspect
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.utils import cached_file
from transformers.utils.hub import extract_commit_hash


class BackboneStates(NamedTuple):
    """What a backbone makes of a batch."""

    states: Tensor  # (B, L, d); (B, L, n, d) where n layers are read
    hidden_states: tuple[Tensor, ...] | None  # each (B, L, d)
    attentions: tuple[Tensor, ...] | None  # each (B, heads, L, L)


def pin_revision(
    name_or_path: str, revision: str | None = None, gguf_file: str | None = None, **hub_kwargs
) -> str | None:
    """
    The commit that `revision` of a repository is now, so that a head always finds the weights it was trained on.

    Returns:
        `str` or None: the commit hash; `revision` itself where the repository cannot be asked; None for a local
        folder.
    """
    if os.path.isdir(name_or_path):
        return None
    try:
        config_file = cached_file(name_or_path, gguf_file or "config.json", revision=revision, **hub_kwargs)
    except (OSError, ValueError):
        return revision  # loading the weights comes next and reports what is wrong
    return extract_commit_hash(config_file, None) or revision


def load_backbone(name_or_path: str, revision: str | None = None, **kwargs) -> PreTrainedModel:
    """
    `AutoModel.from_pretrained`, with the parts that a head does not read left out.

    Code of its repository is run only if `trust_remote_code=True` is among the `kwargs`; without it nobody is asked.

    Raises:
        OSError: the backbone cannot be found or loaded.
    """
    kwargs.setdefault("trust_remote_code", False)
    try:
        backbone = AutoModel.from_pretrained(name_or_path, **({"revision": revision} if revision else {}), **kwargs)
    except (OSError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise OSError(
            f"The backbone {name_or_path!r} cannot be loaded ({reason}). Name a repository or a folder that holds "
            "one, or pass a loaded model as `backbone`; one with code of its own, if you trust it, also needs "
            "backbone_kwargs={'trust_remote_code': True}"
        ) from error
    backbone = text_encoder(backbone)
    if has_optional_pooler(type(backbone)):
        backbone.pooler = None
    return backbone


def build_backbone(config: PreTrainedConfig) -> PreTrainedModel:
    """A backbone with random weights, ready for those of a checkpoint. Never runs code from a repository."""
    # BERT's own pooler would never get a gradient, which DistributedDataParallel does not forgive.
    optional = {"add_pooling_layer": False} if has_optional_pooler(AutoModel._model_mapping[type(config)]) else {}
    return text_encoder(AutoModel.from_config(config, trust_remote_code=False, **optional))


def text_encoder(backbone: nn.Module) -> nn.Module:
    """
    The part of a model that makes token states: without its task head, and without the decoder if it has both.

    Raises:
        TypeError: this is not a model.
        ValueError: it is a GLOT head, or has adapters that are not in its layers.
    """
    if hasattr(backbone, "get_base_model"):  # a PeftModel, whose adapters are in the layers of the model inside
        if backbone.active_peft_config.is_prompt_learning:
            kind = backbone.active_peft_config.peft_type.value
            raise ValueError(f"a backbone cannot have a {kind} adapter: use one in its layers, such as LoRA")
        backbone = backbone.get_base_model()
    model_type = getattr(getattr(backbone, "config", None), "model_type", None)
    if model_type is None:
        raise TypeError(f"a backbone is a repository, a folder or a transformers model, not {type(backbone).__name__}")
    if model_type == "glot":
        raise ValueError("this is a GLOT head and not a backbone: load it with from_pretrained")
    if isinstance(backbone, PreTrainedModel):
        backbone = backbone.base_model
    if getattr(backbone.config, "is_encoder_decoder", False) and hasattr(backbone, "get_encoder"):
        backbone = backbone.get_encoder()
    return backbone


def batches_by_length(lengths: list[int], max_tokens: int, batch_size: int | None = None) -> Iterator[list[int]]:
    """Indices of texts, the longest first: `batch_size` of them, or as many as padded have at most `max_tokens`."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    start = 0
    while start < len(order):
        size = batch_size or max(1, max_tokens // max(1, lengths[order[start]]))
        yield order[start : start + size]
        start += size


def is_trainable(backbone: nn.Module | None) -> bool:
    """Whether any of its parameters asks for a gradient now."""
    return backbone is not None and any(parameter.requires_grad for parameter in backbone.parameters())


def has_adapters(backbone: nn.Module | None) -> bool:
    """Whether peft has put adapters into its layers, each of which then holds the layer that it adapts."""
    return backbone is not None and any(hasattr(module, "base_layer") for module in backbone.modules())


def run_backbone(
    backbone: nn.Module,
    inputs: dict[str, Tensor | None],
    layers: int | list[int] = -1,
    output_hidden_states: bool | list[int] = False,
    output_attentions: bool = False,
) -> BackboneStates:
    """
    Token states of the `layers` of a backbone.

    Where no `position_ids` are given, left-padded rows are shifted to right padding on the way in and back on the way
    out: absolute positions then start at a row's first token, as they do without padding. A backbone that is frozen as
    a whole is run without recording gradients.

    Args:
        inputs: `input_ids` or `inputs_embeds`, `attention_mask`, `token_type_ids`, `position_ids`; None is left out.

    Raises:
        ValueError: the backbone does not have one of the `layers`.
    """
    mask = inputs.get("attention_mask")
    shift = None
    can_shift = mask is not None and mask.dim() == 2 and inputs.get("position_ids") is None
    # When traced, always: a branch on data cannot be exported.
    if can_shift and (torch.compiler.is_compiling() or not mask[:, 0].all()):
        shift = _LeftPadding(mask)
    inputs = {name: tensor for name, tensor in inputs.items() if tensor is not None}
    if shift is not None:
        inputs = {name: shift.to_right(tensor) for name, tensor in inputs.items()}

    flags: dict[str, Any] = {"return_dict": True}
    if layers != -1:
        flags["output_hidden_states"] = True
    elif output_hidden_states:
        flags["output_hidden_states"] = output_hidden_states  # recent models also take a list of layers
    if output_attentions:
        flags["output_attentions"] = True
    if "use_cache" in inspect.signature(backbone.forward).parameters:
        flags["use_cache"] = False  # a decoder would keep keys and values that nothing reads

    with torch.set_grad_enabled(torch.is_grad_enabled() and is_trainable(backbone)):
        outputs = backbone(**inputs, **flags)

    hidden_states = outputs.hidden_states if output_hidden_states else None
    attentions = outputs.attentions if output_attentions else None
    states = outputs.last_hidden_state if layers == -1 else _select_layers(outputs.hidden_states, layers)
    if shift is not None:
        states = shift.to_left(states)
        # A layer that was not asked for is None.
        hidden_states = hidden_states and tuple(
            state if state is None else shift.to_left(state) for state in hidden_states
        )
        attentions = attentions and tuple(shift.to_left(shift.to_left(a, dim=2), dim=3) for a in attentions)
    return BackboneStates(states, hidden_states, attentions)


class _LeftPadding:
    """Rolls each row of a batch by the number of padded positions before its first token, and back."""

    def __init__(self, mask: Tensor):
        padded = (mask.cumsum(dim=1) == 0).sum(dim=1, keepdim=True)  # (B, 1)
        positions = torch.arange(mask.shape[1], device=mask.device)  # (L,)
        self._right = (positions + padded) % mask.shape[1]  # (B, L)
        self._left = (positions - padded) % mask.shape[1]  # (B, L)

    def to_right(self, tensor: Tensor) -> Tensor:
        return self._take(tensor, self._right, dim=1)

    def to_left(self, tensor: Tensor, dim: int = 1) -> Tensor:
        return self._take(tensor, self._left, dim)

    @staticmethod
    def _take(tensor: Tensor, index: Tensor, dim: int) -> Tensor:
        shape = [1] * tensor.dim()
        shape[0], shape[dim] = index.shape
        return torch.take_along_dim(tensor, index.to(tensor.device).view(shape), dim=dim)


def _select_layers(hidden_states: tuple[Tensor, ...], layers: int | list[int]) -> Tensor:
    for layer in [layers] if isinstance(layers, int) else layers:
        if not -len(hidden_states) <= layer < len(hidden_states):
            raise ValueError(
                f"backbone_layers={layers}: the backbone has hidden states 0 (its embeddings) to "
                f"{len(hidden_states) - 1}, or -{len(hidden_states)} to -1 from the end"
            )
    if isinstance(layers, int):
        return hidden_states[layers]
    return torch.stack([hidden_states[layer] for layer in layers], dim=2)  # (B, L, n, d)


def has_optional_pooler(model_class: type | tuple) -> bool:
    """Whether models of this class can be built without the pooler, which a head never reads."""
    return isinstance(model_class, type) and "add_pooling_layer" in inspect.signature(model_class).parameters
