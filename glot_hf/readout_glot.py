# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The paper's attention readout, and what every pooling gives back."""

from typing import NamedTuple

import torch
from torch import Tensor, nn


class PooledTokens(NamedTuple):
    """A sentence vector and what it was made of."""

    vector: Tensor  # (B, D)
    token_embeddings: Tensor  # (B, L, D'), zero at padding; what is weighted
    readout_weights: Tensor | None = None  # (B, L), zero at padding, summing to 1; None for max pooling
    adjacency: Tensor | None = None  # (B, L, L) bool; None without a graph


class Readout(nn.Module):
    r"""The paper's attention readout: :math:`\pi = \text{softmax}_i(v^T \tanh(W u_i + b))` over the valid tokens."""

    def __init__(self, size: int, hidden_size: int | None = None):
        super().__init__()
        hidden_size = hidden_size or max(128, size // 2)  # the released default
        self.score = nn.Sequential(nn.Linear(size, hidden_size), nn.Tanh(), nn.Linear(hidden_size, 1))

    def forward(self, token_embeddings: Tensor, mask: Tensor) -> Tensor:
        scores = self.score(token_embeddings).squeeze(-1).float()  # (B, L)
        # A finite fill: a sentence without a single valid token gets zero weights, not NaN.
        weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(dim=-1)
        return weights * mask


def uniform_weights(mask: Tensor) -> Tensor:
    """The weights of a mean over the valid tokens. `(B, L)` bool -> `(B, L)`."""
    return mask / mask.sum(-1, keepdim=True).clamp(min=1)


def weighted_sum(token_embeddings: Tensor, weights: Tensor) -> Tensor:
    """`(B, L, D), (B, L)` -> `(B, D)`."""
    return (weights.to(token_embeddings.dtype)[:, None] @ token_embeddings).squeeze(1)
