# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""A backbone that trains together with its head: all of it, or LoRA adapters on its linear layers."""

import copy
import json
import os
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers.pytorch_utils import Conv1D

from ..loading.saved_head import ADAPTER_CONFIG, BASE_FOLDER
from ..model.backbone_glot import has_adapters
from ..model.modeling_glot import GlotForSequenceClassification
from ..model.pretrained_glot import GlotPreTrainedModel
from ..system.errors import InputError, user_errors


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
    """Let all of the backbone train from now on, and be saved with the head."""
    model.base_model.backbone.requires_grad_(True)
    model.config.backbone_in_checkpoint = True
    model.train()


def require_no_adapters(model: GlotPreTrainedModel) -> None:
    """
    Raises:
        InputError: the backbone, which is to be trained, has adapters already.
    """
    if has_adapters(model.base_model.backbone):
        raise InputError(
            "the backbone has adapters already: merge them into it (peft's merge_and_unload) before it is trained"
        )


def save_base(network: PeftModel, folder: str | os.PathLike) -> None:
    """Write the model that the adapters in `folder` are of, without its backbone; their configuration names it."""
    base = os.path.abspath(os.path.join(folder, BASE_FOLDER))
    config: Any = network.get_base_model().config
    with torch.random.fork_rng(devices=[]):  # training goes on as if nothing had been saved
        torch.manual_seed(0)  # so that a run writes the same files again
        GlotForSequenceClassification(copy.deepcopy(config)).save_pretrained(base)
    network.peft_config["default"].base_model_name_or_path = base
    config.name_or_path = config.backbone_name_or_path  # the base model of peft's model card


def add_adapters(model: GlotPreTrainedModel, config: LoraConfig) -> PeftModel:
    """
    Return the model with LoRA adapters on its backbone, which train beside the head.

    Args:
        config (`LoraConfig`): see [`lora_config`].

    Raises:
        InputError: the backbone has no layer of a name in `target_modules`.
    """
    backbone: Any = model.base_model.backbone
    named = config.target_modules if isinstance(config.target_modules, (list, set)) else ()
    for target in sorted(named):  # peft finds it enough that one of them is there
        if not any(f".{name}".endswith(f".{target}") for name, _ in backbone.named_modules()):
            layers = (name for name, part in backbone.named_modules() if isinstance(part, (nn.Linear, Conv1D)))
            linear = {name.rpartition(".")[2] for name in layers}
            raise InputError(
                f"--lora_target_modules: the backbone has no layer {target!r}: its linear layers are "
                f"{', '.join(sorted(linear))}"
            )
    with user_errors():
        return get_peft_model(model, config)


def describe_training(head: int, trained: int, frozen: int) -> str:
    """Say what trains, from the numbers of parameters: of the head, and of the backbone trained and frozen."""
    if head + trained == 0:
        return "trains no parameters: this pooling has none"
    if trained == 0:
        return f"trains {head:,} head parameters on {frozen:,} frozen backbone parameters ({head / frozen:.2%})"
    if frozen == 0:
        what = f"trains {head:,} head and {trained:,} backbone parameters"
    else:
        share = (head + trained) / frozen
        what = f"trains {head:,} head and {trained:,} LoRA parameters on {frozen:,} frozen ones ({share:.2%})"
    return f"{what}; no cache, as hidden states change in every step"


def find_head_config(network: nn.Module, checkpoint: str) -> str:
    """
    Return the folder with the configuration of the head that a checkpoint is of.

    Raises:
        InputError: the checkpoint has LoRA adapters and the network has none, or others, or the other way round.
    """
    if not os.path.isfile(os.path.join(checkpoint, ADAPTER_CONFIG)):
        if isinstance(network, PeftModel):
            raise InputError(f"{checkpoint!r} is of a run without LoRA: resume without --lora_r, or start anew")
        return checkpoint
    if not isinstance(network, PeftModel):
        raise InputError(f"{checkpoint!r} is of a run with LoRA: resume with the --lora_r it was trained with")
    stored, wanted = LoraConfig.from_pretrained(checkpoint), network.peft_config["default"]
    for name in ("r", "lora_alpha", "lora_dropout", "target_modules"):
        if getattr(stored, name) != getattr(wanted, name):
            raise InputError(
                f"{checkpoint!r} is of adapters with another {name} ({getattr(stored, name)}, not "
                f"{getattr(wanted, name)}): resume with the options it was trained with"
            )
    return os.path.join(checkpoint, BASE_FOLDER)


def save_trained(network: Any, folder: str, home: str, merge: bool = False) -> nn.Module:
    """
    Write the head; head and adapters; or, where the backbone was trained or adapters are merged, the whole model.

    Args:
        merge (`bool`): merge the adapters into the backbone.
        home (`str`): the folder that the files will be moved to.

    Returns:
        What was written.
    """
    if merge:
        network = network.merge_and_unload()
        network.config.backbone_in_checkpoint = True
    if not isinstance(network, PeftModel):
        network.save_pretrained(folder)
        return network
    save_base(network, folder)
    network.save_pretrained(folder)
    base = network.peft_config["default"].base_model_name_or_path = os.path.abspath(os.path.join(home, BASE_FOLDER))
    path = Path(folder, ADAPTER_CONFIG)
    config = json.loads(path.read_text(encoding="utf-8")) | {"base_model_name_or_path": base}
    if isinstance(config.get("target_modules"), list):  # a set, which peft writes in the order of its hashes
        config["target_modules"].sort()
    path.write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")
    return network
