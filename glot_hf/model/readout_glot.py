# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Readouts, token embeddings -> one sentence vector (the paper's is by attention), and what every pooling returns."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .graph_glot import TokenGraph
from .packing_glot import TokenLayout
from .precision_glot import at_least_float32


@dataclass
class PooledTokens:
    """
    A sentence vector and what it was made of. Properties that take much memory are computed when they are read.

    Args:
        vector (`Tensor` of shape `(B, D)`): the sentence vectors; None where tokens are compared.
        layout ([`TokenLayout`]): the batch's.
        parts (`list[Tensor]`): packed, `(N, D_i)` each; side by side, the token embeddings.
        readout_weights (`Tensor` of shape `(B, L)`): zero at padding, summing to 1; None without a weighted sum or,
            of pooling "glot", without an attention readout.
        graph ([`TokenGraph`]): None without a graph.
    """

    vector: Tensor | None
    layout: TokenLayout
    parts: list[Tensor]
    readout_weights: Tensor | None = None
    graph: TokenGraph | None = None

    @property
    def token_embeddings(self) -> Tensor:
        """What the readout weighs: `(B, L, D')`, zero at padding."""
        return self.layout.pad(torch.cat(self.parts, dim=-1))

    @property
    def adjacency(self) -> Tensor | None:
        """The token graph: `(B, L, L)` bool; None without a graph."""
        return None if self.graph is None else self.graph.adjacency()


class LinearOfParts(nn.Linear):
    """A linear layer on parts `(N, D_1), ..., (N, D_n)` side by side, which are never joined. -> `(N, out)`."""

    def forward(self, parts: list[Tensor]) -> Tensor:
        weights = self.weight.split([part.shape[-1] for part in parts], dim=1)
        output = F.linear(parts[0], weights[0], self.bias)  # no gradient is computed for a part that needs none
        for part, weight in zip(parts[1:], weights[1:]):
            # Added in place. Autocast, which leaves products in place alone, has chosen the dtype above.
            output = output.addmm_(part.to(output.dtype), weight.t().to(output.dtype))
        return output


class Readout(nn.Module):
    r"""The paper's attention readout: :math:`\pi = \text{softmax}_i(v^T \tanh(W u_i + b))` over the valid tokens."""

    def __init__(self, size: int, hidden_size: int | None = None):
        super().__init__()
        hidden_size = hidden_size or max(128, size // 2)  # the released default
        # The released name. Not `score`, which peft takes for a classifier and wraps.
        self.score_layer = nn.Sequential(LinearOfParts(size, hidden_size), nn.Tanh(), nn.Linear(hidden_size, 1))

    def forward(self, parts: list[Tensor], layout: TokenLayout) -> Tensor:
        """Return the tokens' weights `(B, L)`, float32 or wider. Token embeddings in parts, `(N, D_i)` each."""
        linear, _, score = self.score_layer
        hidden = linear(parts).tanh_()  # (N, hidden_size)
        scores = at_least_float32(layout.pad(score(hidden)).squeeze(-1))  # (B, L)
        # A finite fill: a sentence without a single valid token gets zero weights, not NaN.
        weights = scores.masked_fill(~layout.mask, torch.finfo(scores.dtype).min).softmax(dim=-1)
        return weights * layout.mask


def uniform_weights(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the weights of a mean over the valid tokens of a dtype. `(B, L)` bool -> `(B, L)`, float32 or wider."""
    mask = mask.to(torch.promote_types(dtype, torch.float32))
    return mask / mask.sum(-1, keepdim=True).clamp(min=1)


def weighted_sum(parts: list[Tensor], weights: Tensor, layout: TokenLayout) -> Tensor:
    """Sum token embeddings, in parts of `(N, D_i)` each, by their weights `(B, L)`. -> `(B, D)`."""

    def of_group(weights: Tensor, *parts: Tensor) -> Tensor:
        sums = [(weights[:, None].to(part.dtype) @ part).squeeze(1) for part in parts]  # (B_g, D_i) each
        return torch.cat(sums, dim=-1)

    return layout.over_sentences(of_group, layout.pack(weights), *parts)


def largest(parts: list[Tensor], layout: TokenLayout) -> Tensor:
    """
    The largest value of each dimension over the valid tokens, 0 for a sentence without any. Token embeddings in parts,
    `(N, D_i)` each -> `(B, D)`.
    """

    def of_group(mask: Tensor, *parts: Tensor) -> Tensor:
        embeddings = torch.cat(parts, dim=-1)  # (B_g, L_g, D)
        if embeddings.shape[1] == 0:
            return embeddings.sum(dim=1)
        lowest = torch.finfo(embeddings.dtype).min
        return embeddings.masked_fill(~mask[:, :, None], lowest).amax(dim=1) * mask.any(dim=1, keepdim=True)

    return layout.over_sentences(of_group, layout.is_valid, *parts)


def read_out(kinds: list[str], parts: list[Tensor], layout: TokenLayout, attention: Tensor | Any) -> Tensor:
    """
    Return sentence vectors `(B, n * D)`: what each of n readouts makes of the tokens, side by side.

    Args:
        kinds (`list[str]`): "attention", "mean" or "max".
        parts (`list[Tensor]`): token embeddings, `(N, D_i)` each.
        attention (`Tensor` of shape `(B, L)`): weights of the attention readout; None where it is not asked for.
    """
    vectors = []
    for kind in kinds:
        if kind == "max":
            vectors.append(largest(parts, layout))
        else:
            weights = attention if kind == "attention" else uniform_weights(layout.mask, parts[0].dtype)  # (B, L)
            vectors.append(weighted_sum(parts, weights, layout))
    return torch.cat(vectors, dim=-1)
