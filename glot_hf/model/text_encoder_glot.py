# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Which part of a model makes token states of a text."""

from torch import nn
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel


def text_encoder(model: nn.Module) -> nn.Module:
    """
    The part of a model that makes token states: without its task head, without the decoder if it has both, and of a
    model that also sees or hears, the part that reads text.

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
        # BigBird leaves its sparse attention for good at the first short text, so what it says of a long one would
        # depend on what it has read before.
        model.set_attention_type("original_full")
    return model


def refuse_other_inputs(config: PreTrainedConfig, model_class: type | tuple | None = None) -> None:
    """
    Raises:
        ValueError: a model of this configuration is not one that makes states of a text: told before its weights are
            downloaded.
    """
    model_class = model_class or AutoModel._model_mapping.get(type(config), ())
    for candidate in model_class if isinstance(model_class, tuple) else (model_class,):
        if "text" not in (modalities := _modalities(candidate)):
            raise _not_of_text(config.model_type, modalities)
        if (name := getattr(candidate, "main_input_name", "input_ids")) != "input_ids":
            raise _not_of_text(config.model_type, {name})
    if "lsh" in (getattr(config, "attn_layers", None) or ()):
        raise ValueError(
            f"a {config.model_type!r} model with lsh attention hashes at random, so it says something else of a text "
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
