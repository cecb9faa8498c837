# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Hidden states instead of text: a frozen backbone is run once, and heads are trained on what it said."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerBase
from transformers.utils import logging

from ..backbone_glot import run_backbone


@torch.no_grad()
def compute_hidden_states(
    backbone: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    texts: list[str],
    layers: int | list[int] = -1,
    batch_size: int = 64,
    show_progress: bool = False,
) -> list[Tensor]:
    """
    The states of the valid tokens of each text, in the order of the texts.

    Returns:
        `list[Tensor]`: for each text `(L, d)`, on the CPU and in the backbone's dtype; `(L, n, d)` with n `layers`.
    """
    states: list[Tensor] = []
    for start in logging.tqdm(range(0, len(texts), batch_size), desc="Hidden states", disable=not show_progress):
        batch = tokenizer(texts[start : start + batch_size], padding=True, truncation=True, return_tensors="pt")
        batch = batch.to(backbone.device)
        run = run_backbone(backbone, dict(batch), layers)
        mask = batch["attention_mask"].bool()
        states.extend(state[valid].cpu() for state, valid in zip(run.states, mask))
    return states


class HiddenStateCollator:
    """Pads rows of `{"hidden_states": (L, d), "labels"}` to `(B, L, d)`, with the `attention_mask` `(B, L)`."""

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        states = [row["hidden_states"] for row in rows]
        batch = {
            "hidden_states": pad_sequence(states, batch_first=True),
            "attention_mask": pad_sequence([torch.ones(len(state), dtype=torch.long) for state in states], True),
        }
        if "labels" in rows[0]:
            batch["labels"] = torch.tensor([row["labels"] for row in rows])
        return batch
