# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The frozen backbone: find it, load it, build it, run it the same way on either padding side."""

import inspect
import os
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.utils import cached_file, find_adapter_config_file
from transformers.utils.hub import extract_commit_hash

from .backbone_forward_glot import BackboneStates, forward_backbone, forward_parameters
from .configuration_glot import GlotConfig, hidden_size_of
from .padding_glot import EqualLengths, LeftPadding
from .text_encoder_glot import refuse_other_inputs, text_encoder


# Padding reaches the tokens of these in spite of the mask: by a convolution, by what is pooled from neighbours, or by
# landmarks and buckets that are laid over the whole row.
_SEES_PADDING = {"canine", "convbert", "funnel", "mra", "nystromformer", "yoso"}


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
        found = cached_file(name_or_path, gguf_file or "config.json", revision=revision, **hub_kwargs)
        if found is None:  # a peft adapter is there without a model's configuration
            found = cached_file(name_or_path, "adapter_config.json", revision=revision, **hub_kwargs)
    except (OSError, ValueError):
        return revision  # loading the weights comes next and reports what is wrong
    return extract_commit_hash(found, None) or revision


def load_backbone(name_or_path: str, revision: str | None = None, **kwargs) -> PreTrainedModel:
    """
    `AutoModel.from_pretrained`, with the parts that a head does not read left out.

    Code of its repository is run only if `trust_remote_code=True` is among the `kwargs`; without it nobody is asked.

    Raises:
        OSError: the backbone cannot be found or loaded.
        ValueError: it does not read text; where its configuration says so, its weights are not downloaded.
    """
    trusted = bool(kwargs.pop("trust_remote_code", False))  # for None, transformers would ask
    _refuse_by_configuration(name_or_path, revision, trusted, kwargs)
    try:
        where = {key: kwargs[key] for key in ("cache_dir", "local_files_only", "token") if key in kwargs}
        if revision and find_adapter_config_file(name_or_path, revision=revision, **where):
            # The revision is the adapter's, and AutoModel would look for it in the base's repository.
            kwargs["adapter_kwargs"], revision = {"revision": revision}, None
        kwargs |= {"revision": revision} if revision else {}
        backbone = AutoModel.from_pretrained(name_or_path, trust_remote_code=trusted, **kwargs)
    except (OSError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise OSError(
            f"The backbone {name_or_path!r} cannot be loaded ({reason}). Name a repository or a folder that holds "
            "one, or pass a loaded model as `backbone`; one with code of its own, if you trust it, also needs "
            "backbone_kwargs={'trust_remote_code': True} (on the command line --trust_remote_code)"
        ) from error
    backbone = text_encoder(backbone)
    if has_optional_pooler(type(backbone)):
        backbone.pooler = None
    return backbone


def _refuse_by_configuration(name_or_path: str, revision: str | None, trusted: bool, kwargs: dict[str, Any]) -> None:
    """Before gigabytes are downloaded, what can be told without."""
    if "gguf_file" in kwargs:
        return  # always of a language model, and its configuration is in the large file
    keys = ("cache_dir", "code_revision", "local_files_only", "subfolder", "token")
    where = {key: kwargs[key] for key in keys if key in kwargs}
    try:
        config = kwargs.get("config") or AutoConfig.from_pretrained(
            name_or_path, revision=revision, trust_remote_code=trusted, **where
        )
    except (OSError, ValueError):
        return  # loading the weights comes next and reports what is wrong
    refuse_other_inputs(config)


def build_backbone(config: PreTrainedConfig) -> PreTrainedModel:
    """A backbone with random weights, ready for those of a checkpoint. Never runs code from a repository."""
    config.name_or_path = ""  # where its weights were once from, which may have been trained since
    # BERT's own pooler would never get a gradient, which DistributedDataParallel does not forgive.
    optional = {"add_pooling_layer": False} if has_optional_pooler(AutoModel._model_mapping[type(config)]) else {}
    return text_encoder(AutoModel.from_config(config, trust_remote_code=False, **optional))


def require_fit(config: GlotConfig, backbone_config: PreTrainedConfig, mend: str) -> None:
    """
    Raises:
        ValueError: the backbone's architecture, depth or hidden size is not what the head was made for; ends with what
            to do about it.
    """
    expected, found = config.get_text_config(), backbone_config.get_text_config()
    size = hidden_size_of(found)
    depths = [getattr(each, "num_hidden_layers", None) for each in (expected, found)]
    if config.backbone_config is not None and expected.model_type != found.model_type:
        misfit = f"was made for a backbone of type {expected.model_type!r}, not {found.model_type!r}"
    elif size is not None and size != config.input_size:
        misfit = f"takes hidden states of size {config.input_size}, but the backbone's are of size {size}"
    elif None not in depths and depths[0] != depths[1]:
        misfit = f"was made for a backbone of {depths[0]} layers, not {depths[1]}"
    else:
        return
    raise ValueError(f"This head {misfit}: {mend}")


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


def device_of(backbone: nn.Module) -> torch.device:
    """Where its inputs go: the device of its first parameter, but of one that is offloaded, which lies nowhere."""
    devices = (parameter.device for parameter in backbone.parameters())
    return next((device for device in devices if device.type != "meta"), torch.device("cpu"))


def run_backbone(
    backbone: nn.Module,
    inputs: dict[str, Tensor | None],
    layers: int | list[int] = -1,
    output_hidden_states: bool | list[int] = False,
    output_attentions: bool = False,
) -> BackboneStates:
    """
    Token states of the `layers` of a backbone.

    A text's states are those that it has alone. Where no `position_ids` are given, left-padded rows are shifted to
    right padding on the way in and back on the way out: absolute positions then start at a row's first token, as they
    do without padding. A backbone that takes no attention mask, or does not keep to it, is run on rows of equal
    length, one length after the other and without padding, where its states are zeros. Gradients are recorded where
    something asks for them: of a frozen backbone only inputs can, such as `inputs_embeds` of an attribution method.

    Args:
        inputs: `input_ids` or `inputs_embeds`, `attention_mask`, `token_type_ids`, `position_ids`; None is left out.

    Raises:
        ValueError: the backbone does not have one of the `layers`, or does not return what is asked for.
    """
    inputs = {name: tensor for name, tensor in inputs.items() if tensor is not None}
    if "attention_mask" not in inputs:
        return forward_backbone(backbone, inputs, layers, output_hidden_states, output_attentions)
    run = _run_without_padding if sees_padding(backbone) else _run_padded_on_the_right
    return run(backbone, inputs, layers, output_hidden_states, output_attentions)


def sees_padding(backbone: nn.Module) -> bool:
    """Whether padding changes the states of tokens: there is no attention mask, or it does not keep padding out."""
    return backbone.config.model_type in _SEES_PADDING or "attention_mask" not in forward_parameters(backbone)


def _run_padded_on_the_right(backbone: nn.Module, inputs: dict[str, Tensor], *wanted) -> BackboneStates:
    mask = inputs["attention_mask"]
    can_shift = mask.dim() == 2 and "position_ids" not in inputs
    # When traced, always: a branch on data cannot be exported.
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
    backbone: nn.Module,
    inputs: dict[str, Tensor],
    layers: int | list[int],
    output_hidden_states: bool | list[int],
    output_attentions: bool,
) -> BackboneStates:
    inputs = dict(inputs)
    mask = inputs.pop("attention_mask")
    if mask.all():
        return forward_backbone(backbone, inputs, layers, output_hidden_states, output_attentions)
    if output_attentions:
        raise ValueError(
            f"a {backbone.config.model_type!r} backbone, which sees padding, is run on texts of one length at a time: "
            "pass no padding to get its attentions"
        )
    states = hidden_states = None
    for group in EqualLengths.groups(mask):
        rows = {name: group.take(tensor) for name, tensor in inputs.items()}
        run = forward_backbone(backbone, rows, layers, output_hidden_states)
        states = group.put(run.states, states)
        if run.hidden_states is not None:
            others = hidden_states or [None] * len(run.hidden_states)
            hidden_states = tuple(
                state if state is None else group.put(state, among) for state, among in zip(run.hidden_states, others)
            )
    return BackboneStates(states, hidden_states, None)


def _each(function: Callable[[Tensor], Tensor], tensors: tuple[Tensor, ...] | None) -> tuple[Tensor, ...] | None:
    # A layer that was not asked for is None.
    return tensors and tuple(tensor if tensor is None else function(tensor) for tensor in tensors)


def has_optional_pooler(model_class: type | tuple) -> bool:
    """Whether models of this class can be built without the pooler, which a head never reads."""
    return isinstance(model_class, type) and "add_pooling_layer" in inspect.signature(model_class).parameters
