# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""A head as one writes it with PyTorch Geometric: a graph object for each sentence, sparse layers, segment softmax."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import GATConv
from torch_geometric.utils import dense_to_sparse, scatter, softmax


class PerSentenceHead(nn.Module):
    """
    What the released GLOT pooler computes (GAT, jumping knowledge "cat"), with its parameter names, as small as
    PyTorch Geometric lets it be. Its cosines are one matrix product a sentence, which the released code's are not.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int, threshold: float):
        super().__init__()
        self.threshold = threshold
        sizes = [input_size] + [hidden_size] * num_layers
        self.convs = nn.ModuleList(GATConv(before, after, edge_dim=1) for before, after in zip(sizes, sizes[1:]))
        readout_size = max(128, sum(sizes) // 2)
        self.score_layer = nn.Sequential(nn.Linear(sum(sizes), readout_size), nn.Tanh(), nn.Linear(readout_size, 1))

    def forward(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """`(B, L, d), (B, L)` -> `(B, D)`."""
        graphs: Any = Batch.from_data_list([self._graph(x[valid]) for x, valid in zip(hidden_states, attention_mask)])
        outputs = [graphs.x]  # (N, d)
        for conv in self.convs:
            outputs.append(F.relu(conv(outputs[-1], graphs.edge_index, edge_attr=graphs.edge_attr)))  # (N, H)
        embeddings = torch.cat(outputs, dim=-1)  # (N, D)
        weights = softmax(self.score_layer(embeddings), graphs.batch)  # (N, 1)
        return scatter(weights * embeddings, graphs.batch, dim=0)

    def _graph(self, x: Tensor) -> Data:
        unit = F.normalize(x, dim=-1)  # (L, d)
        edge_index, edge_attr = dense_to_sparse((unit @ unit.T > self.threshold).float())
        return Data(x=x, edge_index=edge_index, edge_attr=edge_attr)
