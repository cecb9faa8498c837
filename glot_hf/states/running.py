# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Hidden states instead of text: a frozen backbone is run once, and heads are trained on what it said."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..model.backbone_forward_glot import run_backbone
from ..model.configuration_glot import hidden_size_of
from ..model.encoding_glot import batches_by_length, longest_text, pad_tokens
from ..model.options_glot import size_of_features
from .tokens_per_batch import TOKENS_PER_BATCH


if TYPE_CHECKING:  # of an extra that hidden states do not need
    from datasets import Dataset


def run_over_texts(
    backbone: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: list[str],
    layers: int | list[int] = -1,
    max_length: int | None = None,
    tokens_per_batch: int = TOKENS_PER_BATCH,
    token_features: list[str] | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """
    Run a backbone over texts, the longest first, so that memory that does not suffice shows at once.

    Args:
        max_length (`int`, *optional*): longer texts are cut; default: what tokenizer and backbone both take.
        tokens_per_batch (`int`): of texts and padding together; a longer text makes a batch of its own.
        token_features (`list[str]`, *optional*): numbers behind the states of each token, which are then wider.

    Yields:
        `tuple[int, Tensor]`: the position of a text, and the states of its tokens: `(L, d)`, on the CPU and in the
        backbone's dtype; `(L, n, d)` with n `layers`.
    """
    if not texts:
        return
    max_length = longest_text(tokenizer, backbone) if max_length is None else max_length
    encoded = tokenizer(texts, truncation=max_length is not None, max_length=max_length)
    lengths = [len(ids) for ids in encoded["input_ids"]]
    for indices in batches_by_length(lengths, tokens_per_batch):
        if lengths[indices[0]] == 0:
            # Empty texts and a tokenizer without special tokens: no token to run the backbone on.
            shape = token_shape(backbone, layers, token_features)
            yield from ((index, torch.empty(0, *shape, dtype=backbone.dtype)) for index in indices)
            continue
        rows = [{name: column[index] for name, column in encoded.items()} for index in indices]
        batch = pad_tokens(tokenizer, rows)
        with torch.no_grad():
            inputs = {name: tensor.to(backbone.device) for name, tensor in batch.items()}
            states = run_backbone(backbone, inputs, layers, token_features=token_features).states.cpu()  # (B, L, d)
        for index, state, valid in zip(indices, states, batch["attention_mask"].bool()):
            yield index, state[valid]


def token_shape(
    backbone: PreTrainedModel, layers: int | list[int], token_features: list[str] | None = None
) -> tuple[int, ...]:
    """Return the shape of a token's states, with features behind them: `(d,)`, or `(n, d)` with n `layers`."""
    size = cast(int, hidden_size_of(backbone.config)) + size_of_features(token_features)
    return (size,) if isinstance(layers, int) else (len(layers), size)


def token_lengths(tokenizer: PreTrainedTokenizerBase, texts: list[str], max_length: int | None = None) -> list[int]:
    """Return the number of tokens of each text, cut as in [`run_over_texts`]."""
    chunks = (texts[start : start + 10_000] for start in range(0, len(texts), 10_000))  # memory for few at a time
    options = {"truncation": max_length is not None, "max_length": max_length}
    return [len(ids) for chunk in chunks for ids in tokenizer(chunk, **options)["input_ids"]]


def compute_hidden_states(
    backbone: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: list[str], **options
) -> list[Tensor]:
    """Return the states of each text in memory, in the order of the texts; `options` of [`run_over_texts`]."""
    by_position = dict(run_over_texts(backbone, tokenizer, texts, **options))
    return [by_position[position] for position in range(len(texts))]


def state_rows(
    backbone: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, examples: "Dataset", **options
) -> list[dict[str, Any]]:
    """
    Return examples (`text`, `text_pair` where there are pairs, `labels`) as rows of states in memory and `labels`.

    Args:
        options: of [`run_over_texts`].

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
                positions = torch.arange(int(lengths.max()))  # (L,)
                batch[f"attention_mask{suffix}"] = (positions < lengths[:, None]).long()  # (B, L)
        if "labels" in rows[0]:
            batch["labels"] = torch.tensor([row["labels"] for row in rows])
        return batch
