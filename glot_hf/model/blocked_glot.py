# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Long documents: the same graph and the same layers, a block of rows at a time, so that memory grows with L."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .graph_glot import Edges, TokenGraph, diagonal_rows
from .packing_glot import TokenLayout


class BlockedGraph(TokenGraph):
    """
    A graph of which no more than a block of rows is ever in memory: each block is made when a layer needs it, and made
    again in the backward pass. It is exact: a row is whole, so a softmax over it needs no other. An edge whose cosine
    is within rounding of tau may differ from the dense graph's.

    Args:
        edges ([`Edges`]): of the batch.
        layout ([`TokenLayout`]): of the batch.
        block_size (`int`): rows a block.
    """

    def __init__(self, edges: Edges, layout: TokenLayout, block_size: int):
        self.edges, self.layout, self.block_size = edges, layout, block_size

    def over_rows(
        self, function: Callable[..., Tensor], rows: list[Tensor], columns: list[Tensor], self_loops: bool = False
    ) -> Tensor:
        def of_block(start: int, stop: int, *tensors: Tensor) -> Tensor:
            tensors = [tensor[:, start:stop] if i < len(rows) else tensor for i, tensor in enumerate(tensors)]
            with torch.no_grad():
                neighbours = self.edges.rows(start, stop)
                if self_loops:
                    neighbours = neighbours | diagonal_rows(start, stop, self.layout.mask)
            return function(neighbours, *tensors)

        padded = [self.layout.pad(tokens) for tokens in (*rows, *columns)]
        return self.layout.pack(over_blocks(of_block, self.layout.mask.shape[1], self.block_size, *padded))

    def adjacency(self) -> Tensor:
        blocks = _bounds(self.layout.mask.shape[1], self.block_size)
        return torch.cat([self.edges.rows(start, stop) for start, stop in blocks], dim=1)


def over_blocks(function: Callable[..., Tensor], length: int, block_size: int, *tensors: Tensor) -> Tensor:
    """
    `function(start, stop, *tensors) -> (B, stop - start, ...)` of the rows from 0 to `length`, at most `block_size` at
    a time, joined to `(B, length, ...)`. Gradients are of `tensors` alone; they compute each block again.
    """
    return _OverBlocks.apply(_Blocks(function, _bounds(length, block_size)), *tensors)


def _bounds(length: int, block_size: int) -> list[tuple[int, int]]:
    starts = range(0, max(1, length), block_size)  # one empty block where there is no token at all
    return [(start, min(start + block_size, length)) for start in starts]


@dataclass
class _Blocks:
    """`function(start, stop, *tensors) -> (B, stop - start, ...)`, and the rows of each block."""

    function: Callable[..., Tensor]
    bounds: list[tuple[int, int]]


class _OverBlocks(torch.autograd.Function):
    """
    The blocks of a result, one after the other, each computed again for its gradient.

    Not torch's checkpoint, which makes small tensors that live on between the large ones that do not: where they lie
    in between, a C library's heap grows by the large ones, block after block, and so with L^2.
    """

    @staticmethod
    def forward(ctx: Any, blocks: _Blocks, *tensors: Tensor) -> Tensor:
        ctx.blocks = blocks
        device = tensors[0].device.type if tensors else "cpu"
        ctx.autocast = {
            "device_type": device,
            "dtype": torch.get_autocast_dtype(device),
            "enabled": torch.is_autocast_enabled(device),
        }
        ctx.save_for_backward(*tensors)
        result = None
        for start, stop in blocks.bounds:
            block = blocks.function(start, stop, *tensors)
            if result is None:
                result = block.new_empty(block.shape[0], blocks.bounds[-1][1], *block.shape[2:])
            result[:, start:stop] = block
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        # The first input is `blocks`. Many small terms are summed: half precision would lose them.
        tensors = [
            tensor.detach().requires_grad_(needed)
            for tensor, needed in zip(ctx.saved_tensors, ctx.needs_input_grad[1:])
        ]
        wanted = [tensor for tensor in tensors if tensor.requires_grad]
        sums = [torch.zeros_like(tensor, dtype=torch.promote_types(tensor.dtype, torch.float32)) for tensor in wanted]
        for start, stop in ctx.blocks.bounds:
            with torch.enable_grad(), torch.autocast(**ctx.autocast):
                block = ctx.blocks.function(start, stop, *tensors)
            for total, term in zip(sums, torch.autograd.grad(block, wanted, gradient[:, start:stop])):
                total += term
        gradients = iter([total.to(tensor.dtype) for total, tensor in zip(sums, wanted)])
        return None, *(next(gradients) if tensor.requires_grad else None for tensor in tensors)
