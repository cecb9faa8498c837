# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
Padded batches `(B, L, C)` and packed tokens `(N, C)`: what is done to each token alone is done to the valid tokens
alone, so that padding costs nothing there.
"""

import torch
from torch import Tensor


class TokenLayout:
    """
    Where the tokens of a padded batch lie once they are packed, one sentence after the other.

    N is the number of valid tokens. While a model is compiled, exported or traced, N is `B * L` instead, padding
    included and zero at first: a shape that follows from the data would break the graph.

    Args:
        mask (`Tensor` of shape `(B, L)`, bool): True where a token is valid.
    """

    def __init__(self, mask: Tensor):
        self.mask = mask
        self._index = None  # (N,), the place of each packed token in the padded batch; None where there is no gap
        self._keeps_padding = torch.compiler.is_compiling() or torch.jit.is_tracing()
        if not self._keeps_padding:
            index = mask.flatten().nonzero().squeeze(1)
            self._index = index if len(index) < mask.numel() else None

    @property
    def is_valid(self) -> Tensor:
        """`(N,)` bool: which of the packed tokens are valid; all, unless padding is kept."""
        return self.mask.flatten() if self._keeps_padding else self.pack(self.mask)

    def pack(self, padded: Tensor) -> Tensor:
        """`(B, L, ...)` -> `(N, ...)`. What padding holds is dropped, NaN included."""
        tokens = padded.flatten(0, 1)
        if self._index is not None:
            return tokens.index_select(0, self._index)
        return self._without_padding(tokens) if self._keeps_padding else tokens

    def pad(self, tokens: Tensor) -> Tensor:
        """`(N, ...)` -> `(B, L, ...)`, zero at padding."""
        if self._index is not None:
            flat = tokens.new_zeros(self.mask.numel(), *tokens.shape[1:])
            tokens = flat.index_copy_(0, self._index, tokens)
        elif self._keeps_padding:
            tokens = self._without_padding(tokens)
        return tokens.reshape(*self.mask.shape, *tokens.shape[1:])

    def _without_padding(self, tokens: Tensor) -> Tensor:
        """Zeros in place of what padding holds; no product, which would keep its NaN. `(B * L, ...)`."""
        return tokens.masked_fill(~self.mask.flatten().view(-1, *[1] * (tokens.dim() - 1)), 0.0)
