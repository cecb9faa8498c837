# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Long documents: the same graph and the same layers, a block of rows at a time, so that memory grows with L."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from .graph_glot import Edges, TokenGraph, diagonal_rows
from .packing_glot import TokenLayout


class BlockedGraph(TokenGraph):
    """
    A graph of which no more than a block of rows is ever in memory: each block is made when a layer needs it, and made
    again in the backward pass. It is exact: a row is whole, so a softmax over it needs no other. An edge whose cosine
    is within rounding of tau may differ from the dense graph's.

    Args:
        block_size (`int`): rows a block.
    """

    def __init__(self, edges: Edges, layout: TokenLayout, block_size: int):
        super().__init__(edges, layout)
        self.block_size = block_size

    def over_rows(self, function: Callable[..., Tensor], *row_tensors: Tensor) -> Tensor:
        def block(start: int, stop: int, *rows: Tensor) -> Tensor:
            with torch.no_grad():
                adjacency = self.edges.rows(start, stop)
            return function(adjacency, diagonal_rows(start, stop, self.layout.mask), *rows)

        length, blocks = self.layout.mask.shape[1], []
        for start in range(0, length, self.block_size):
            stop = min(start + self.block_size, length)
            rows = [tensor[:, start:stop] for tensor in row_tensors]
            blocks.append(checkpoint(block, start, stop, *rows, use_reentrant=False, preserve_rng_state=False))
        return torch.cat(blocks, dim=1)
