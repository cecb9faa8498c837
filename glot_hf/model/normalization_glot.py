# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
Normalisation of token states before a head reads them (`input_norm`).

The paper has none. The raw states of many decoders have a few dimensions that are hundreds of times larger than the
others: they make any two tokens look alike to a cosine, and a head that learns at an ordinary rate dies on them.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .packing_glot import TokenLayout
from .precision_glot import at_least_float32
from .processes_glot import sum_over_processes


class TokenLayerNorm(nn.Module):
    """Bring each token to mean 0 and deviation 1, without parameters. `(N, ..., d)` -> the same shape."""

    def __init__(self, token_shape: tuple[int, ...]):
        super().__init__()

    def forward(self, tokens: Tensor, layout: TokenLayout) -> Tensor:
        return F.layer_norm(tokens, tokens.shape[-1:])


class TokenStandardization(nn.Module):
    """
    Bring each dimension to mean 0 and deviation 1 over the training data. `(N, *token_shape)` -> the same shape.

    In training mode the mean and the variance of all valid tokens seen so far, in all processes, are kept up to date,
    this batch included (Chan et al., 1983, merges exactly), so that stock Trainer is all that is needed; they are
    saved with the head and never change in eval mode. Before training they are 0 and 1.
    """

    def __init__(self, token_shape: tuple[int, ...]):
        super().__init__()
        self.mean: Tensor
        self.deviation: Tensor
        self.num_tokens: Tensor
        self.register_buffer("mean", torch.empty(token_shape))
        self.register_buffer("deviation", torch.empty(token_shape))  # a variance can be too large for float16
        self.register_buffer("num_tokens", torch.empty((), dtype=torch.long))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.mean)
        nn.init.ones_(self.deviation)
        nn.init.zeros_(self.num_tokens)

    @torch.no_grad()
    def _update(self, tokens: Tensor, layout: TokenLayout) -> None:
        valid = layout.is_valid.view(-1, *[1] * self.mean.dim())
        count, total = sum_over_processes(layout.mask.sum(), tokens.sum(0))  # tokens are zero at padding
        mean = total / count.clamp(min=1)  # token_shape
        # Divided before it is squared: squares of states of 1e18, summed, would leave float32 for good.
        scaled = (tokens - mean) * valid / count.clamp(min=1).to(tokens.dtype).sqrt()
        (variance,) = sum_over_processes(scaled.square().sum(0))
        self.num_tokens += count.long()
        share = count / self.num_tokens.clamp(min=1)  # of this batch in all tokens seen
        shift = mean - self.mean
        variance = torch.lerp(at_least_float32(self.deviation).square(), variance, share)
        self.deviation.copy_((variance + shift.square() * share * (1 - share)).sqrt())
        self.mean.add_(shift * share)

    def forward(self, tokens: Tensor, layout: TokenLayout) -> Tensor:
        states = at_least_float32(tokens)
        if self.training:
            self._update(states, layout)
        mean, deviation = at_least_float32(self.mean), at_least_float32(self.deviation)
        # A dimension that never varies is not blown up to its rounding errors, which grow with its mean.
        deviation = deviation.clamp(min=1e-6).maximum(1e-5 * mean.abs())
        return ((states - mean) / deviation).to(tokens.dtype)


INPUT_NORMS: dict[str, type[nn.Module]] = {"layer": TokenLayerNorm, "standard": TokenStandardization}
