# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What makes the sentence vectors of a command: a saved head, or a backbone and a pooling without parameters."""

from dataclasses import dataclass
from typing import Any, Literal

from ..system.errors import InputError, user_errors
from ..system.options import option
from .arguments import BackboneArguments, parse_load_kwargs
from .backbone import set_max_length
from .head import load_head, new_head


@dataclass
class EncoderArguments(BackboneArguments):
    """
    What makes the vectors: `--model`, or `--backbone` with `--pooling`.

    Raises:
        InputError: not exactly one of model and backbone is named, an option is about the other, or trust is asked for
            in another way than by its own option.
    """

    model: str | None = option(None, "Folder or repository of a head, whose backbone comes with it.")
    pooling: Literal["mean", "max", "cls", "last", "weighted_mean"] | None = option(
        None, "Of --backbone alone, without a head; default: mean."
    )
    backbone_load_kwargs: str | None = option(
        None, 'JSON for loading the backbone, such as \'{"dtype": "bfloat16"}\'.'
    )
    max_length: int | None = option(
        None, "Longer texts are cut at this many tokens; default: as in training, or what fits."
    )

    def __post_init__(self):
        if (self.model is None) == (self.backbone is None):
            raise InputError("name what makes the vectors: either --model, or --backbone")
        if self.model is not None and (self.pooling or self.backbone_revision):
            raise InputError("--pooling and --backbone_revision are about a --backbone alone: a --model has its own")
        # `glot-hf search` reads these options again from the record beside vectors, which must give no trust.
        if "trust_remote_code" in (parse_load_kwargs(self.backbone_load_kwargs) or {}):
            raise InputError("--backbone_load_kwargs gives no trust: use --trust_remote_code, each time")


def load_encoder(arguments: EncoderArguments) -> tuple[Any, Any]:
    """
    A model with its backbone, on the accelerator if there is one, and the tokenizer, which cuts at the max_length.

    Raises:
        InputError: it cannot be loaded.
    """
    import torch
    from safetensors import SafetensorError

    from ..model.backbone_glot import device_of
    from ..model.late_glot import NO_VECTORS
    from ..model.modeling_glot import GlotModel

    kwargs = parse_load_kwargs(arguments.backbone_load_kwargs) or {}
    with user_errors(RuntimeError, SafetensorError):
        if arguments.model is None:
            model, tokenizer = new_head(GlotModel, arguments, kwargs, pooling=arguments.pooling or "mean")
        else:
            model, tokenizer = load_head(arguments.model, kwargs | arguments.trust)
        backbone = model.base_model.backbone
        if backbone is None:
            raise InputError(f"the head in {arguments.model!r} names no backbone, so it cannot read text")
        if model.config.compares_tokens:
            raise InputError(NO_VECTORS)
        if torch.accelerator.is_available() and device_of(backbone).type == "cpu":
            model.to(torch.accelerator.current_accelerator())
        if arguments.max_length is not None:
            set_max_length(tokenizer, arguments.max_length, backbone)
        return model, tokenizer
