"""Each dense layer computes what the PyTorch Geometric layer of the same name computes, with the same weights."""

import pytest
import torch
from torch import nn
from torch_geometric.nn import MLP, GATConv, GCNConv, GINConv, GINEConv, SAGEConv

from glot_hf.model.layers_glot import GNN_LAYERS, GATLayer


IN, OUT = 6, 12
# Ragged lengths and either padding side; a sentence of one token, one without any, and no padding at all.
RAGGED = torch.tensor(
    [[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 0]]
).bool()
MASKS = {
    "ragged": RAGGED,
    "one full sentence": RAGGED[:1],
    "single tokens": torch.eye(4, dtype=torch.bool),
}
DENSITIES = {"no edges": None, "self edges alone": 0.0, "sparse": 0.25, "complete": 1.0}


def mlp():
    return MLP([IN, OUT, OUT], norm="batch_norm", act="relu")


def mlp_names():
    return {
        **{f"nn.lins.0.{kind}": f"lin_in.{kind}" for kind in ("weight", "bias")},
        **{f"nn.lins.1.{kind}": f"lin_out.{kind}" for kind in ("weight", "bias")},
        **{f"nn.norms.0.module.{kind}": f"norm.{kind}" for kind in ("weight", "bias", "running_mean", "running_var")},
        "nn.norms.0.module.num_batches_tracked": "norm.num_batches_tracked",
    }


def same_names(*names):
    return {name: name for name in names}


# What of the released code: edge attribute 1 on every edge, self edges in the graph.
ORACLES = {
    "gat": (
        lambda: GATConv(IN, OUT, edge_dim=1),
        same_names("lin.weight", "lin_edge.weight", "att_src", "att_dst", "att_edge", "bias"),
    ),
    "gat, 3 heads": (
        lambda: GATConv(IN, OUT // 3, heads=3, edge_dim=1),
        same_names("lin.weight", "lin_edge.weight", "att_src", "att_dst", "att_edge", "bias"),
    ),
    "gcn": (lambda: GCNConv(IN, OUT), same_names("lin.weight", "bias")),
    "gin": (lambda: GINConv(mlp()), mlp_names()),
    "gine": (
        lambda: GINEConv(mlp(), edge_dim=1),
        {**mlp_names(), "lin.weight": "lin_edge.weight", "lin.bias": "lin_edge.bias"},
    ),
    # Root and neighbours have a weight each; ours are side by side in one.
    "sage": (lambda: SAGEConv(IN, OUT), {"lin_l.bias": "lin.bias"}),
}


def pair(kind):
    """The two layers, with shared weights, none of them at a special value."""
    torch.manual_seed(0)
    oracle = ORACLES[kind][0]()
    for name, tensor in [*oracle.named_parameters(), *oracle.named_buffers()]:
        if tensor.is_floating_point() and tensor.numel() > 1:
            nn.init.uniform_(tensor, 0.5, 1.5) if "running_var" in name else nn.init.normal_(tensor, std=0.5)
    ours = GATLayer(IN, OUT, num_heads=3) if kind == "gat, 3 heads" else GNN_LAYERS[kind](IN, OUT)
    ours.load_state_dict(
        renamed(kind, {name: tensor for name, tensor in oracle.state_dict().items() if name != "eps"})
    )
    return ours, oracle


def renamed(kind, tensors):
    names = ORACLES[kind][1]
    if kind == "sage":
        weight = torch.cat([tensors.pop("lin_r.weight"), tensors.pop("lin_l.weight")], dim=1)
        return {"lin.weight": weight, **{names[name]: tensor for name, tensor in tensors.items()}}
    return {names[name]: tensor for name, tensor in tensors.items()}


def token_graph_like(mask, density):
    """A random symmetric graph with self edges, as cosines give; without any where density is None. `(B, L, L)`."""
    if density is None:
        return torch.zeros(*mask.shape, mask.shape[1], dtype=torch.bool)
    edges = (torch.rand(*mask.shape, mask.shape[1]) < density).triu()
    edges = edges | edges.transpose(1, 2) | torch.eye(mask.shape[1], dtype=torch.bool)
    return edges & mask[:, :, None] & mask[:, None, :]


def run_oracle(kind, oracle, packed, adjacency, mask):
    """`(N, in)` packed valid tokens -> `(N, out)`, over the edges of the batch as one sparse graph."""
    node = (mask.flatten().cumsum(0) - 1).view(mask.shape)  # (B, L), the row of each token in `packed`
    batch, target, source = adjacency.nonzero(as_tuple=True)
    edge_index = torch.stack([node[batch, source], node[batch, target]])
    ones = torch.ones(edge_index.shape[1])
    if kind == "gcn":
        return oracle(packed, edge_index, ones)
    if kind.startswith("gat") or kind == "gine":
        return oracle(packed, edge_index, ones[:, None])
    return oracle(packed, edge_index)


@pytest.mark.parametrize("density", DENSITIES.values(), ids=DENSITIES)
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("kind", ORACLES)
def test_forward_and_gradients(kind, mode, mask, density, run_layer):
    ours, oracle = pair(kind)
    ours.train(mode == "train")
    oracle.train(mode == "train")
    adjacency = token_graph_like(mask, density)
    hidden = torch.randn(*mask.shape, IN, requires_grad=True)
    packed = hidden.detach()[mask].requires_grad_()
    output = run_layer(ours, hidden, adjacency, mask)
    expected = run_oracle(kind, oracle, packed, adjacency, mask)
    torch.testing.assert_close(output[mask], expected, atol=1e-5, rtol=1e-5)
    assert not output[~mask].any()

    direction = torch.randn_like(output)
    (output * direction).sum().backward()
    (expected * direction[mask]).sum().backward()
    close = {"atol": 1e-4, "rtol": 1e-4}
    torch.testing.assert_close(hidden.grad[mask], packed.grad, **close)
    assert not hidden.grad[~mask].any()
    # PyTorch Geometric gives an isolated token's own edge the attribute 0, ours 1: no gradient depends on it.
    gradients = {
        name: weight.new_zeros(weight.shape) if weight.grad is None else weight.grad
        for name, weight in oracle.named_parameters()
    }
    gradients = renamed(kind, gradients)
    assert set(gradients) == {name for name, _ in ours.named_parameters()}
    for name, weight in ours.named_parameters():
        torch.testing.assert_close(
            weight.grad, gradients[name], msg=lambda text, name=name: f"{name}: {text}", **close
        )


@pytest.mark.parametrize("kind", ["gin", "gine"])
def test_running_statistics(kind, run_layer):
    """Three steps of training on ragged batches move those of batch norm in the same way."""
    ours, oracle = pair(kind)
    for _ in range(3):
        adjacency = token_graph_like(RAGGED, 0.25)
        hidden = torch.randn(*RAGGED.shape, IN)
        run_layer(ours.train(), hidden, adjacency, RAGGED)
        run_oracle(kind, oracle.train(), hidden[RAGGED], adjacency, RAGGED)
    norm = oracle.nn.norms[0].module
    torch.testing.assert_close(ours.norm.running_mean, norm.running_mean)
    torch.testing.assert_close(ours.norm.running_var, norm.running_var)
    assert ours.norm.num_batches_tracked == norm.num_batches_tracked == 3


def test_every_layer_has_an_oracle():
    assert {kind.split(",")[0] for kind in ORACLES} == set(GNN_LAYERS)
