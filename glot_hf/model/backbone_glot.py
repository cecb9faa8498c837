# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The frozen backbone: find it, load it or build it, take the part that reads text, check that it fits a head."""

import inspect
import os
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.utils import cached_file, find_adapter_config_file
from transformers.utils.hub import extract_commit_hash

from .configuration_glot import GlotConfig, hidden_size_of


def pin_revision(
    name_or_path: str, revision: str | None = None, gguf_file: str | None = None, **hub_kwargs
) -> str | None:
    """
    Return the commit that `revision` of a repository is now, so that a head finds the weights it was trained on.

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
    Load a backbone by `AutoModel.from_pretrained`, without the parts that a head does not read.

    Code of its repository runs only if `trust_remote_code=True` is among the `kwargs`; without it, nobody is asked.

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
        backbone = AutoModel.from_pretrained(name_or_path, trust_remote_code=trusted, **kwargs)  # nosec B615 # kwargs has it
    except (OSError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise OSError(
            f"The backbone {name_or_path!r} cannot be loaded ({reason}). Name a repository or a folder that holds "
            "one, or pass a loaded model as `backbone`; one with code of its own, if you trust it, also needs "
            "backbone_kwargs={'trust_remote_code': True} (on the command line --trust_remote_code)"
        ) from error
    return without_pooler(text_encoder(backbone))


def _refuse_by_configuration(name_or_path: str, revision: str | None, trusted: bool, kwargs: dict[str, Any]) -> None:
    """Refuse a backbone whose configuration shows that it is no text model, before its gigabytes are downloaded."""
    if "gguf_file" in kwargs:
        return  # always a language model, whose configuration is in the large file
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
    """Build a backbone with random weights, ready for those of a checkpoint. Never runs code from a repository."""
    config.name_or_path = ""  # the weights that it names may have been trained since
    # BERT's own pooler would never get a gradient, which DistributedDataParallel does not forgive.
    optional = {"add_pooling_layer": False} if has_optional_pooler(AutoModel._model_mapping[type(config)]) else {}
    return text_encoder(AutoModel.from_config(config, trust_remote_code=False, **optional))


def require_fit(config: GlotConfig, backbone_config: PreTrainedConfig, hint: str) -> None:
    """
    Refuse a backbone that the head was not made for.

    Raises:
        ValueError: its architecture, depth or hidden size is another one; the message ends with the `hint`.
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
    raise ValueError(f"This head {misfit}: {hint}")


def text_encoder(model: Any) -> PreTrainedModel:
    """
    Return the part of a model that makes token states: the model without its task head, the encoder where it also has
    a decoder, and the part that reads text where it also sees or hears.

    Raises:
        TypeError: this is not a model.
        ValueError: it is a GLOT head, a model that does not read text, or has adapters that are not in its layers.
    """
    if hasattr(model, "get_base_model"):  # a PeftModel, whose adapters are in the layers of the model inside
        if model.active_peft_config.is_prompt_learning:
            kind = model.active_peft_config.peft_type.value
            raise ValueError(f"a backbone cannot have a {kind} adapter: use one in its layers, such as LoRA")
        model = model.get_base_model()
    model_type = getattr(getattr(model, "config", None), "model_type", None)
    if model_type is None:
        raise TypeError(f"a backbone is a repository, a folder or a transformers model, not {type(model).__name__}")
    if model_type == "glot":
        raise ValueError("this is a GLOT head and not a backbone: load it with from_pretrained")
    if isinstance(model, PreTrainedModel):
        refuse_other_inputs(model.config, type(model))
        model = model.base_model
    if getattr(model.config, "is_encoder_decoder", False) and hasattr(model, "get_encoder"):
        model = model.get_encoder()
    if not hasattr(model, "config"):
        raise ValueError(f"the encoder of a {model_type!r} model cannot be run alone: choose another backbone")
    if (modalities := _modalities(model)) != {"text"}:
        part = model.get_decoder() if "text" in modalities else model  # its language_model or text_model
        if part is model:
            raise _not_of_text(model_type, modalities)
        return text_encoder(part)
    if getattr(model, "attention_type", None) == "block_sparse":
        # BigBird leaves its sparse attention for good at the first short text, so the states of a long one would
        # depend on what it has read before.
        model.set_attention_type("original_full")
    return model


def refuse_other_inputs(config: PreTrainedConfig, model_class: type | tuple | None = None) -> None:
    """
    Refuse a model that does not make states of a text, by its configuration: before its weights are downloaded.

    Raises:
        ValueError: names what it reads instead.
    """
    model_class = model_class or AutoModel._model_mapping.get(type(config), ())
    for candidate in model_class if isinstance(model_class, tuple) else (model_class,):
        if "text" not in (modalities := _modalities(candidate)):
            raise _not_of_text(config.model_type, modalities)
        if (name := getattr(candidate, "main_input_name", "input_ids")) != "input_ids":
            raise _not_of_text(config.model_type, {name})
    if "lsh" in (getattr(config, "attn_layers", None) or ()):
        raise ValueError(
            f"a {config.model_type!r} model with lsh attention hashes at random, so its states of a text differ "
            "each time: choose another backbone"
        )


def _modalities(model: nn.Module | type) -> set[str]:
    declared = getattr(model, "input_modalities", "text")
    return {declared} if isinstance(declared, str) else set(declared)


def _not_of_text(model_type: str, inputs: set[str]) -> ValueError:
    return ValueError(
        f"a {model_type!r} model reads {' and '.join(sorted(inputs))}, and no part of it text alone, which is what a "
        "GLOT head is for: choose a text model, such as bert-base-uncased, as the backbone"
    )


def is_trainable(backbone: PreTrainedModel | None) -> bool:
    """Return whether any parameter of the backbone asks for a gradient."""
    return backbone is not None and any(parameter.requires_grad for parameter in backbone.parameters())


def has_adapters(backbone: PreTrainedModel | None) -> bool:
    """Return whether peft has put adapters into the backbone's layers."""
    return backbone is not None and any(hasattr(module, "base_layer") for module in backbone.modules())


def device_of(backbone: PreTrainedModel) -> torch.device:
    """Return where a backbone's inputs go: the device of its first parameter that is not offloaded, else the CPU."""
    devices = (parameter.device for parameter in backbone.parameters())
    return next((device for device in devices if device.type != "meta"), torch.device("cpu"))


def without_pooler(backbone: Any) -> PreTrainedModel:
    """Take the pooler out of a backbone that can be without it, in place, and return the backbone."""
    if has_optional_pooler(type(backbone)):
        backbone.pooler = None
    return backbone


def has_optional_pooler(model_class: type | tuple) -> bool:
    """Return whether models of this class can be built without the pooler, which a head never reads."""
    return isinstance(model_class, type) and "add_pooling_layer" in inspect.signature(model_class).parameters
