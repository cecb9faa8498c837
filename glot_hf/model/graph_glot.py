# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
Token graphs, step 1 of GLOT (arXiv 2603.03389), and what graph layers do over them.

[`Edges`] says which tokens are joined, for any block of rows. A [`TokenGraph`] sums and attends over those edges:
[`DenseGraph`] on the whole adjacency `(B, L, L)`, [`BlockedGraph`] on a block of its rows at a time, which long texts
need and whose cosines are computed once and kept as bits, and [`GroupedGraph`] on groups of sentences of like length,
each of which has a graph of its own.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .bits_glot import pack_bits, unpack_bits
from .packing_glot import TokenLayout


# The product of two norms between these bounds does not overflow or vanish in float32.
_SMALLEST_NORM, _LARGEST_NORM = 1e-15, 1e15
_BLOCK = 2**22  # entries of a block of rows (B*R*L), where nobody says how many rows


class Edges(ABC):
    """Which tokens are joined. Each subclass is a kind of graph."""

    @abstractmethod
    def rows(self, start: int, stop: int) -> Tensor:
        """
        Return rows `start` to `stop` of the adjacency: `(B, stop - start, L)` bool, False at padding. They are the
        caller's own, to be changed.
        """

    def kept(self, block_size: int) -> "Edges":
        """Return the same edges in a form whose rows are cheap to read many times; at most `block_size` at a time."""
        return self


class SimilarTokens(Edges):
    r"""
    Join the valid tokens `i, j` of a sentence where `cos(x_i, x_j) > threshold`.

    The cosine is computed in float32 whatever the dtype of the states, also under autocast: half precision would flip
    edges near the threshold. A valid token always has its self edge, unless it is a zero vector, whose cosine with
    every token, itself included, is 0.

    Args:
        tokens (`Tensor` of shape `(N, d)`, floating point): packed token states.
        layout ([`TokenLayout`]): the layout of the tokens.
        threshold (`float`): tau, in [-1, 1).
    """

    def __init__(self, tokens: Tensor, layout: TokenLayout, threshold: float):
        self.mask, self.threshold = layout.mask, threshold
        states = layout.pad(tokens.detach().float())  # (B, L, d)
        norms = torch.linalg.vector_norm(states, dim=-1)  # (B, L), zero at padding
        is_usual = (norms > _SMALLEST_NORM) & (norms < _LARGEST_NORM)
        if torch.compiler.is_compiling() or not (is_usual | ~self.mask).all():
            # Scaled first, so that no square leaves float32; a zero vector stays zero.
            largest = states.abs().amax(dim=-1, keepdim=True)  # (B, L, 1)
            states = states / largest.masked_fill(largest == 0, 1.0)
            norms = torch.linalg.vector_norm(states, dim=-1)  # (B, L), at least 1 or exactly 0
        self.states, self.has_own_edge = states, norms > 0
        self.norms = norms.masked_fill(norms == 0, 1.0)

    def rows(self, start: int, stop: int, first: int = 0) -> Tensor:
        """Return rows `start` to `stop`, from column `first` on: `(B, stop - start, L - first)` bool."""
        with torch.autocast(device_type=self.states.device.type, enabled=False):
            # (B, R, L - first): cosines, times both norms
            products = self.states[:, start:stop] @ self.states[:, first:].transpose(1, 2)
        least = self.threshold * self.norms[:, start:stop, None] * self.norms[:, None, first:]
        joined = (products > least) & self.mask[:, start:stop, None] & self.mask[:, None, first:]
        own = diagonal_rows(start, stop, self.mask)[:, first:] & self.has_own_edge[:, None, first:]
        return joined | own

    def kept(self, block_size: int) -> "PackedEdges":
        """Compute all rows once. The graph is symmetric: half of its cosines are enough, the rest is mirrored."""
        batch, length = self.mask.shape
        bits = torch.zeros(batch, length, -(-length // 8), dtype=torch.uint8, device=self.mask.device)
        for start, stop in _bounds(length, -(-block_size // 8) * 8):  # blocks begin at whole bytes
            joined = self.rows(start, stop, start)  # (B, R, L - start)
            square, right = joined[:, :, : stop - start], joined[:, :, stop - start :]
            square |= square.mT.clone()  # a matrix product may round (i, j) and (j, i) differently
            bits[:, start:stop, start // 8 :] = pack_bits(joined)
            bits[:, stop:, start // 8 : -(-stop // 8)] = pack_bits(right.mT)
        return PackedEdges(bits, self.mask)


class NoOtherTokens(Edges):
    """Join each valid token with itself alone: the control without edges."""

    def __init__(self, mask: Tensor):
        self.mask = mask

    def rows(self, start: int, stop: int) -> Tensor:
        return diagonal_rows(start, stop, self.mask) & self.mask[:, None, :]


class GivenEdges(Edges):
    """The edges of a graph that was computed earlier: `(B, L, L)` bool."""

    def __init__(self, adjacency: Tensor, mask: Tensor):
        self.adjacency, self.mask = adjacency, mask

    def rows(self, start: int, stop: int) -> Tensor:
        return self.adjacency[:, start:stop] & self.mask[:, start:stop, None] & self.mask[:, None, :]


class PackedEdges(Edges):
    """The same in an eighth of the memory: `(B, L, ceil(L / 8))` uint8, as [`~glot_hf.model.bits_glot.pack_bits`]."""

    def __init__(self, bits: Tensor, mask: Tensor):
        self.bits, self.mask, self.valid = bits, mask, pack_bits(mask)

    def rows(self, start: int, stop: int) -> Tensor:
        bits = self.bits[:, start:stop] & self.valid[:, None] * self.mask[:, start:stop, None]
        return unpack_bits(bits, self.mask.shape[1])


def token_graph(hidden_states: Tensor, mask: Tensor, threshold: float, packed: bool = False) -> Tensor:
    """
    Return the whole graph of [`SimilarTokens`], symmetric.

    Args:
        hidden_states (`Tensor` of shape `(B, L, d)`, floating point): token states; padding may hold anything.
        mask (`Tensor` of shape `(B, L)`, bool): True where a token is valid.
        threshold (`float`): tau, in [-1, 1).
        packed (`bool`): return one bit a pair of tokens, to keep graphs in an eighth of the memory. Heads take either.

    Returns:
        `Tensor` of shape `(B, L, L)`, bool: False wherever padding is involved. If `packed`, `(B, L, ceil(L / 8))`
        uint8, where bit `k` of byte `j` is column `8 j + k`.
    """
    layout = TokenLayout(mask)
    edges = SimilarTokens(layout.pack(hidden_states), layout, threshold)
    if packed:
        return edges.kept(rows_of_block(*mask.shape)).bits
    return _whole(edges, mask.shape[1])


def rows_of_block(batch: int, length: int) -> int:
    """Return how many rows of the graphs of a batch are computed at a time, where nobody says otherwise."""
    return max(1, _BLOCK // max(1, batch * length))


def _whole(edges: Edges, length: int) -> Tensor:
    joined = edges.rows(0, length)
    return joined | joined.transpose(1, 2)  # a matrix product may round (i, j) and (j, i) differently


def diagonal_rows(start: int, stop: int, mask: Tensor) -> Tensor:
    """Return rows `start` to `stop` of the identity matrix over the positions of `mask`: `(stop - start, L)` bool."""
    positions = torch.arange(mask.shape[1], device=mask.device)
    return positions[start:stop, None] == positions


class Mixture(NamedTuple):
    """Rows `(B, R, heads * C)` as weighted sums: `weights` `(B, heads, R, L)` times `values` `(B, heads, L, C)`."""

    weights: Tensor
    values: Tensor

    def rows(self) -> Tensor:
        return (self.weights @ self.values).transpose(1, 2).flatten(2)

    def gradients(self, gradient: Tensor) -> dict[Tensor, Tensor]:
        """Return the gradients of weights and of values, those that are needed, from that of the rows."""
        gradient = gradient.unflatten(2, (self.weights.shape[1], -1)).transpose(1, 2)  # (B, heads, R, C)
        factors = {self.weights: lambda: gradient @ self.values.mT, self.values: lambda: self.weights.mT @ gradient}
        return {factor: of().to(factor.dtype) for factor, of in factors.items() if factor.requires_grad}


class TokenGraph(ABC):
    """The token graphs of a batch, and what graph layers do over them, from packed tokens to packed tokens."""

    layout: TokenLayout

    @abstractmethod
    def over_rows(
        self,
        function: Callable[..., Tensor | Mixture],
        rows: list[Tensor],
        columns: list[Tensor],
        self_loops: bool = False,
    ) -> Tensor:
        """
        Apply a function to all rows of all graphs, R rows at a time.

        Args:
            function: `function(neighbours, *rows, *columns)` of shapes `(B, R, L)` bool, `(B, R, ...)` and
                `(B, L, ...)`; returns `(B, R, ...)`, or a [`Mixture`].
            rows, columns (`list[Tensor]`): packed, `(N, ...)` each: what the function reads of a row's own
                token, and of all tokens.
            self_loops (`bool`): let every token, also padding, be its own neighbour.

        Returns:
            `Tensor` of shape `(N, ...)`.
        """

    @abstractmethod
    def adjacency(self) -> Tensor:
        """Return the whole adjacency, `(B, L, L)` bool."""

    def sum(self, tokens: Tensor, self_loops: bool = False) -> Tensor:
        """Sum each token's neighbours, with itself if `self_loops`. `(N, C)` -> `(N, C)`."""

        def rows(neighbours: Tensor, tokens: Tensor) -> Mixture:
            return Mixture(neighbours.to(tokens.dtype)[:, None], tokens[:, None])

        return self.over_rows(rows, [], [tokens], self_loops)

    def degrees(self, self_loops: bool = False) -> Tensor:
        """Count each token's neighbours, with itself if `self_loops`. `(N, 1)` float32."""

        def rows(neighbours: Tensor) -> Tensor:
            return neighbours.sum(-1, keepdim=True, dtype=torch.float32)  # (B, R, 1)

        return self.over_rows(rows, [], [], self_loops)

    def mean(self, tokens: Tensor) -> Tensor:
        """Return the mean of each token's neighbours, zero where it has none. `(N, C)` -> `(N, C)`."""
        return self.sum(tokens) / self.degrees().clamp(min=1).to(tokens.dtype)

    def attend(self, values: Tensor, target: Tensor, source: Tensor, negative_slope: float) -> Tensor:
        r"""
        Return :math:`\sum_j \text{softmax}_j(\text{LeakyReLU}(target_i + source_j)) values_j` over each token's
        neighbours and itself.

        Args:
            values (`Tensor` of shape `(N, heads, C)`), target, source (`Tensor` of shape `(N, heads)`).

        Returns:
            `Tensor` of shape `(N, heads * C)`.
        """

        def rows(neighbours: Tensor, target: Tensor, source: Tensor, values: Tensor) -> Mixture:
            # Adding the lowest number where there is no edge is many times faster than masked_fill, forwards and
            # backwards. No softmax is over nothing, thanks to the self loops.
            is_edge = neighbours.to(source.dtype)[:, None]
            no_edge = is_edge.sub_(1).mul_(torch.finfo(source.dtype).max)  # (B, 1, R, L): 0 or the lowest number
            target, source = target.transpose(1, 2)[:, :, :, None], source.transpose(1, 2)[:, :, None]
            logits = F.leaky_relu((target + source).add_(no_edge), negative_slope, inplace=True)  # (B, heads, R, L)
            return Mixture(logits.softmax(dim=-1).to(values.dtype), values.transpose(1, 2))

        return self.over_rows(rows, [target], [source, values], self_loops=True)


class DenseGraph(TokenGraph):
    """
    The graphs of a batch as one tensor `(B, L, L)`, computed when a layer first needs it.

    Args:
        edges ([`Edges`]): which tokens are joined.
        layout ([`TokenLayout`]): the batch's.
    """

    def __init__(self, edges: Edges, layout: TokenLayout):
        self.edges, self.layout = edges, layout
        self._adjacency = self._with_self_loops = None

    def over_rows(
        self,
        function: Callable[..., Tensor | Mixture],
        rows: list[Tensor],
        columns: list[Tensor],
        self_loops: bool = False,
    ) -> Tensor:
        neighbours = self.adjacency()
        if self_loops:
            if self._with_self_loops is None:
                self._with_self_loops = neighbours | diagonal_rows(0, neighbours.shape[1], self.layout.mask)
            neighbours = self._with_self_loops
        return self.layout.pack(_computed(function(neighbours, *map(self.layout.pad, [*rows, *columns]))))

    def adjacency(self) -> Tensor:
        if self._adjacency is None:
            self._adjacency = _whole(self.edges, self.layout.mask.shape[1])
        return self._adjacency


class BlockedGraph(TokenGraph):
    """
    The graphs of a batch, of which layers see a block of rows at a time, forwards and again backwards. Edges are
    computed once, when a layer first needs them, and kept with one bit a pair: 128 MiB for a text of 32,768 tokens.
    All else grows with L and not with L^2.

    The result is exact, because a softmax over a whole row needs no other row. Only an edge whose cosine is within
    rounding of tau may differ from the dense graph's.

    Args:
        edges ([`Edges`]): which tokens are joined.
        layout ([`TokenLayout`]): the batch's.
        block_size (`int`): rows a block.
    """

    def __init__(self, edges: Edges, layout: TokenLayout, block_size: int):
        self.edges, self.layout, self.block_size = edges, layout, block_size

    def rows(self, start: int, stop: int) -> Tensor:
        """Return rows `start` to `stop` of the adjacency: `(B, stop - start, L)` bool."""
        self.edges = self.edges.kept(self.block_size)  # what is kept already stays as it is
        return self.edges.rows(start, stop)

    def over_rows(
        self,
        function: Callable[..., Tensor | Mixture],
        rows: list[Tensor],
        columns: list[Tensor],
        self_loops: bool = False,
    ) -> Tensor:
        def block(start: int, stop: int, *tensors: Tensor) -> Tensor | Mixture:
            parts = [tensor[:, start:stop] if i < len(rows) else tensor for i, tensor in enumerate(tensors)]
            with torch.no_grad():
                neighbours = self.rows(start, stop)
                if self_loops:
                    neighbours.diagonal(start, 1, 2).fill_(True)
            return function(neighbours, *parts)

        padded = [self.layout.pad(tokens) for tokens in (*rows, *columns)]
        return self.layout.pack(over_blocks(block, self.layout.mask.shape[1], self.block_size, *padded))

    def adjacency(self) -> Tensor:
        bounds = _bounds(self.layout.mask.shape[1], self.block_size)
        return torch.cat([self.rows(start, stop) for start, stop in bounds], dim=1)


def over_blocks(function: Callable[..., Tensor | Mixture], length: int, block_size: int, *tensors: Tensor) -> Tensor:
    """
    Apply a function to all rows, at most `block_size` at a time. The backward pass computes each block again.

    Args:
        function: `function(start, stop, *tensors)` returns rows `start` to `stop`, `(B, stop - start, ...)`, or a
            [`Mixture`], whose product the backward pass does not compute again.
        length (`int`): the number of all rows, L.
        tensors (`Tensor`): what gradients are computed for.

    Returns:
        `Tensor` of shape `(B, L, ...)`.
    """
    return _OverBlocks.apply(_Blocks(function, _bounds(length, block_size)), *tensors)


def _computed(block: Tensor | Mixture) -> Tensor:
    return block if isinstance(block, Tensor) else block.rows()


def _bounds(length: int, block_size: int) -> list[tuple[int, int]]:
    starts = range(0, max(1, length), block_size)  # one empty block where there is no token at all
    return [(start, min(start + block_size, length)) for start in starts]


@dataclass
class _Blocks:
    """The `function` of [`over_blocks`], and the bounds of all blocks."""

    function: Callable[..., Tensor | Mixture]
    bounds: list[tuple[int, int]]


class _OverBlocks(torch.autograd.Function):
    """
    Compute a result block by block, and each block again for its gradient.

    torch.utils.checkpoint would do so too, but it keeps small tensors alive between the large ones that it frees: the
    C library's heap then cannot reuse the gaps and grows by each block, so memory grows with L^2 after all.
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
        result: Any = None
        for start, stop in blocks.bounds:
            block = _computed(blocks.function(start, stop, *tensors))
            if result is None:
                result = block.new_empty(block.shape[0], blocks.bounds[-1][1], *block.shape[2:])
            result[:, start:stop] = block
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        # needs_input_grad begins with `blocks`. Sums are in float32: half precision would lose small terms.
        tensors = [
            tensor.detach().requires_grad_(needed)
            for tensor, needed in zip(ctx.saved_tensors, ctx.needs_input_grad[1:])
        ]
        wanted = [tensor for tensor in tensors if tensor.requires_grad]
        sums = [torch.zeros_like(tensor, dtype=torch.promote_types(tensor.dtype, torch.float32)) for tensor in wanted]
        for start, stop in ctx.blocks.bounds:
            with torch.enable_grad(), torch.autocast(**ctx.autocast):
                block, of_block = ctx.blocks.function(start, stop, *tensors), gradient[:, start:stop]
            with torch.autocast(**ctx.autocast):
                known = {block: of_block} if isinstance(block, Tensor) else block.gradients(of_block)
            for total, term in zip(sums, torch.autograd.grad(list(known), wanted, list(known.values()))):
                total += term
        gradients = iter([total.to(tensor.dtype) for total, tensor in zip(sums, wanted)])
        return None, *(next(gradients) if tensor.requires_grad else None for tensor in tensors)


class GroupedGraph(TokenGraph):
    """
    The graphs of a batch that is packed in groups of sentences of like length.

    Args:
        graphs (`list[TokenGraph]`): one for each of the layout's groups.
        layout ([`TokenLayout`]): the batch's.
    """

    def __init__(self, graphs: list[TokenGraph], layout: TokenLayout):
        self.graphs, self.layout = graphs, layout

    def over_rows(
        self,
        function: Callable[..., Tensor | Mixture],
        rows: list[Tensor],
        columns: list[Tensor],
        self_loops: bool = False,
    ) -> Tensor:
        tokens = [self.layout.split(each) for each in (*rows, *columns)]
        split = [[each[group] for each in tokens] for group in range(len(self.graphs))]
        results = [
            graph.over_rows(function, some[: len(rows)], some[len(rows) :], self_loops)
            for graph, some in zip(self.graphs, split)
        ]
        return torch.cat(results)

    def adjacency(self) -> Tensor:
        return self.layout.join_pairs([graph.adjacency() for graph in self.graphs])
