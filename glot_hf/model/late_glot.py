# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
Late interaction: two texts are compared token by token, after each went through the backbone alone.

After ColBERT's MaxSim (Khattab & Zaharia, 2020), with a soft maximum, in both directions, beside the cosine of means.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import initialization as init

from .configuration_glot import GlotConfig
from .graph_glot import over_blocks
from .packing_glot import TokenLayout
from .precision_glot import at_least_float32
from .readout_glot import PooledTokens, uniform_weights, weighted_sum


_RANK = 64  # of the learned change of a token
_SHARPNESS = 20.0  # of the soft maximum, before training
_SCORE = (0.5, 0.25, 0.25)  # weights of cos, s_ab and s_ba before training
_LOGIT_SCALE, _SAME = 10.0, 0.7  # a score above 0.7 says that two texts are alike, before training
_GAIN = 10.0  # u is kept divided by it, so that an optimizer's small steps can turn its sign within an epoch
# Cosines of all pairs of tokens: with more than this many (B * L_a * L_b), they are computed in blocks of rows.
_LARGEST, _BLOCK = 2**25, 2**22

NO_VECTORS = (
    "this head compares the tokens of two texts (its pair_mode), and has no vector of one: take its scores of pairs "
    '(glot-hf predict --text --text_pair), or for vectors train a head with pair_mode="cosine"'
)


class TokenStates(nn.Module):
    """What stands in the place of a pooling: the states themselves, and no vector."""

    def forward(self, tokens: Tensor, layout: TokenLayout) -> PooledTokens:
        return PooledTokens(None, layout, [tokens])


class LateInteraction(nn.Module):
    r"""
    Token states of two texts -> logits. With :math:`n_i = x_i / |x_i|` of the states of one text, and :math:`f_j` of
    the other text by the same map:

    .. math::
        e_i = (n_i + V U n_i) / |n_i + V U n_i|, \quad
        m_i = \sum_j \text{softmax}_j(s\, e_i \cdot f_j)\; e_i \cdot f_j, \quad
        s_{ab} = \sum_i \text{softmax}_i(v \cdot x_i)\, m_i, \quad
        c = \cos((I + W) \bar x_a, (I + W) \bar x_b)

    and a score :math:`z = u_1 c + u_2 s_{ab} + u_3 s_{ba} + u_4` for each label. V, v and W are zero before training,
    s is 20, and u is (.5, .25, .25, 0): an untrained head scores sensibly.

    Logits are scores for regression, and `10 (z - 0.7)` for several labels. Of classes, the first are taken for the
    least alike and the last for the most alike, as in MRPC (not_equivalent, equivalent): two classes begin with
    `-+ 10 (z - 0.7) / 2`, and training turns what is the other way round.

    `pair_mode="late_mean"` is the control: it compares each token with the mean of the other text's tokens, of length
    1, in their place. It has the same parameters, of which s then changes nothing.

    Args:
        config ([`GlotConfig`]): with `token_size` d known.
    """

    def __init__(self, config: GlotConfig):
        super().__init__()
        size, num_labels = config.token_size, config.num_labels
        self.against_mean = config.pair_mode == "late_mean"
        self.is_regression = (config.problem_type or ("regression" if num_labels == 1 else None)) == "regression"
        self.are_classes = not self.is_regression and config.problem_type != "multi_label_classification"
        self.down = nn.Parameter(torch.empty(_RANK, size))  # U
        self.up = nn.Parameter(torch.empty(size, _RANK))  # V
        self.sharpness = nn.Parameter(torch.empty(()))  # s
        self.token_scorer = nn.Parameter(torch.empty(size))  # v; a bias would cancel in the softmax
        self.mean_map = nn.Parameter(torch.empty(size, size))  # W
        self.weight = nn.Parameter(torch.empty(num_labels, len(_SCORE)))  # u_1 to u_3 of each label, over 10
        self.bias = nn.Parameter(torch.empty(num_labels))  # u_4, likewise
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))
        for zero in (self.up, self.token_scorer, self.mean_map):
            nn.init.zeros_(zero)
        nn.init.constant_(self.sharpness, _SHARPNESS)
        weights = self.weight.new_tensor(_SCORE).expand_as(self.weight)
        if self.are_classes:  # from a half below to a half above: two classes then differ by z
            weights = torch.linspace(-0.5, 0.5, len(self.weight), device=weights.device)[:, None] * weights
        init.copy_(self.weight, weights / _GAIN)
        nn.init.constant_(self.bias, _SAME / _GAIN if self.is_regression else 0)

    def forward(self, states_a: Tensor, mask_a: Tensor | None, states_b: Tensor, mask_b: Tensor | None) -> Tensor:
        """
        Args:
            states_a, states_b (`Tensor` of shape `(B, L_a, d)` and `(B, L_b, d)`): padding may hold anything.
            mask_a, mask_b (`Tensor` of shape `(B, L_a)` and `(B, L_b)`): nonzero where a token is valid; None: all
                are. A text without a token has a cosine of 0 with every other.

        Returns:
            `Tensor` of shape `(B, num_labels)`: logits.
        """
        mask_a, mask_b = (
            states.new_ones(states.shape[:2], dtype=torch.bool) if mask is None else mask.to(states.device) != 0
            for states, mask in ((states_a, mask_a), (states_b, mask_b))
        )
        (tokens_a, weights_a, mean_a), (tokens_b, weights_b, mean_b) = (
            self._embed(states_a, TokenLayout(mask_a)),
            self._embed(states_b, TokenLayout(mask_b)),
        )
        scores = torch.stack(
            [
                F.cosine_similarity(mean_a, mean_b),
                (weights_a * self._matches(tokens_a, tokens_b, mask_b)).sum(dim=1),
                (weights_b * self._matches(tokens_b, tokens_a, mask_a)).sum(dim=1),
            ],
            dim=1,
        )  # (B, 3)
        # Less 0.7, as u sums to 1: else a step of u would above all shift all logits alike.
        scores = (1 if self.is_regression else _LOGIT_SCALE) * (scores - _SAME).to(self.weight.dtype)
        return _GAIN * F.linear(scores, self.weight, self.bias)

    def _embed(self, states: Tensor, layout: TokenLayout) -> tuple[Tensor, Tensor, Tensor]:
        """Return embeddings e `(B, L, d)`, zero at padding, token weights `(B, L)` and `(I + W)` mean `(B, d)`."""
        states = at_least_float32(layout.pack(states))  # (N, d); the square of a state can be too large for float16
        dtype = self.weight.dtype
        normed = F.normalize(states, dim=-1).to(dtype)
        changed = normed + F.linear(F.linear(normed, self.down), self.up)
        tokens = layout.pad(F.normalize(at_least_float32(changed), dim=-1).to(dtype))
        scores = at_least_float32(layout.pad(states.to(dtype) @ self.token_scorer))  # (B, L)
        weights = masked_softmax(scores, layout.mask) * layout.mask
        mean = weighted_sum([states], uniform_weights(layout.mask, states.dtype), layout)  # (B, d)
        return tokens, weights, mean + F.linear(mean.to(dtype), self.mean_map)

    def _matches(self, rows: Tensor, columns: Tensor, mask: Tensor) -> Tensor:
        """Soft maximum m of the cosines of `rows` `(B, L, d)` with the valid `columns` `(B, M, d)` -> `(B, L)`."""
        if self.against_mean:
            columns = F.normalize(at_least_float32(columns).sum(dim=1, keepdim=True), dim=-1).to(
                rows.dtype
            )  # (B, 1, d)
            mask = mask.any(dim=1, keepdim=True)

        def of_block(start: int, stop: int, rows: Tensor, columns: Tensor, sharpness: Tensor) -> Tensor:
            cosines = at_least_float32(rows[:, start:stop] @ columns.mT)  # (B, l, M)
            return (masked_softmax(sharpness * cosines, mask[:, None]) * cosines).sum(dim=-1)

        batch, length, width = rows.shape[0], rows.shape[1], columns.shape[1]
        inputs = rows, columns, self.sharpness
        # When traced, never: a branch on the length would fix it.
        if torch.compiler.is_compiling() or batch * length * width <= _LARGEST:
            return of_block(0, length, *inputs)
        return over_blocks(of_block, length, max(1, _BLOCK // (batch * width)), *inputs)


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last dimension where the mask is True; all alike, and not NaN, where it is nowhere."""
    return scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(dim=-1)


__all__ = ["NO_VECTORS", "LateInteraction", "TokenStates"]
