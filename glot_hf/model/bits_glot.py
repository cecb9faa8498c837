# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
Eight booleans a byte: what token graphs are kept in.

Bit `k` of byte `j` is column `8 j + k`, as in `numpy.packbits(..., bitorder="little")`, so that a row of a graph that
is padded on the right is padded with zero bytes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def pack_bits(values: Tensor) -> Tensor:
    """Pack booleans along the last dimension. `(..., L)` bool -> `(..., ceil(L / 8))` uint8."""
    values = F.pad(values, (0, -values.shape[-1] % 8)).view(torch.uint8)
    packed = values[..., 0::8].clone()
    for bit in range(1, 8):
        packed |= values[..., bit::8] << bit
    return packed


def unpack_bits(packed: Tensor, length: int) -> Tensor:
    """Undo [`pack_bits`]. `(..., ceil(length / 8))` uint8 -> `(..., length)` bool."""
    # Eight booleans are moved at a time, as one number of 64 bits: many times faster than a shift for each bit.
    values = torch.arange(256, dtype=torch.uint8, device=packed.device)
    bits = values[:, None] >> torch.arange(8, dtype=torch.uint8, device=packed.device) & 1  # (256, 8)
    words = bits.view(torch.int64).squeeze(1).index_select(0, packed.flatten().int())
    return words.view(torch.bool).view(*packed.shape[:-1], 8 * packed.shape[-1])[..., :length]
