# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Token graphs: hidden states -> masked adjacency (step 1 of GLOT, arXiv 2603.03389), and what layers do over it."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .packing_glot import TokenLayout


# Between these, neither the norms of two vectors nor their product leave float32.
_SMALLEST_NORM, _LARGEST_NORM = 1e-15, 1e15


class Edges(ABC):
    """Which tokens are joined, of any block of rows. Its subclasses are the kinds of graph."""

    @abstractmethod
    def rows(self, start: int, stop: int) -> Tensor:
        """The adjacency of tokens `start` to `stop`: `(B, stop - start, L)` bool, False where padding is involved."""


class SimilarTokens(Edges):
    r"""
    Joins the valid tokens `i, j` of a sentence where `cos(x_i, x_j) > threshold`.

    The cosine is taken in float32 whatever the dtype of the states, also under autocast: near the threshold the graph
    is discontinuous, and half precision would flip edges. It is exact on the diagonal: a valid token that is not a
    zero vector always has its self edge. A zero vector has cosine 0 with every token, itself included.

    Args:
        tokens (`Tensor` of shape `(N, d)`, floating point): packed token states.
        layout ([`TokenLayout`]): theirs.
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

    def rows(self, start: int, stop: int) -> Tensor:
        with torch.autocast(device_type=self.states.device.type, enabled=False):
            products = self.states[:, start:stop] @ self.states.transpose(1, 2)  # (B, R, L): cosines, times both norms
        least = self.threshold * self.norms[:, start:stop, None] * self.norms[:, None, :]
        joined = (products > least) & self.mask[:, start:stop, None] & self.mask[:, None, :]
        return joined | (diagonal_rows(start, stop, self.mask) & self.has_own_edge[:, None, :])


class NoOtherTokens(Edges):
    """The control without edges: each valid token joined with itself alone."""

    def __init__(self, mask: Tensor):
        self.mask = mask

    def rows(self, start: int, stop: int) -> Tensor:
        return diagonal_rows(start, stop, self.mask) & self.mask[:, None, :]


class GivenEdges(Edges):
    """A graph that was computed earlier: `(B, L, L)` bool."""

    def __init__(self, adjacency: Tensor, mask: Tensor):
        self.adjacency, self.mask = adjacency, mask

    def rows(self, start: int, stop: int) -> Tensor:
        return self.adjacency[:, start:stop] & self.mask[:, start:stop, None] & self.mask[:, None, :]


def token_graph(hidden_states: Tensor, mask: Tensor, threshold: float) -> Tensor:
    """
    The whole graph of [`SimilarTokens`], symmetric.

    Args:
        hidden_states (`Tensor` of shape `(B, L, d)`, floating point): token states; padding may hold anything.
        mask (`Tensor` of shape `(B, L)`, bool): True where a token is valid.
        threshold (`float`): tau, in [-1, 1).

    Returns:
        `Tensor` of shape `(B, L, L)`, bool: False wherever padding is involved.
    """
    layout = TokenLayout(mask)
    return _whole(SimilarTokens(layout.pack(hidden_states), layout, threshold), mask.shape[1])


def _whole(edges: Edges, length: int) -> Tensor:
    joined = edges.rows(0, length)
    return joined | joined.transpose(1, 2)  # a matrix product may round (i, j) and (j, i) differently


def diagonal_rows(start: int, stop: int, mask: Tensor) -> Tensor:
    """Rows `start` to `stop` of the unit matrix over the positions of `mask`. `(stop - start, L)` bool."""
    positions = torch.arange(mask.shape[1], device=mask.device)
    return positions[start:stop, None] == positions


class TokenGraph(ABC):
    """What graph layers do over the token graphs of a batch, from packed tokens to packed tokens."""

    layout: TokenLayout

    @abstractmethod
    def over_rows(
        self, function: Callable[..., Tensor], rows: list[Tensor], columns: list[Tensor], self_loops: bool = False
    ) -> Tensor:
        """
        `function(neighbours (B, R, L) bool, *rows (B, R, ...), *columns (B, L, ...))`, which gives `(B, R, ...)`, for
        all rows of all graphs; `rows`, `columns` and the result are packed, `(N, ...)`. With `self_loops`, every row
        has its own token among its neighbours, those of padding too.
        """

    @abstractmethod
    def adjacency(self) -> Tensor:
        """`(B, L, L)` bool."""

    def sum(self, tokens: Tensor, self_loops: bool = False) -> Tensor:
        """Each token's neighbours summed up, with itself if `self_loops`. `(N, C)` -> `(N, C)`."""

        def rows(neighbours: Tensor, tokens: Tensor) -> Tensor:
            return neighbours.to(tokens.dtype) @ tokens  # (B, R, C)

        return self.over_rows(rows, [], [tokens], self_loops)

    def degrees(self, self_loops: bool = False) -> Tensor:
        """The number of each token's neighbours. `(N, 1)` float."""

        def rows(neighbours: Tensor) -> Tensor:
            return neighbours.sum(-1, keepdim=True, dtype=torch.float32)  # (B, R, 1)

        return self.over_rows(rows, [], [], self_loops)

    def attend(self, values: Tensor, target: Tensor, source: Tensor, negative_slope: float) -> Tensor:
        r"""
        :math:`\sum_j \text{softmax}_j(\text{LeakyReLU}(target_i + source_j)) values_j` over each token's neighbours
        and itself.

        Args:
            values (`Tensor` of shape `(N, heads, C)`), target, source (`Tensor` of shape `(N, heads)`).

        Returns:
            `Tensor` of shape `(N, heads * C)`.
        """

        def rows(neighbours: Tensor, target: Tensor, source: Tensor, values: Tensor) -> Tensor:
            # Where there is no edge, the lowest number is added: many times faster than filling by a mask, here and
            # backwards. No softmax is empty, thanks to the self loops.
            is_edge = neighbours.to(source.dtype)[:, None]
            no_edge = is_edge.sub_(1).mul_(torch.finfo(source.dtype).max)  # (B, 1, R, L): 0 or the lowest number
            target, source = target.transpose(1, 2)[:, :, :, None], source.transpose(1, 2)[:, :, None]
            logits = F.leaky_relu(target + source, negative_slope)  # (B, heads, R, L)
            weights = logits.add_(no_edge).softmax(dim=-1)
            return (weights.to(values.dtype) @ values.transpose(1, 2)).transpose(1, 2).flatten(2)  # (B, R, heads * C)

        return self.over_rows(rows, [target], [source, values], self_loops=True)


class DenseGraph(TokenGraph):
    """
    The graphs of a batch as one tensor, made when a layer first needs it.

    Args:
        edges ([`Edges`]): of the batch.
        layout ([`TokenLayout`]): of the batch.
    """

    def __init__(self, edges: Edges, layout: TokenLayout):
        self.edges, self.layout = edges, layout
        self._adjacency = self._with_self_loops = None

    def over_rows(
        self, function: Callable[..., Tensor], rows: list[Tensor], columns: list[Tensor], self_loops: bool = False
    ) -> Tensor:
        neighbours = self.adjacency()
        if self_loops:
            if self._with_self_loops is None:
                self._with_self_loops = neighbours | diagonal_rows(0, neighbours.shape[1], self.layout.mask)
            neighbours = self._with_self_loops
        return self.layout.pack(function(neighbours, *map(self.layout.pad, [*rows, *columns])))

    def adjacency(self) -> Tensor:
        if self._adjacency is None:
            self._adjacency = _whole(self.edges, self.layout.mask.shape[1])
        return self._adjacency


class GroupedGraph(TokenGraph):
    """
    The graphs of a batch that is packed in groups of like length.

    Args:
        graphs (`list[TokenGraph]`): of each of the layout's groups.
        layout ([`TokenLayout`]): of the batch.
    """

    def __init__(self, graphs: list[TokenGraph], layout: TokenLayout):
        self.graphs, self.layout = graphs, layout

    def over_rows(
        self, function: Callable[..., Tensor], rows: list[Tensor], columns: list[Tensor], self_loops: bool = False
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
