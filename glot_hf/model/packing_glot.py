# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
Pack the valid tokens of padded batches, `(B, L, C)` -> `(N, C)`, so that layers spend no time on padding.

What compares the tokens of a sentence still needs padding, but only to the longest of a group of like length:

    padded (B, L)        groups, the longest first        packed (N,)
    a a a a a a          a a a a a a    (1, 6)            a a a a a a c c c b b
    b b . . . .          c c c          (2, 3)
    c c c . . .          b b .

A step took 64 ms packed and grouped where it took 120 ms padded, 22 where it took 84, and 152 where it took 368.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .bits_glot import pack_bits, unpack_bits


# Pairs of positions that a further group must save. On an accelerator, another launch costs more than their products.
_WORTH_A_GROUP = {"cpu": 2**15, "accelerator": 2**24}
_ROWS = 128  # of graphs in bits that are unpacked at a time


class TokenLayout:
    """
    Where the tokens of a padded batch lie once they are packed, one sentence after the other.

    Sentences of very different lengths are packed in `groups` of like length, the longest first, each a layout of its
    own: what compares the tokens of a sentence pads to the longest of a group.

    N is the number of valid tokens. While a model is compiled, exported or traced, N is `B * L` instead, padding
    included and zero at first: a shape that follows from the data would break the graph.

    Args:
        mask (`Tensor` of shape `(B, L)`, bool): True where a token is valid.
    """

    def __init__(self, mask: Tensor):
        self.mask = mask
        self.groups = [self]
        # (N,), the place of each packed token in the padded batch; None where there is no gap
        self._index: Tensor | Any = None
        self._order = None  # (B,), the sentences as they are packed; None where that is their own order, one group
        self._counts = []  # of the tokens of each group, as far as tokens are in groups
        self._keeps_padding = torch.compiler.is_compiling() or torch.jit.is_tracing()
        if self._keeps_padding:
            return
        lengths, order = mask.sum(dim=1).sort(descending=True, stable=True)
        worth = _WORTH_A_GROUP["cpu" if mask.device.type == "cpu" else "accelerator"]
        groups = _of_like_length(lengths.tolist(), mask.shape[1], worth)
        if groups is not None:
            self._order, self._counts = order, [sum(some) for some in groups]
            positions = torch.arange(mask.shape[1], device=mask.device)
            self.groups = [
                TokenLayout(positions[: some[0]] < each[:, None])
                for some, each in zip(groups, lengths.split([len(some) for some in groups]))
            ]
            sentence, position = mask[order].nonzero(as_tuple=True)
            self._index = order[sentence] * mask.shape[1] + position
        elif (index := mask.flatten().nonzero().squeeze(1)).shape[0] < mask.numel():
            self._index = index

    @property
    def is_valid(self) -> Tensor:
        """Which of the packed tokens are valid: `(N,)` bool, all True unless padding is kept."""
        return self.mask.flatten() if self._keeps_padding else self.pack(self.mask)

    def pack(self, padded: Tensor) -> Tensor:
        """Drop padding, whatever it holds. `(B, L, ...)` -> `(N, ...)`."""
        tokens = padded.flatten(0, 1)
        if self._index is not None:
            return tokens.index_select(0, self._index)
        return self._without_padding(tokens) if self._keeps_padding else tokens

    def pad(self, tokens: Tensor) -> Tensor:
        """Put packed tokens back. `(N, ...)` -> `(B, L, ...)`, zero at padding."""
        if self._index is not None:
            flat = tokens.new_zeros(self.mask.numel(), *tokens.shape[1:])
            tokens = flat.index_copy_(0, self._index, tokens)
        elif self._keeps_padding:
            tokens = self._without_padding(tokens)
        return tokens.reshape(*self.mask.shape, *tokens.shape[1:])

    def _without_padding(self, tokens: Tensor) -> Tensor:
        """Put zeros at padding, not by a product, which would keep its NaN. `(B * L, ...)` -> the same shape."""
        valid = self.mask.flatten().view(-1, *[1] * (tokens.dim() - 1))
        # onnxruntime fills no bool
        return tokens & valid if tokens.dtype == torch.bool else tokens.masked_fill(~valid, 0.0)

    def split(self, tokens: Tensor) -> tuple[Tensor, ...]:
        """Split packed tokens `(N, ...)` by `groups`: `(N_g, ...)` each."""
        return (tokens,) if self._order is None else tokens.split(self._counts)

    def over_sentences(self, function: Callable[..., Tensor], *tokens: Tensor) -> Tensor:
        """
        Apply `function(*(B_g, L_g, ...)) -> (B_g, ...)` to each group of packed tokens `(N, ...)`, zero at padding.

        Returns:
            `Tensor` of shape `(B, ...)`, in the order of the batch.
        """
        split = zip(self.groups, *(self.split(each) for each in tokens))
        results = [function(*(group.pad(each) for each in some)) for group, *some in split]
        if self._order is None:
            return results[0]
        return torch.cat(results).index_select(0, self._order.argsort())

    def split_pairs(self, pairs: Tensor) -> list[Tensor]:
        """
        Split pairs of tokens by `groups`. `(B, L, L)` bool -> `(B_g, L_g, L_g)` each; in bits, `(B, L, ceil(L / 8))`
        uint8 -> `(B_g, L_g, ceil(L_g / 8))` each; padding may hold anything.
        """
        if self._order is None:
            return [pairs]
        length = self.mask.shape[1]
        places = [group.pad(some) for group, some in zip(self.groups, self.split(self._index))]  # (B_g, L_g) each
        if pairs.dtype == torch.bool:
            return [pairs.flatten(0, 1)[place[:, :, None], place[:, None, :] % length] for place in places]

        def columns_of(rows: Tensor, place: Tensor) -> Tensor:
            return pack_bits(unpack_bits(rows, length).take_along_dim(place[:, None] % length, dim=2))

        return [
            torch.cat([columns_of(pairs.flatten(0, 1)[rows], place) for rows in place.split(_ROWS, dim=1)], dim=1)
            for place in places
        ]

    def join_pairs(self, pairs: list[Tensor]) -> Tensor:
        """Join what `split_pairs` splits. `(B_g, L_g, L_g)` bool each -> `(B, L, L)`, False at padding."""
        if self._order is None:
            return pairs[0]
        length = self.mask.shape[1]
        joined = self.mask.new_zeros(self.mask.numel(), length)
        for group, some, each in zip(self.groups, self.split(self._index), pairs):
            place = group.pad(some)  # (B_g, L_g)
            sentence, row, column = each.nonzero(as_tuple=True)
            joined[place[sentence, row], place[sentence, column] % length] = True
        return joined.view(*self.mask.shape, length)


def _of_like_length(lengths: list[int], padded: int, worth: int) -> list[list[int]] | None:
    """Cut lengths, in falling order, where that saves the most pairs; None where no group is worth it."""
    if not lengths:
        return None
    groups = _cut(lengths, worth)
    return groups if len(groups) > 1 or len(lengths) * (padded**2 - lengths[0] ** 2) >= worth else None


def _cut(lengths: list[int], worth: int) -> list[list[int]]:
    saved = [(len(lengths) - cut) * (lengths[0] ** 2 - length**2) for cut, length in enumerate(lengths)]
    cut = saved.index(max(saved))
    return [lengths] if saved[cut] < worth else _cut(lengths[:cut], worth) + _cut(lengths[cut:], worth)
