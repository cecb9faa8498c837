# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
Graph layers: GAT, GCN, GIN, GINE and GraphSAGE.

Every layer maps packed tokens `(N, in)` and their [`TokenGraph`] to `(N, out)`, and computes what the PyTorch
Geometric layer of the same name computes on the equivalent sparse graph, with the same parameter names where that
layer has them.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .graph_glot import TokenGraph
from .precision_glot import at_least_float32
from .processes_glot import sum_over_processes


def _glorot_uniform(weight: Tensor) -> None:
    """Initialise within Glorot's bound over the last two dimensions, PyTorch Geometric's way for any rank."""
    bound = math.sqrt(6.0 / (weight.shape[-2] + weight.shape[-1]))
    nn.init.uniform_(weight, -bound, bound)


class GATLayer(nn.Module):
    r"""
    Graph attention (Velickovic et al., 2018), the same as `GATConv(edge_dim=1)` with the attribute 1 on each edge:

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

    def forward(self, tokens: Tensor, graph: TokenGraph) -> Tensor:
        values = self.lin(tokens).unflatten(-1, (self.num_heads, self.head_size))  # (N, heads, C)
        edge = (self.lin_edge.weight.view(1, self.num_heads, self.head_size) * self.att_edge).sum(-1)  # (1, heads)
        scorers = torch.cat([self.att_src, self.att_dst])  # (2, heads, C)
        source, target = torch.einsum("nhc,shc->snh", values, scorers)  # (N, heads) each
        return graph.attend(values, target + edge, source, self.negative_slope) + self.bias  # (N, out)


class GCNLayer(nn.Module):
    r"""
    Graph convolution (Kipf & Welling, 2017), the same as `GCNConv`: :math:`H' = D^{-1/2} (A \cup I) D^{-1/2} H W + b`.
    """

    def __init__(self, in_size: int, out_size: int):
        super().__init__()
        self.lin = nn.Linear(in_size, out_size, bias=False)
        self.bias = nn.Parameter(torch.empty(out_size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        _glorot_uniform(self.lin.weight)
        nn.init.zeros_(self.bias)

    def forward(self, tokens: Tensor, graph: TokenGraph) -> Tensor:
        values = self.lin(tokens)  # (N, out)
        scale = graph.degrees(self_loops=True).clamp(min=1).rsqrt().to(values.dtype)  # (N, 1), D^-1/2
        return scale * graph.sum(scale * values, self_loops=True) + self.bias


class MaskedBatchNorm(nn.BatchNorm1d):
    """
    Batch norm over the valid tokens of the batch, in all processes that train together. It also takes one token or
    none. `(N, C), (N,)` -> `(N, C)`.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def forward(self, tokens: Tensor, is_valid: Tensor) -> Tensor:
        tokens = at_least_float32(tokens)  # in float16 eps and small variances round to 0
        mean, variance = at_least_float32(self.running_mean), at_least_float32(self.running_var)  # (C,)
        if self.training:
            weight = is_valid[:, None].to(tokens.dtype)  # (N, 1)
            count, total = sum_over_processes(weight.sum(), (tokens * weight).sum(0))
            momentum = self.momentum * (count > 0)  # no token, no evidence
            count = count.clamp(min=1)
            mean = total / count
            (squares,) = sum_over_processes(((tokens - mean).square() * weight).sum(0))
            variance = squares / count
            with torch.no_grad():
                unbiased = variance * count / (count - 1).clamp(min=1)
                self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
                self.running_var.lerp_(unbiased.to(self.running_var.dtype), momentum)
                self.num_batches_tracked.add_(1)
        normed = (tokens - mean) * (variance + self.eps).rsqrt() * self.weight + self.bias
        return normed.to(self.weight.dtype)


class GINLayer(nn.Module):
    r"""
    Graph isomorphism layer (Xu et al., 2019), the same as `GINConv(MLP([in, out, out]))` with a fixed epsilon of 0:
    :math:`h'_i = \text{MLP}(h_i + \sum_{j \in N_i} h_j)`. The token graph keeps the self edge in :math:`N_i`, so a
    token counts itself twice. The MLP is Linear, batch norm, ReLU, Linear.
    """

    def __init__(self, in_size: int, out_size: int):
        super().__init__()
        self.lin_in = nn.Linear(in_size, out_size)
        self.norm = MaskedBatchNorm(out_size)
        self.lin_out = nn.Linear(out_size, out_size)

    def messages(self, tokens: Tensor) -> Tensor:
        """Return what each token sends along its edges. `(N, in)` -> `(N, in)`."""
        return tokens

    def forward(self, tokens: Tensor, graph: TokenGraph) -> Tensor:
        summed = tokens + graph.sum(self.messages(tokens))  # (N, in)
        hidden = F.relu(self.norm(self.lin_in(summed), graph.layout.is_valid))  # (N, out)
        return self.lin_out(hidden)


class GINELayer(GINLayer):
    r"""
    GIN with edge attributes (Hu et al., 2020), the same as `GINEConv(edge_dim=1)` with the attribute 1 on each edge:
    :math:`h'_i = \text{MLP}(h_i + \sum_{j \in N_i} \text{ReLU}(h_j + W_{edge} 1 + b_{edge}))`.
    """

    def __init__(self, in_size: int, out_size: int):
        super().__init__(in_size, out_size)
        self.lin_edge = nn.Linear(1, in_size)

    def messages(self, tokens: Tensor) -> Tensor:
        return F.relu(tokens + self.lin_edge.weight[:, 0] + self.lin_edge.bias)


class SAGELayer(nn.Module):
    r"""
    The layer of the paper's formula: GraphSAGE (Hamilton et al., 2017) with mean aggregation:
    :math:`h'_i = W [h_i ; \text{mean}_{j \in N_i} h_j] + b`, the self edge in :math:`N_i` as in the graph.
    """

    def __init__(self, in_size: int, out_size: int):
        super().__init__()
        self.lin = nn.Linear(2 * in_size, out_size)

    def forward(self, tokens: Tensor, graph: TokenGraph) -> Tensor:
        return self.lin(torch.cat([tokens, graph.mean(tokens)], dim=-1))


GNN_LAYERS: dict[str, type[nn.Module]] = {
    "gat": GATLayer,
    "gcn": GCNLayer,
    "gin": GINLayer,
    "gine": GINELayer,
    "sage": SAGELayer,
}
