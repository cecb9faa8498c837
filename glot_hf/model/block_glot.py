# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
The residual token block (`block="residual"`): a small pre-norm network of each token, with one optional graph term.

Beside the paper's graph layers, which it takes the place of: those see raw states and have neither norm nor residual.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from .graph_glot import TokenGraph


class ResidualLayer(nn.Module):
    r"""
    One layer: :math:`u_i = \text{LN}(h_i)`, with a graph :math:`u_i \mathrel{+}= \text{mean}_{j \in N_i} V u_j` (the
    self edge in :math:`N_i` as in the graph), and :math:`h_i \mathrel{+}= W_2 \, \text{gelu}(W_1 u_i + b_1) + b_2`.

    Args:
        size (`int`): width H.
        dropout (`float`): chance that a number is dropped, after gelu and before the sum.
        has_graph (`bool`): whether there is a V.
    """

    def __init__(self, size: int, dropout: float, has_graph: bool):
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.lin_graph = nn.Linear(size, size, bias=False) if has_graph else None  # V
        self.lin_in = nn.Linear(size, size)  # W_1, b_1; a wider one was no better (docs/recipe.md)
        self.lin_out = nn.Linear(size, size)  # W_2, b_2
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, graph: TokenGraph | None) -> Tensor:
        """`(N, H)` -> `(N, H)`."""
        normed = self.norm(hidden)  # (N, H)
        if self.lin_graph is not None and graph is not None:
            normed = normed + graph.mean(self.lin_graph(normed))  # (N, H)
        inner = self.dropout(F.gelu(self.lin_in(normed)))  # (N, H)
        return hidden + self.dropout(self.lin_out(inner))  # (N, H)


class ResidualBlock(nn.Module):
    """
    A linear map of each token to width H, the layers, and a last norm. PyTorch's own initialisation throughout.

    Args:
        in_size (`int`): width d of the tokens.
        size (`int`): width H.
        num_layers (`int`): K.
        dropout (`float`): chance that a number is dropped, also of the tokens themselves; in training mode alone.
        has_graph (`bool`): whether the layers have the graph term.
    """

    def __init__(self, in_size: int, size: int, num_layers: int, dropout: float, has_graph: bool):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.lin = nn.Linear(in_size, size)
        self.layers = nn.ModuleList(ResidualLayer(size, dropout, has_graph) for _ in range(num_layers))
        self.norm = nn.LayerNorm(size)

    def forward(self, tokens: Tensor, graph: TokenGraph | None) -> Tensor:
        """
        Args:
            tokens (`Tensor` of shape `(N, d)`): packed tokens.
            graph ([`TokenGraph`]): of the tokens; None without a graph term.

        Returns:
            `Tensor` of shape `(N, H)`.
        """
        hidden = self.lin(self.dropout(tokens))  # (N, H)
        for layer in self.layers:
            hidden = layer(hidden, graph)  # (N, H)
        return self.norm(hidden)
