# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What makes the sentence vectors of a command: a saved head, or a backbone and a pooling without parameters."""

from dataclasses import dataclass
from typing import Any, Literal

from ..system.errors import InputError
from ..system.options import option
from .arguments import BackboneArguments, parse_load_kwargs


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
        None, "What pools the states of a --backbone without a head; default: mean."
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

    @property
    def source(self) -> dict[str, Any]:
        """The keywords of [`~glot_hf.loading.encoder.load_encoder`]."""
        return {
            "head": self.model,
            "backbone": self.backbone,
            "revision": self.backbone_revision,
            "pooling": self.pooling or "mean",
            "load_kwargs": (parse_load_kwargs(self.backbone_load_kwargs) or {}) | self.trust,
            "max_length": self.max_length,
        }
