# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
Graph layers over a batch of dense, masked adjacencies.

Every layer maps `(hidden_states (B, L, in), adjacency (B, L, L) bool, mask (B, L) bool)` to `(B, L, out)`, leaves
padded rows at zero, and computes what the PyTorch Geometric layer of the same name computes on the equivalent sparse
graph, with the same parameter names where that layer has them.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _with_self_loops(adjacency: Tensor) -> Tensor:
    """Adds every self edge, those of padded rows too, so that no row of a softmax is empty. `(B, L, L)` bool."""
    return adjacency | torch.eye(adjacency.shape[-1], dtype=torch.bool, device=adjacency.device)


def _glorot_uniform(weight: nn.Parameter) -> None:
    """Glorot initialisation over the last two dimensions, as PyTorch Geometric does for parameters of any rank."""
    bound = math.sqrt(6.0 / (weight.shape[-2] + weight.shape[-1]))
    nn.init.uniform_(weight, -bound, bound)


class GATLayer(nn.Module):
    r"""
    Graph attention (Velickovic et al., 2018) as `GATConv(edge_dim=1)` with the edge attribute 1 on every edge:

    .. math::
        \text{logit}_{ij} = \text{LeakyReLU}(a_{src} \cdot W h_j + a_{dst} \cdot W h_i + a_{edge} \cdot w_{edge}),
        \quad h'_i = \sum_{j \in N_i \cup \{i\}} \text{softmax}_j(\text{logit}_{ij}) W h_j + b

    PyTorch Geometric gives an isolated token's self edge the attribute 0 instead of 1; such a token attends to itself
    alone, so neither its value nor any gradient depends on it.
    """

    def __init__(self, in_size: int, out_size: int, num_heads: int = 1, negative_slope: float = 0.2):
        super().__init__()
        self.num_heads, self.head_size, self.negative_slope = num_heads, out_size // num_heads, negative_slope
        self.lin = nn.Linear(in_size, out_size, bias=False)
        self.lin_edge = nn.Linear(1, out_size, bias=False)
        self.att_src = nn.Parameter(torch.empty(1, num_heads, self.head_size))
        self.att_dst = nn.Parameter(torch.empty(1, num_heads, self.head_size))
        self.att_edge = nn.Parameter(torch.empty(1, num_heads, self.head_size))
        self.bias = nn.Parameter(torch.empty(out_size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for weight in (self.lin.weight, self.lin_edge.weight, self.att_src, self.att_dst, self.att_edge):
            _glorot_uniform(weight)
        nn.init.zeros_(self.bias)

    def forward(self, hidden_states: Tensor, adjacency: Tensor, mask: Tensor) -> Tensor:
        batch, length, _ = hidden_states.shape
        values = self.lin(hidden_states).view(batch, length, self.num_heads, self.head_size)  # (B, L, heads, C)
        edge = (self.lin_edge.weight.view(1, self.num_heads, self.head_size) * self.att_edge).sum(-1)  # (1, heads)
        source = (values * self.att_src).sum(-1).transpose(1, 2)  # (B, heads, L)
        target = ((values * self.att_dst).sum(-1) + edge).transpose(1, 2)  # (B, heads, L)
        logits = F.leaky_relu(target[:, :, :, None] + source[:, :, None, :], self.negative_slope)  # (B, heads, L, L)
        logits = logits.masked_fill(~_with_self_loops(adjacency)[:, None], -torch.inf)
        mixed = logits.softmax(dim=-1).to(values.dtype) @ values.transpose(1, 2)  # (B, heads, L, C)
        output = mixed.transpose(1, 2).flatten(2) + self.bias  # (B, L, out)
        return output * mask[:, :, None]


class GCNLayer(nn.Module):
    r"""
    Graph convolution (Kipf & Welling, 2017) as `GCNConv`: :math:`H' = D^{-1/2} (A \cup I) D^{-1/2} H W + b`.
    """

    def __init__(self, in_size: int, out_size: int):
        super().__init__()
        self.lin = nn.Linear(in_size, out_size, bias=False)
        self.bias = nn.Parameter(torch.empty(out_size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        _glorot_uniform(self.lin.weight)
        nn.init.zeros_(self.bias)

    def forward(self, hidden_states: Tensor, adjacency: Tensor, mask: Tensor) -> Tensor:
        values = self.lin(hidden_states)  # (B, L, out)
        edges = _with_self_loops(adjacency).to(values.dtype)  # (B, L, L)
        scale = edges.sum(-1, keepdim=True).rsqrt()  # (B, L, 1), D^-1/2
        output = scale * (edges @ (scale * values)) + self.bias  # (B, L, out)
        return output * mask[:, :, None]


class MaskedBatchNorm(nn.BatchNorm1d):
    """Batch norm over the valid tokens of the batch. `(B, L, C)` -> `(B, L, C)`."""

    def forward(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        hidden_states = hidden_states.to(self.running_mean.dtype)
        mean, variance = self.running_mean, self.running_var  # (C,)
        if self.training:
            weight = mask[:, :, None].to(hidden_states.dtype)  # (B, L, 1)
            count = weight.sum().clamp(min=1)
            mean = (hidden_states * weight).sum((0, 1)) / count
            variance = ((hidden_states - mean).square() * weight).sum((0, 1)) / count
            with torch.no_grad():
                unbiased = variance * count / (count - 1).clamp(min=1)
                momentum = self.momentum * mask.any()  # no token, no evidence
                self.running_mean.lerp_(mean, momentum)
                self.running_var.lerp_(unbiased, momentum)
                self.num_batches_tracked.add_(1)
        return (hidden_states - mean) * (variance + self.eps).rsqrt() * self.weight + self.bias


class GINLayer(nn.Module):
    r"""
    Graph isomorphism layer (Xu et al., 2019) as `GINConv(MLP([in, out, out]))` with a fixed epsilon of 0:
    :math:`h'_i = \text{MLP}(h_i + \sum_{j \in N_i} h_j)`. The token graph keeps the self edge in :math:`N_i`, so a
    token counts itself twice. The MLP is Linear, batch norm, ReLU, Linear.
    """

    def __init__(self, in_size: int, out_size: int):
        super().__init__()
        self.lin_in = nn.Linear(in_size, out_size)
        self.norm = MaskedBatchNorm(out_size)
        self.lin_out = nn.Linear(out_size, out_size)

    def messages(self, hidden_states: Tensor) -> Tensor:
        """What each token sends along its edges. `(B, L, in)` -> `(B, L, in)`."""
        return hidden_states

    def forward(self, hidden_states: Tensor, adjacency: Tensor, mask: Tensor) -> Tensor:
        summed = hidden_states + adjacency.to(hidden_states.dtype) @ self.messages(hidden_states)  # (B, L, in)
        hidden = F.relu(self.norm(self.lin_in(summed), mask))  # (B, L, out)
        return self.lin_out(hidden) * mask[:, :, None]


class GINELayer(GINLayer):
    r"""
    GIN with edge attributes (Hu et al., 2020) as `GINEConv(edge_dim=1)` with the attribute 1 on every edge:
    :math:`h'_i = \text{MLP}(h_i + \sum_{j \in N_i} \text{ReLU}(h_j + W_{edge} 1 + b_{edge}))`.
    """

    def __init__(self, in_size: int, out_size: int):
        super().__init__(in_size, out_size)
        self.lin_edge = nn.Linear(1, in_size)

    def messages(self, hidden_states: Tensor) -> Tensor:
        return F.relu(hidden_states + self.lin_edge.weight[:, 0] + self.lin_edge.bias)


class SAGELayer(nn.Module):
    r"""
    The layer as the paper writes it, GraphSAGE (Hamilton et al., 2017) with mean aggregation:
    :math:`h'_i = W [h_i ; \text{mean}_{j \in N_i} h_j] + b`, the self edge in :math:`N_i` as in the graph.
    """

    def __init__(self, in_size: int, out_size: int):
        super().__init__()
        self.lin = nn.Linear(2 * in_size, out_size)

    def forward(self, hidden_states: Tensor, adjacency: Tensor, mask: Tensor) -> Tensor:
        edges = adjacency.to(hidden_states.dtype)  # (B, L, L)
        mean = edges @ hidden_states / edges.sum(-1, keepdim=True).clamp(min=1)  # (B, L, in)
        return self.lin(torch.cat([hidden_states, mean], dim=-1)) * mask[:, :, None]


GNN_LAYERS: dict[str, type[nn.Module]] = {
    "gat": GATLayer,
    "gcn": GCNLayer,
    "gin": GINLayer,
    "gine": GINELayer,
    "sage": SAGELayer,
}
