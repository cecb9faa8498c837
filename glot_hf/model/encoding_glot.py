# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Encode texts as sentence vectors: how many tokens a text may have, which texts make a batch, and `encode`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.tokenization_utils_base import LARGE_INTEGER
from transformers.utils import logging

from .backbone_glot import device_of
from .backbone_holder_glot import NO_BACKBONE
from .finite_glot import require_finite


# Tokens are Python lists until their batch is due, so only so many texts are tokenized ahead.
_TEXTS_TOKENIZED_AT_ONCE = 8192
_TOKENS_A_BATCH = {"cpu": 1024, "accelerator": 16_384}  # on a CPU, the activations of more would not fit its caches

# Names of the number of positions in configurations. T5's n_positions is not one: its positions are relative.
_NUM_POSITIONS = ("max_position_embeddings", "max_encoder_position_embeddings", "max_seq_len")


def longest_text(tokenizer: PreTrainedTokenizerBase, backbone: PreTrainedModel) -> int | None:
    """Return how many tokens of a text both tokenizer and backbone can take; None where neither has a limit."""
    longest = min(tokenizer.model_max_length, longest_input(backbone) or LARGE_INTEGER)
    return int(longest) if longest < LARGE_INTEGER else None


def longest_input(backbone: PreTrainedModel) -> int | None:
    """Return how many tokens a backbone can take; None where its configuration sets no limit."""
    config = backbone.config.get_text_config()
    found = [getattr(config, name, None) for name in _NUM_POSITIONS]
    limits = [limit for limit in found if isinstance(limit, int) and limit > 0]  # XLNet, without a limit, says -1
    module: Any
    for name, module in backbone.named_modules():
        padding = getattr(module, "padding_idx", None)
        if name.rpartition(".")[2] == "position_embeddings" and padding is not None:
            # RoBERTa and models like it number positions from the one after the padding token's.
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


def batches_by_length(lengths: list[int], max_tokens: int, batch_size: int | None = None) -> Iterator[list[int]]:
    """Yield indices of texts, the longest first: `batch_size`, or as many as padded have at most `max_tokens`."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    start = 0
    while start < len(order):
        size = batch_size or max(1, max_tokens // max(1, lengths[order[start]]))
        yield order[start : start + size]
        start += size


@torch.no_grad()
def encode(
    model: Any,  # a GlotPreTrainedModel
    sentences: list[str],
    tokenizer: PreTrainedTokenizerBase,
    batch_size: int | None = None,
    max_length: int | None = None,
    show_progress: bool = False,
) -> Tensor:
    """Return the sentence vectors of texts: see `GlotPreTrainedModel.encode`."""
    if isinstance(sentences, str):
        raise TypeError("encode takes a list of texts: pass [text] for one text")
    base, last = model.base_model, model.last_projection()
    if base.backbone is None:
        raise ValueError(NO_BACKBONE)
    device = device_of(base.backbone)
    max_tokens = _TOKENS_A_BATCH["cpu" if device.type == "cpu" else "accelerator"]
    max_length = longest_text(tokenizer, base.backbone) if max_length is None else max_length
    vectors = torch.empty(len(sentences), model.config.hidden_size)
    was_training = model.training
    model.eval()
    try:
        with logging.tqdm(total=len(sentences), desc="Encoding", disable=not show_progress) as progress:
            for start in range(0, len(sentences), _TEXTS_TOKENIZED_AT_ONCE):
                tokens = tokenizer(
                    sentences[start : start + _TEXTS_TOKENIZED_AT_ONCE],
                    truncation=max_length is not None,
                    max_length=max_length,
                )
                lengths = [len(ids) for ids in tokens["input_ids"]]
                for indices in batches_by_length(lengths, max_tokens, batch_size):
                    rows = [{name: tokens[name][index] for name in tokens} for index in indices]
                    batch = {name: ids.to(device) for name, ids in pad_tokens(tokenizer, rows).items()}
                    places = [start + index for index in indices]
                    pooled = base(**batch, return_dict=True).pooler_output
                    pooled = pooled if last is None else last(pooled.to(last.weight))
                    vectors[places] = pooled.float().cpu()
                    progress.update(len(indices))
    finally:
        model.train(was_training)
    require_finite(model, vectors, sentences)
    return vectors
