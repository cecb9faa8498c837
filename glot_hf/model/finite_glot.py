# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Refuse answers that hold NaN or infinity instead of passing them on."""

from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel


def require_finite(model: PreTrainedModel, outputs: Tensor, texts: list[str] | None = None) -> None:
    """
    Refuse logits or vectors that hold NaN or infinity.

    Args:
        model: the GLOT model that gave them: the message says why, as far as its weights tell.
        outputs (`Tensor` of shape `(N, ...)`): one row a text.
        texts (`list[str]`, *optional*): the texts of the rows, for the message.

    Raises:
        ValueError: a row is not finite; names the first such row, counted from 1, its text, the reason and a hint.
    """
    bad = (~outputs.flatten(1).isfinite().all(dim=1)).nonzero()[:, 0].tolist()
    if not bad:
        return
    text = "" if texts is None else f" ({_shorten(texts[bad[0]])!r})"
    others = f", nor those of {len(bad) - 1:,} others of {len(outputs):,}" if len(bad) > 1 else ""
    raise ValueError(f"the numbers of text {bad[0] + 1}{text} are not finite{others}: {_reason(model)}")


def _reason(model: PreTrainedModel) -> str:
    base: Any = model.base_model
    backbone: PreTrainedModel | None = base.backbone
    of_backbone = set() if backbone is None else set(map(id, backbone.parameters()))
    if not all(weight.isfinite().all() for weight in model.parameters() if id(weight) not in of_backbone):
        return "the head's own weights are not finite; train it again with a smaller learning_rate"
    if backbone is not None and backbone.dtype == torch.float16:
        return (
            "some backbones overflow float16, in which this one runs; load it in bfloat16 or float32 "
            '(backbone_kwargs={"dtype": "bfloat16"}, or "dtype" of backbone_load_kwargs in the head\'s config.json)'
        )
    where = "" if backbone is None else f" of its backbone, which runs in {backbone.dtype}"
    return f"check the weights{where}, and what is passed to the head"


def _shorten(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else f"{text[:limit]}..."
