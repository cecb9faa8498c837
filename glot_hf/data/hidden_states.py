# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Hidden states instead of text: a frozen backbone is run once, and heads are trained on what it said."""

from typing import Any

import torch
from datasets import Dataset
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
    max_length: int | None = None,
    batch_size: int = 32,
    show_progress: bool = False,
) -> list[Tensor]:
    """
    The states of the valid tokens of each text, in the order of the texts.

    Args:
        max_length (`int`, *optional*): longer texts are cut; default `tokenizer.model_max_length`.

    Returns:
        `list[Tensor]`: for each text `(L, d)`, on the CPU and in the backbone's dtype; `(L, n, d)` with n `layers`.
    """
    states: list[Tensor] = [torch.empty(0)] * len(texts)
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))  # texts of a length together: less padding
    for start in logging.tqdm(range(0, len(order), batch_size), desc="Hidden states", disable=not show_progress):
        indices = order[start : start + batch_size]
        batch = tokenizer(
            [texts[index] for index in indices],
            padding=True,
            truncation=True,
            max_length=max_length,
            return_tensors="pt",
        ).to(backbone.device)
        run = run_backbone(backbone, dict(batch), layers)
        mask = batch["attention_mask"].bool()
        for index, state, valid in zip(indices, run.states, mask):
            states[index] = state[valid].cpu()
    return states


def state_rows(
    backbone: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, examples: Dataset, **options
) -> list[dict[str, Any]]:
    """
    Examples (`text`, `text_pair` where there are pairs, `labels`) as rows of hidden states and `labels`.

    Args:
        options: of [`compute_hidden_states`].

    Returns:
        `list[dict]`: `{"hidden_states": (L, d), ["hidden_states_b": (L', d)], "labels"}`, in their order.
    """
    columns = {"hidden_states": compute_hidden_states(backbone, tokenizer, examples["text"][:], **options)}
    if "text_pair" in examples.column_names:
        columns["hidden_states_b"] = compute_hidden_states(backbone, tokenizer, examples["text_pair"][:], **options)
    columns["labels"] = examples["labels"][:]
    return [dict(zip(columns, row)) for row in zip(*columns.values())]


class HiddenStateCollator:
    """
    Pads rows of `{"hidden_states": (L, d), ["hidden_states_b": (L', d)], "labels"}` to `(B, L, d)`, with the
    `attention_mask` `(B, L)`, and the same with `_b` for the second texts of pairs.
    """

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        batch = {}
        for suffix in ("", "_b"):
            if f"hidden_states{suffix}" in rows[0]:
                states = [row[f"hidden_states{suffix}"] for row in rows]
                lengths = torch.tensor([len(state) for state in states])
                batch[f"hidden_states{suffix}"] = pad_sequence(states, batch_first=True)  # (B, L, d)
                batch[f"attention_mask{suffix}"] = (torch.arange(lengths.max()) < lengths[:, None]).long()  # (B, L)
        if "labels" in rows[0]:
            batch["labels"] = torch.tensor([row["labels"] for row in rows])
        return batch
