# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
The poolings that GLOT is compared with: no graph, one small class each.

All map packed tokens `(N, d)` and their [`TokenLayout`] to [`PooledTokens`].
"""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .configuration_glot import GlotConfig
from .packing_glot import TokenLayout
from .readout_glot import PooledTokens, Readout, largest, uniform_weights, weighted_sum


class WeightedPooling(nn.Module, ABC):
    """A weighted sum of the hidden states themselves. The weights are the subclass's."""

    def __init__(self, config: GlotConfig):
        super().__init__()

    @abstractmethod
    def weights(self, tokens: Tensor, layout: TokenLayout) -> Tensor:
        """Return the weights of the tokens. `(N, d)` -> `(B, L)`, zero at padding."""

    def forward(self, tokens: Tensor, layout: TokenLayout) -> PooledTokens:
        weights = self.weights(tokens, layout)
        return PooledTokens(weighted_sum([tokens], weights, layout), layout, [tokens], weights)


class MeanPooling(WeightedPooling):
    """The mean of the valid tokens."""

    def weights(self, tokens: Tensor, layout: TokenLayout) -> Tensor:
        return uniform_weights(layout.mask, tokens.dtype)  # (B, L)


class ClsPooling(WeightedPooling):
    """The first valid token, wherever padding puts it."""

    def weights(self, tokens: Tensor, layout: TokenLayout) -> Tensor:
        return layout.mask & (layout.mask.cumsum(-1) == 1)  # (B, L)


class LastPooling(WeightedPooling):
    """The last valid token, wherever padding puts it: the usual choice for decoders."""

    def weights(self, tokens: Tensor, layout: TokenLayout) -> Tensor:
        mask = layout.mask
        return mask & (mask.cumsum(-1) == mask.sum(-1, keepdim=True))  # (B, L)


class WeightedMeanPooling(WeightedPooling):
    """
    The mean weighted by position, 1 for the first valid token to n for the last: in a decoder, later tokens have seen
    more (SGPT: Muennighoff, 2022, arXiv 2202.08904).
    """

    def weights(self, tokens: Tensor, layout: TokenLayout) -> Tensor:
        positions = layout.mask.cumsum(-1) * layout.mask  # (B, L): 1 ... n, zero at padding
        positions = positions.to(torch.promote_types(tokens.dtype, torch.float32))
        return positions / positions.sum(-1, keepdim=True).clamp(min=1)


class AdaPooling(WeightedPooling):
    """The paper's AdaPool: the attention readout on the hidden states themselves."""

    def __init__(self, config: GlotConfig):
        super().__init__(config)
        self.readout = Readout(config.pooled_size, config.readout_hidden_size)

    def weights(self, tokens: Tensor, layout: TokenLayout) -> Tensor:
        return self.readout([tokens], layout)  # (B, L)


class MaxPooling(nn.Module):
    """The largest value of each dimension over the valid tokens."""

    def __init__(self, config: GlotConfig):
        super().__init__()

    def forward(self, tokens: Tensor, layout: TokenLayout) -> PooledTokens:
        return PooledTokens(largest([tokens], layout), layout, [tokens])


class AttentionPooling(nn.Module, ABC):
    """Multi-head attention (Vaswani et al., 2017) of a few queries, the subclass's, to the tokens."""

    def __init__(self, config: GlotConfig):
        super().__init__()
        self.attention = nn.MultiheadAttention(config.token_size, config.num_attention_heads, batch_first=True)

    @abstractmethod
    def queries(self, tokens: Tensor, layout: TokenLayout) -> Tensor:
        """Return n queries for each sentence. `(N, d)` -> `(B, n, d)`."""

    def forward(self, tokens: Tensor, layout: TokenLayout) -> PooledTokens:
        hidden_states, mask = layout.pad(tokens), layout.mask  # (B, L, d), (B, L)
        queries = self.queries(tokens, layout)  # (B, n, d)
        is_empty = ~mask.any(dim=1)  # (B,)
        if hidden_states.shape[1] == 0:
            return PooledTokens(queries.flatten(1) * 0, layout, [tokens], mask.float())
        # A sentence without a valid token attends to its zeros: a softmax over nothing would be NaN.
        ignored = ~mask & ~is_empty[:, None]
        # attended (B, n, d); weights (B, n, L), the mean of the heads
        attended, weights = self.attention(queries, hidden_states, hidden_states, key_padding_mask=ignored)
        vector = attended.flatten(1).masked_fill(is_empty[:, None], 0.0)  # (B, n * d)
        return PooledTokens(vector, layout, [tokens], weights.mean(dim=1) * mask)


class CrossAttentionPooling(AttentionPooling):
    """
    Attention with one query derived from the input, here the mean of the valid tokens: the adaptive pooling of
    Brothers (ICML 2025, arXiv 2506.09215), which the paper's AdaPool takes its name from.
    """

    def queries(self, tokens: Tensor, layout: TokenLayout) -> Tensor:
        return weighted_sum([tokens], uniform_weights(layout.mask, tokens.dtype), layout)[:, None]  # (B, 1, d)


class MultiQueryPooling(AttentionPooling):
    """
    Attention with a few learned queries, whose results are set side by side: the seeds of pooling by multi-head
    attention (Set Transformer: Lee et al., ICML 2019), which attentive probing of frozen models uses.
    """

    def __init__(self, config: GlotConfig):
        super().__init__(config)
        self.learned_queries = nn.Parameter(torch.empty(config.pooled_size // config.token_size, config.token_size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.learned_queries)

    def queries(self, tokens: Tensor, layout: TokenLayout) -> Tensor:
        return self.learned_queries.expand(layout.mask.shape[0], -1, -1)  # (B, n, d)


class LatentAttentionPooling(nn.Module):
    """
    The latent attention layer of NV-Embed (Lee et al., ICLR 2025, arXiv 2405.17428): the tokens attend to learned
    latents, an MLP follows, and the mean of the valid tokens is taken. NV-Embed's details are kept: norms before and
    residual connections around both steps, a width of `4 d` and a gated GELU in the MLP.
    """

    def __init__(self, config: GlotConfig):
        super().__init__()
        size = config.token_size
        self.latents = nn.Parameter(torch.empty(config.num_latents or 512, size))
        self.token_norm, self.latent_norm, self.mlp_norm = nn.LayerNorm(size), nn.LayerNorm(size), nn.LayerNorm(size)
        self.attention = nn.MultiheadAttention(size, config.num_attention_heads, bias=False, batch_first=True)
        self.mlp_in, self.mlp_out = nn.Linear(size, 8 * size), nn.Linear(4 * size, size)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.latents)

    def forward(self, tokens: Tensor, layout: TokenLayout) -> PooledTokens:
        latents = self.latent_norm(self.latents)[None]  # (1, n, d)
        answers, _ = self.attention(self.token_norm(tokens)[None], latents, latents, need_weights=False)  # (1, N, d)
        tokens = tokens + answers[0]
        gated, gate = self.mlp_in(self.mlp_norm(tokens)).chunk(2, dim=-1)  # (N, 4 d) each
        tokens = tokens + self.mlp_out(gated * F.gelu(gate))  # (N, d)
        weights = uniform_weights(layout.mask, tokens.dtype)  # (B, L)
        return PooledTokens(weighted_sum([tokens], weights, layout), layout, [tokens], weights)
