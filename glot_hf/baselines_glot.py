# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
The poolings that GLOT is compared with: no graph, one small class each.

All map `(hidden_states (B, L, d), mask (B, L) bool)` to [`PooledTokens`]; the states are zero at padding.
"""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .configuration_glot import GlotConfig
from .readout_glot import PooledTokens, Readout, uniform_weights, weighted_sum


class WeightedPooling(nn.Module, ABC):
    """A weighted sum of the hidden states themselves; what the weights are is the subclass."""

    def __init__(self, config: GlotConfig):
        super().__init__()

    @abstractmethod
    def weights(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        """`(B, L, d), (B, L)` -> `(B, L)`, zero at padding."""

    def forward(self, hidden_states: Tensor, mask: Tensor) -> PooledTokens:
        weights = self.weights(hidden_states, mask)
        return PooledTokens(weighted_sum(hidden_states, weights), hidden_states, weights)


class MeanPooling(WeightedPooling):
    """The mean of the valid tokens."""

    def weights(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        return uniform_weights(mask)  # (B, L)


class ClsPooling(WeightedPooling):
    """The first valid token, wherever padding puts it."""

    def weights(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        return mask & (mask.cumsum(-1) == 1)  # (B, L)


class LastPooling(WeightedPooling):
    """The last valid token, wherever padding puts it: the usual choice for decoders."""

    def weights(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        return mask & (mask.cumsum(-1) == mask.sum(-1, keepdim=True))  # (B, L)


class WeightedMeanPooling(WeightedPooling):
    """
    The mean weighted by position, 1 for the first valid token to n for the last: in a decoder, later tokens have seen
    more (SGPT: Muennighoff, 2022, arXiv 2202.08904).
    """

    def weights(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        positions = mask.cumsum(-1) * mask  # (B, L): 1 ... n, zero at padding
        return positions / positions.sum(-1, keepdim=True).clamp(min=1)


class AdaPooling(WeightedPooling):
    """The paper's AdaPool: the attention readout on the hidden states themselves."""

    def __init__(self, config: GlotConfig):
        super().__init__(config)
        self.readout = Readout(config.pooled_size, config.readout_hidden_size)

    def weights(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        return self.readout(hidden_states, mask)  # (B, L)


class MaxPooling(nn.Module):
    """The largest value of each dimension over the valid tokens."""

    def __init__(self, config: GlotConfig):
        super().__init__()

    def forward(self, hidden_states: Tensor, mask: Tensor) -> PooledTokens:
        if hidden_states.shape[1] == 0:
            return PooledTokens(hidden_states.sum(dim=1), hidden_states)
        lowest = torch.finfo(hidden_states.dtype).min
        vector = hidden_states.masked_fill(~mask[:, :, None], lowest).amax(dim=1)  # (B, d)
        return PooledTokens(vector * mask.any(dim=1, keepdim=True), hidden_states)


class AttentionPooling(nn.Module, ABC):
    """Multi-head attention (Vaswani et al., 2017) of a few queries to the tokens; what asks is the subclass."""

    def __init__(self, config: GlotConfig):
        super().__init__()
        self.attention = nn.MultiheadAttention(config.input_size, config.num_attention_heads, batch_first=True)

    @abstractmethod
    def queries(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        """`(B, L, d), (B, L)` -> `(B, n, d)`."""

    def forward(self, hidden_states: Tensor, mask: Tensor) -> PooledTokens:
        queries = self.queries(hidden_states, mask)  # (B, n, d)
        is_empty = ~mask.any(dim=1)  # (B,)
        if hidden_states.shape[1] == 0:
            return PooledTokens(queries.flatten(1) * 0, hidden_states, mask.float())
        # A sentence without a valid token attends to its zeros: a softmax over nothing would be NaN.
        ignored = ~mask & ~is_empty[:, None]
        # attended (B, n, d); weights (B, n, L), the mean of the heads
        attended, weights = self.attention(queries, hidden_states, hidden_states, key_padding_mask=ignored)
        vector = attended.flatten(1).masked_fill(is_empty[:, None], 0.0)  # (B, n * d)
        return PooledTokens(vector, hidden_states, weights.mean(dim=1) * mask)


class CrossAttentionPooling(AttentionPooling):
    """
    Attention with one query derived from the input, here the mean of the valid tokens: the adaptive pooling of
    Brothers (ICML 2025, arXiv 2506.09215), which the paper's AdaPool takes its name from.
    """

    def queries(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        return weighted_sum(hidden_states, uniform_weights(mask))[:, None]  # (B, 1, d)


class MultiQueryPooling(AttentionPooling):
    """
    Attention with a few learned queries, what they find side by side: the seeds of pooling by multi-head attention
    (Set Transformer: Lee et al., ICML 2019), as attentive probing of frozen models uses it.
    """

    def __init__(self, config: GlotConfig):
        super().__init__(config)
        self.learned_queries = nn.Parameter(torch.empty(config.pooled_size // config.input_size, config.input_size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.learned_queries)

    def queries(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        return self.learned_queries.expand(hidden_states.shape[0], -1, -1)  # (B, n, d)


class LatentAttentionPooling(nn.Module):
    """
    The latent attention layer of NV-Embed (Lee et al., ICLR 2025, arXiv 2405.17428): the tokens ask, a learned
    dictionary answers, an MLP follows, and the mean of the valid tokens is taken. As there, norms before and residual
    connections around both steps, a width of `4 d` and a gated GELU in the MLP.
    """

    def __init__(self, config: GlotConfig):
        super().__init__()
        size = config.input_size
        self.latents = nn.Parameter(torch.empty(config.num_latents or 512, size))
        self.token_norm, self.latent_norm, self.mlp_norm = nn.LayerNorm(size), nn.LayerNorm(size), nn.LayerNorm(size)
        self.attention = nn.MultiheadAttention(size, config.num_attention_heads, bias=False, batch_first=True)
        self.mlp_in, self.mlp_out = nn.Linear(size, 8 * size), nn.Linear(4 * size, size)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.latents)

    def forward(self, hidden_states: Tensor, mask: Tensor) -> PooledTokens:
        latents = self.latent_norm(self.latents).expand(hidden_states.shape[0], -1, -1)  # (B, n, d)
        answers, _ = self.attention(self.token_norm(hidden_states), latents, latents, need_weights=False)  # (B, L, d)
        tokens = hidden_states + answers
        gated, gate = self.mlp_in(self.mlp_norm(tokens)).chunk(2, dim=-1)  # (B, L, 4 d) each
        tokens = (tokens + self.mlp_out(gated * F.gelu(gate))) * mask[:, :, None]  # (B, L, d)
        weights = uniform_weights(mask)  # (B, L)
        return PooledTokens(weighted_sum(tokens, weights), tokens, weights)
