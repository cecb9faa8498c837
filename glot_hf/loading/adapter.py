# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Adapters that were trained with a head: by `glot-hf train --lora_r`, or by peft in Python."""

import json
import os
import warnings
from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers.utils import find_adapter_config_file

from ..system.errors import InputError
from .saved_head import ADAPTER_CONFIG, BASE_FOLDER


def base_of_adapter(name: str) -> str | None:
    """
    Return the folder or repository of the head that adapters are of, which `glot-hf train` puts beside them; None of
    what is no adapter.

    Raises:
        InputError: their configuration is damaged, is not of plain LoRA, or names no head.
    """
    try:
        path = find_adapter_config_file(name)
    except (OSError, ValueError):
        return None  # neither a folder nor the name of a repository, which loading the head says
    if path is None:
        return None
    try:
        stored = json.loads(Path(path).read_text(encoding="utf-8"))
        named = {"peft_type": stored["peft_type"], "megatron_config": stored.get("megatron_config")}
        base = stored.get("base_model_name_or_path")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path!r} is damaged ({error}): train again, or restore the file") from error
    # peft has kinds of adapters that load another model, and ask on standard input whether its code may run.
    for key, loaded in {"peft_type": "LORA", "megatron_config": None}.items():
        if named[key] != loaded:
            raise InputError(f"{path!r} names {key} {named[key]!r}, but only plain LoRA adapters are loaded")
    beside = os.path.join(name, BASE_FOLDER)
    if os.path.isdir(beside):
        return beside
    if not base:
        raise InputError(
            f"the adapters in {name!r} do not say which head they are of: write its folder or repository as "
            "base_model_name_or_path into their adapter_config.json"
        )
    return base


def load_adapter(model: Any, name: str) -> Any:
    """
    Return the head with the adapters of a folder or repository.

    Raises:
        InputError: weights of the adapters, or of the head that was trained with them, are missing, or their
            configuration is damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", ".*Found missing adapter keys")  # peft would leave them random
            # Not model.load_adapter, which would round the adapters to the dtype of the backbone.
            return PeftModel.from_pretrained(model, name).get_base_model().eval()
    except (KeyError, UserWarning) as error:  # of the head's weights, of the adapters'
        raise InputError(f"{name!r} lacks weights ({str(error)[:300]}): get the whole folder again") from error
    except (AttributeError, TypeError) as error:  # peft checks few of the values in adapter_config.json
        raise InputError(
            f"{ADAPTER_CONFIG} of {name!r} holds what peft cannot read ({error}): get the whole folder again"
        ) from error
