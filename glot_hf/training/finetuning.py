# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""A backbone that trains together with its head: all of it, or LoRA adapters on its linear layers."""

import copy
import os
from typing import Any

import torch
from peft import LoraConfig, PeftModel

from ..model.modeling_glot import GlotForSequenceClassification
from ..model.pretrained_glot import GlotPreTrainedModel


BASE_FOLDER = "base"  # of adapters, in their folder: the head's configuration, and weights that the adapters replace
ADAPTER_CONFIG = "adapter_config.json"
# Of the weights in a folder, and what else says of which kind they are.
WEIGHTS = ("config.json", "model*.safetensors*", ADAPTER_CONFIG, "adapter_model.safetensors", BASE_FOLDER)


def lora_config(
    r: int, alpha: int | None = None, dropout: float = 0.0, target_modules: str | list[str] = "all-linear"
) -> LoraConfig:
    """
    LoRA on the backbone of a [`GlotForSequenceClassification`], for `peft.get_peft_model`. The head is trained and
    saved whole, beside the adapters.

    Args:
        r (`int`): rank of the adapters.
        alpha (`int`, *optional*): they are scaled by `alpha / r`; default `2 * r`, so that one learning rate suits
            every rank.
        dropout (`float`): before the adapters, in training.
        target_modules (`str` or `list[str]`): names of layers, as peft takes them; those of the head never match.

    Raises:
        ValueError: `r` is not positive.
    """
    return LoraConfig(
        task_type="SEQ_CLS",  # brings `classifier` into modules_to_save
        r=r,
        lora_alpha=2 * r if alpha is None else alpha,
        lora_dropout=dropout,
        target_modules=target_modules,
        modules_to_save=["glot.head", "similarity_projection", "late"],
    )


def unfreeze_backbone(model: GlotPreTrainedModel) -> None:
    """All of the backbone trains from now on, and is saved with the head."""
    model.base_model.backbone.requires_grad_(True)
    model.config.backbone_in_checkpoint = True
    model.train()


def save_base(network: PeftModel, folder: str | os.PathLike) -> None:
    """Write the model that the adapters in `folder` are of, without its backbone; their configuration names it."""
    base = os.path.abspath(os.path.join(folder, BASE_FOLDER))
    config: Any = network.get_base_model().config
    with torch.random.fork_rng(devices=[]):  # training goes on as if nothing had been saved
        torch.manual_seed(0)  # so that a run writes the same files again
        GlotForSequenceClassification(copy.deepcopy(config)).save_pretrained(base)
    network.peft_config["default"].base_model_name_or_path = base
    config.name_or_path = config.backbone_name_or_path  # the base model of peft's model card
