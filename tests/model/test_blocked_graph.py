"""Graphs in blocks of rows: the dense head's outputs and gradients, and no number of L x L kept."""

from itertools import product

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError

from glot_hf import GlotConfig, GlotPooler
from glot_hf.model import graph_glot, pooling_glot
from glot_hf.model.graph_glot import BlockedGraph, Edges, SimilarTokens
from glot_hf.model.layers_glot import GNN_LAYERS


SIZE, LENGTH = 6, 11
MASK = torch.tensor([[1] * 11, [0] * 4 + [1] * 7, [1] + [0] * 10, [0] * 11])
HEADS = {
    **{f"{gnn}-{jk}": {"gnn_type": gnn, "jumping_knowledge": jk} for gnn, jk in product(GNN_LAYERS, ["cat", "max"])},
    "gat-2-heads": {"num_attention_heads": 2},
    "without-edges": {"graph_type": "self"},
    "normalised": {"input_norm": "standard"},
    "without-layers": {"num_gnn_layers": 0},
}


def head(**options):
    torch.manual_seed(0)
    return GlotPooler(GlotConfig(**{"input_size": SIZE, "gnn_hidden_size": 4, "tau": 0.3, **options}))


def states():
    return torch.randn(*MASK.shape, SIZE, generator=torch.Generator().manual_seed(1)) + 0.4


@pytest.mark.parametrize("block_size", [1, 3, 11, 100])
@pytest.mark.parametrize("options", HEADS.values(), ids=HEADS)
def test_equals_the_dense_head(options, block_size):
    """Also where the last block is shorter, and where a block is more than all."""
    dense, blocked = head(**options), head(**options, graph_block_size=block_size)
    results = []
    for pooler in (dense, blocked):
        hidden = states().requires_grad_()
        details = pooler(hidden, MASK, return_details=True)
        details.vector.square().sum().backward()
        results.append((details, hidden.grad, {name: p.grad for name, p in pooler.named_parameters()}))
    (details, gradient, gradients), (other, other_gradient, other_gradients) = results
    assert isinstance(other.graph, BlockedGraph) and not isinstance(details.graph, BlockedGraph)
    torch.testing.assert_close(other.vector, details.vector, rtol=1e-5, atol=1e-6)
    assert torch.equal(other.adjacency, details.adjacency)
    assert 0.2 < other.adjacency[0].float().mean() < 0.9 or options.get("graph_type") == "self"
    torch.testing.assert_close(other_gradient, gradient, rtol=1e-4, atol=1e-6)
    for name, expected in gradients.items():
        torch.testing.assert_close(other_gradients[name], expected, rtol=1e-4, atol=1e-5)


def test_is_chosen_where_the_graph_is_large(monkeypatch):
    monkeypatch.setattr(pooling_glot, "_LARGEST_DENSE_GRAPH", len(MASK) * LENGTH * LENGTH)
    assert not isinstance(head()(states(), MASK, return_details=True).graph, BlockedGraph)
    monkeypatch.setattr(pooling_glot, "_LARGEST_DENSE_GRAPH", len(MASK) * LENGTH * LENGTH - 1)
    monkeypatch.setattr(graph_glot, "_BLOCK", 2 * len(MASK) * LENGTH)
    graph = head()(states(), MASK, return_details=True).graph
    assert isinstance(graph, BlockedGraph) and graph.block_size == 2


@pytest.mark.parametrize("gnn_type", GNN_LAYERS)
def test_no_number_of_l_by_l_is_kept_for_the_backward_pass(gnn_type):
    length, sizes = 400, []

    def pack(tensor):
        sizes.append(tensor.numel())
        return tensor

    hidden = torch.randn(1, length, SIZE)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        head(gnn_type=gnn_type, graph_block_size=50, readout_hidden_size=8)(hidden)
    assert sizes and max(sizes) <= 20 * length


def test_cosines_are_computed_once(monkeypatch):
    """Each of them at most once, in all layers, forwards and backwards; bits are all that is kept of them."""
    rows, computed = SimilarTokens.rows, []

    def count(self, start, stop, first=0):
        computed.append((stop - start) * (100 - first))
        return rows(self, start, stop, first)

    monkeypatch.setattr(SimilarTokens, "rows", count)
    pooler = head(graph_block_size=20)  # 24 rows, whole bytes, where edges are computed
    details = pooler(torch.randn(1, 100, SIZE), return_details=True)
    details.vector.sum().backward()
    assert sum(computed) == 24 * (100 + 76 + 52 + 28) + 4 * 4
    assert details.graph.edges.bits.nbytes == 100 * 13


@pytest.mark.parametrize("gnn_type", GNN_LAYERS)
def test_equals_the_head_that_computes_cosines_in_every_layer(gnn_type, monkeypatch):
    """To the last digit: the same edges, and the same sums in the same order."""
    hidden = torch.randn(1, 40, SIZE, generator=torch.Generator().manual_seed(2)) + 0.4
    pooler = head(gnn_type=gnn_type, graph_block_size=16)
    results = []
    for kept in (SimilarTokens.kept, Edges.kept):
        monkeypatch.setattr(SimilarTokens, "kept", kept)
        pooler.zero_grad()
        vector = pooler(hidden)
        vector.square().sum().backward()
        results.append([vector, *(parameter.grad for parameter in pooler.parameters())])
    assert all(torch.equal(one, other) for one, other in zip(*results))


@pytest.mark.parametrize("block_size", [0, -1])
def test_block_size_must_be_positive(block_size):
    with pytest.raises(StrictDataclassError, match=rf"positive integer, at most [\d,]+, got {block_size}$"):
        GlotConfig(graph_block_size=block_size)
