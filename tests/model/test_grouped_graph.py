"""Sentences of very different lengths, packed in groups of like length: the same head, outputs and gradients."""

from itertools import product

import pytest
import torch

from glot_hf import GlotConfig, GlotPooler
from glot_hf.model import packing_glot
from glot_hf.model.graph_glot import GroupedGraph, token_graph
from glot_hf.model.layers_glot import GNN_LAYERS
from glot_hf.model.pooling_glot import POOLINGS


SIZE, LENGTH = 6, 11
MASK = torch.tensor([[1] * 11, [0] * 4 + [1] * 7, [1] + [0] * 10, [0] * 11, [1, 0] * 5 + [1], [0] * 5 + [1] * 6])
HEADS = {
    **{f"{gnn}-{jk}": {"gnn_type": gnn, "jumping_knowledge": jk} for gnn, jk in product(GNN_LAYERS, ["cat", "mean"])},
    "gat-2-heads": {"num_attention_heads": 2},
    "without-edges": {"graph_type": "self"},
    "normalised": {"input_norm": "standard"},
    "without-layers": {"num_gnn_layers": 0},
    "in-blocks": {"graph_block_size": 3},
    **{pooling: {"pooling": pooling} for pooling in POOLINGS if pooling != "glot"},
}


@pytest.mark.parametrize(
    "options, given_graph",
    [
        pytest.param(options, given, id=f"{name}{given and '-'}{given}")
        for name, options in HEADS.items()
        for given in (["", "whole", "packed"] if "pooling" not in options else [""])
    ],
)
def test_equals_the_head_without_groups(options, given_graph, monkeypatch):
    hidden = torch.randn(*MASK.shape, SIZE, generator=torch.Generator().manual_seed(1)) + 0.4
    adjacency = token_graph(hidden, MASK.bool(), 0.3, packed=given_graph == "packed") if given_graph else None
    results = []
    for worth in (2**60, 1):
        monkeypatch.setitem(packing_glot._WORTH_A_GROUP, "cpu", worth)
        torch.manual_seed(0)
        pooler = GlotPooler(GlotConfig(input_size=SIZE, gnn_hidden_size=4, tau=0.3, **options))
        states = hidden.clone().requires_grad_()
        details = pooler(states, MASK, return_details=True, adjacency=adjacency)
        details.vector.square().sum().backward()
        gradients = {name: parameter.grad for name, parameter in pooler.named_parameters()}
        results.append((details, {"states": states.grad, **gradients}))
    (details, gradients), (grouped, grouped_gradients) = results
    assert len(details.layout.groups) == 1 and len(grouped.layout.groups) > 3
    assert isinstance(grouped.graph, GroupedGraph) == ("pooling" not in options)
    torch.testing.assert_close(grouped.vector, details.vector, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(grouped.token_embeddings, details.token_embeddings, rtol=1e-5, atol=1e-6)
    if details.readout_weights is not None:
        torch.testing.assert_close(grouped.readout_weights, details.readout_weights, rtol=1e-5, atol=1e-6)
    if details.graph is not None:
        assert torch.equal(grouped.adjacency, details.adjacency)
    for name, expected in gradients.items():
        torch.testing.assert_close(grouped_gradients[name], expected, rtol=1e-4, atol=1e-5)
