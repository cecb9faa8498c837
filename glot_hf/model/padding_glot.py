# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Padding that a backbone must not notice: moved to the right, or taken out."""

from collections.abc import Iterator

import torch
from torch import Tensor


class LeftPadding:
    """Rolls each row of a batch by the number of padded positions before its first token, and back."""

    def __init__(self, mask: Tensor):
        padded = (mask.cumsum(dim=1) == 0).sum(dim=1, keepdim=True)  # (B, 1)
        positions = torch.arange(mask.shape[1], device=mask.device)  # (L,)
        length = positions[-1:] + 1  # a tensor: ONNX knows no remainder of a size
        self._right = (positions + padded) % length  # (B, L)
        self._left = (positions - padded) % length  # (B, L)

    def to_right(self, tensor: Tensor) -> Tensor:
        return self._take(tensor, self._right, dim=1)

    def to_left(self, tensor: Tensor, dim: int = 1) -> Tensor:
        return self._take(tensor, self._left, dim)

    @staticmethod
    def _take(tensor: Tensor, index: Tensor, dim: int) -> Tensor:
        shape = [1] * tensor.dim()
        shape[0], shape[dim] = index.shape
        # What torch.take_along_dim does, which cannot be exported with any length.
        tensor, index = torch.broadcast_tensors(tensor, index.to(tensor.device).view(shape))
        return tensor.gather(dim, index)


class EqualLengths:
    """Some rows of a batch, all of `l` tokens: without their padding, and back among the others."""

    def __init__(self, rows: Tensor, mask: Tensor):
        self._shape = mask.shape  # B, L
        self._rows = rows[:, None]  # (n, 1)
        self._positions = mask[rows].nonzero()[:, 1].view(len(rows), -1)  # (n, l)

    @classmethod
    def groups(cls, mask: Tensor) -> Iterator["EqualLengths"]:
        """All rows of a mask `(B, L)`; one of padding alone is taken as one token, which nobody will read."""
        mask = mask.bool()
        mask = torch.cat([mask[:, :1] | ~mask.any(dim=1, keepdim=True), mask[:, 1:]], dim=1)
        lengths = mask.sum(dim=1)
        for length in lengths.unique():
            yield cls((lengths == length).nonzero()[:, 0], mask)

    def take(self, tensor: Tensor) -> Tensor:
        """`(B, L, ...)`, or `(1, L, ...)` for all rows -> `(n, l, ...)`"""
        return tensor.expand(self._shape[0], *tensor.shape[1:])[self._rows, self._positions]

    def put(self, tensor: Tensor, among: Tensor | None) -> Tensor:
        """`(n, l, ...)` into those of the other rows, `(B, L, ...)`: zeros at first."""
        if among is None:
            among = tensor.new_zeros(*self._shape, *tensor.shape[2:])
        return among.index_put((self._rows.to(tensor.device), self._positions.to(tensor.device)), tensor)
