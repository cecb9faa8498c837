# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Between a tokenizer and a backbone: how many tokens a text may have, and how texts are padded to a batch."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerBase
from transformers.tokenization_utils_base import LARGE_INTEGER


# What configurations call the number of positions. T5's n_positions is none: its positions are relative.
_NUM_POSITIONS = ("max_position_embeddings", "max_encoder_position_embeddings", "max_seq_len")


def longest_text(tokenizer: PreTrainedTokenizerBase, backbone: nn.Module) -> int | None:
    """Return how many tokens of a text both tokenizer and backbone can take; None where neither has a limit."""
    longest = min(tokenizer.model_max_length, longest_input(backbone) or LARGE_INTEGER)
    return int(longest) if longest < LARGE_INTEGER else None


def longest_input(backbone: nn.Module) -> int | None:
    """Return how many tokens a backbone can take; None where its configuration says no limit."""
    config = backbone.config.get_text_config()
    found = [getattr(config, name, None) for name in _NUM_POSITIONS]
    limits = [limit for limit in found if isinstance(limit, int) and limit > 0]  # XLNet, without a limit, says -1
    for name, module in backbone.named_modules():
        padding = getattr(module, "padding_idx", None)
        if name.rpartition(".")[2] == "position_embeddings" and padding is not None:
            # RoBERTa and its kin number positions from the one after the padding's.
            limits.append(len(module.weight) - padding - 1)
    return min(limits, default=None)


def pad_tokens(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[Mapping[str, list[int]]], padding_side: str | None = None
) -> dict[str, Tensor]:
    """
    Pad tokenized texts to the longest. Without a padding token, they are padded with token 0: any serves, as the
    attention mask hides it.

    Args:
        rows: `input_ids`, `attention_mask` and the like of each text.
        padding_side (`str`, *optional*): "left" or "right"; default: the tokenizer's.

    Returns:
        `dict[str, Tensor]`: by the names in the rows, each `(B, L)`, int64.
    """
    fill = {"input_ids": tokenizer.pad_token_id or 0, "token_type_ids": tokenizer.pad_token_type_id}
    return {
        name: pad_sequence(
            [torch.tensor(row[name], dtype=torch.long) for row in rows],
            batch_first=True,
            padding_value=fill.get(name, 0),
            padding_side=padding_side or tokenizer.padding_side,
        )
        for name in rows[0]
    }
