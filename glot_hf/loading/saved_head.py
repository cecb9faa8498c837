# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What the files of a saved head are called, and which kind of model they are."""

import json
import os
from pathlib import Path

from ..model.configuration_glot import GlotConfig
from ..model.modeling_glot import GlotForSequenceClassification, GlotModel
from ..model.pretrained_glot import GlotPreTrainedModel
from ..system.errors import InputError


# Adapters have this folder beside them: the head's configuration, and weights that the adapters replace.
BASE_FOLDER = "base"
ADAPTER_CONFIG = "adapter_config.json"
# The weights in a folder, and what else says of which kind they are.
WEIGHTS = ("config.json", "model*.safetensors*", ADAPTER_CONFIG, "adapter_model.safetensors", BASE_FOLDER)


def saved_class(config: GlotConfig, name: str) -> type[GlotPreTrainedModel]:
    """
    Args:
        config ([`GlotConfig`]): of the saved head.
        name (`str`): its folder or repository, for the message.

    Raises:
        InputError: it is neither a [`GlotModel`] nor its classifier.
    """
    for model_class in (GlotForSequenceClassification, GlotModel):
        if model_class.__name__ in (config.architectures or ()):
            return model_class
    raise InputError(f"{name!r} is of {config.architectures}, not of a GlotModel or its classifier")


def forget_code(folder: str | os.PathLike) -> None:
    """
    Delete the code that travels with a head, and what names it, from a folder that stays on this machine: glot_hf
    loads the head without.
    """
    for path in (each for place in (folder, Path(folder, BASE_FOLDER)) for each in Path(place).glob("*_glot.py")):
        path.unlink()
    for path in (Path(folder, "config.json"), Path(folder, BASE_FOLDER, "config.json")):
        if path.is_file():
            config = json.loads(path.read_text(encoding="utf-8"))
            config.pop("auto_map", None)
            path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
