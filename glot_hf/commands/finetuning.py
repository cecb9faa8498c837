# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""A backbone that trains too: from options to the network that Trainer trains, and from that to files."""

import json
import os
from pathlib import Path
from typing import Any

from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers.pytorch_utils import Conv1D

from ..model.backbone_glot import has_adapters
from ..model.modeling_glot import GlotForSequenceClassification
from ..system.errors import InputError, user_errors
from ..training.finetuning import ADAPTER_CONFIG, BASE_FOLDER, lora_config, save_base, unfreeze_backbone
from ..training.trainer import ParameterCount
from .arguments import FinetuningArguments


def unfreeze(model: GlotForSequenceClassification, arguments: FinetuningArguments) -> nn.Module:
    """
    The network to train: the model with all of its backbone or none of it unfrozen, or a `PeftModel` around it.

    Raises:
        InputError: the backbone has no layer of a name in `--lora_target_modules`, or has adapters already.
    """
    backbone: Any = model.glot.backbone
    if arguments.trains_backbone and has_adapters(backbone):
        raise InputError(
            "the backbone has adapters already: merge them into it (peft's merge_and_unload) before it is trained"
        )
    if arguments.full_finetuning:
        unfreeze_backbone(model)
    if arguments.lora_r is None:
        return model
    config = lora_config(
        arguments.lora_r,
        arguments.lora_alpha,
        arguments.lora_dropout or 0.0,
        arguments.lora_target_modules or "all-linear",
    )
    for target in arguments.lora_target_modules or ():  # peft finds it enough that one of them is there
        if not any(f".{name}".endswith(f".{target}") for name, _ in backbone.named_modules()):
            layers = (name for name, part in backbone.named_modules() if isinstance(part, (nn.Linear, Conv1D)))
            linear = {name.rpartition(".")[2] for name in layers}
            raise InputError(
                f"--lora_target_modules: the backbone has no layer {target!r}: its linear layers are "
                f"{', '.join(sorted(linear))}"
            )
    with user_errors():
        return get_peft_model(model, config)


def describe_training(count: ParameterCount, arguments: FinetuningArguments) -> str:
    """What trains, and how much of it."""
    head, trained, frozen = count
    if head + trained == 0:
        return "trains no parameters: this pooling has none"
    if arguments.full_finetuning:
        what = f"trains {head:,} head and {trained:,} backbone parameters"
    elif arguments.lora_r is None:
        return f"trains {head:,} head parameters on {frozen:,} frozen backbone parameters ({head / frozen:.2%})"
    else:
        share = (head + trained) / frozen
        what = f"trains {head:,} head and {trained:,} LoRA parameters on {frozen:,} frozen ones ({share:.2%})"
    return f"{what}; no cache, as hidden states change in every step"


def find_head_config(network: nn.Module, checkpoint: str) -> str:
    """
    The folder with the configuration of the head that a checkpoint is of.

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


def save_trained(network: Any, arguments: FinetuningArguments, folder: str, home: str) -> nn.Module:
    """
    Write the head; head and adapters; or, where the backbone was trained or `--lora_merge`d, the whole model.

    Args:
        home (`str`): the folder that the files will be moved to.

    Returns:
        What was written.
    """
    if arguments.lora_merge:
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
    path.write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")
    return network
