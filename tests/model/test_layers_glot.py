"""What all graph layers have in common, their parts and initialisation; the values are in parity/test_pyg.py."""

import math

import pytest
import torch
from torch import nn

from glot_hf.model.layers_glot import GNN_LAYERS, GATLayer, GCNLayer, GINELayer, GINLayer, MaskedBatchNorm, SAGELayer


MASK = torch.tensor([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]]).bool()


def random_graph(mask, density=0.4, seed=0):
    """Symmetric, with self edges, between valid tokens alone."""
    edges = torch.rand(*mask.shape, mask.shape[1], generator=torch.Generator().manual_seed(seed)) < density
    edges = edges | edges.transpose(1, 2) | torch.eye(mask.shape[1], dtype=torch.bool)
    return edges & mask[:, :, None] & mask[:, None, :]


@pytest.fixture(params=GNN_LAYERS)
def layer(request):
    torch.manual_seed(0)
    return GNN_LAYERS[request.param](6, 8)


@pytest.mark.parametrize("training", [False, True])
def test_shape_and_padded_rows(layer, training, run_layer):
    """Padding stays at exactly zero and is never read, with a whole row of it too."""
    hidden, adjacency = torch.randn(4, 5, 6), random_graph(MASK)
    output = run_layer(layer.train(training), hidden, adjacency, MASK)
    assert output.shape == (4, 5, 8)
    assert output.isfinite().all()
    assert output[MASK].all() and not output[~MASK].any()

    other = torch.where(MASK[:, :, None], hidden, 1e6)
    torch.testing.assert_close(run_layer(layer, other, adjacency, MASK)[MASK], output[MASK])


def test_an_edge_is_read_and_a_missing_one_is_not(layer, run_layer):
    hidden, mask = torch.randn(1, 3, 6), torch.ones(1, 3, dtype=torch.bool)
    adjacency = torch.tensor([[[1, 1, 0], [1, 1, 0], [0, 0, 1]]]).bool()
    changed = hidden.clone()
    changed[0, 1] += 1
    before, after = (run_layer(layer.eval(), states, adjacency, mask)[0] for states in (hidden, changed))
    assert (before != after).any(dim=-1).tolist() == [True, True, False]


def test_gradients_are_finite(layer, run_layer):
    hidden = torch.randn(4, 5, 6, requires_grad=True)
    run_layer(layer.train(), hidden, random_graph(MASK), MASK).square().sum().backward()
    assert hidden.grad.isfinite().all() and not hidden.grad[~MASK].any()
    for name, parameter in layer.named_parameters():
        assert parameter.grad.isfinite().all(), name


class TestMaskedBatchNorm:
    @pytest.fixture
    def norms(self):
        torch.manual_seed(0)
        ours, reference = MaskedBatchNorm(6), nn.BatchNorm1d(6)
        nn.init.normal_(ours.weight)
        nn.init.normal_(ours.bias)
        reference.load_state_dict(ours.state_dict())
        return ours, reference

    def test_trains_like_batch_norm_on_the_valid_tokens(self, norms):
        ours, reference = norms
        for step in range(4):
            hidden = 3 * torch.randn(20, 6) + step
            mask = MASK.flatten().roll(step)
            padded = hidden.masked_fill(~mask[:, None], 1e3).requires_grad_()
            packed = hidden[mask].requires_grad_()
            output, expected = ours.train()(padded, mask)[mask], reference.train()(packed)
            torch.testing.assert_close(output, expected)

            ours.zero_grad()
            reference.zero_grad()
            output.square().sum().backward()
            expected.square().sum().backward()
            torch.testing.assert_close(padded.grad[mask], packed.grad, atol=1e-4, rtol=1e-4)
            assert not padded.grad[~mask].any()
            torch.testing.assert_close(ours.weight.grad, reference.weight.grad)
            torch.testing.assert_close(ours.bias.grad, reference.bias.grad)
            for name, buffer in reference.named_buffers():
                torch.testing.assert_close(ours.get_buffer(name), buffer)

    def test_evaluates_like_batch_norm(self, norms):
        ours, reference = norms
        hidden = torch.randn(20, 6)
        reference.train()(torch.randn(20, 6) + 1)
        ours.load_state_dict(reference.state_dict())
        before = {name: buffer.clone() for name, buffer in ours.named_buffers()}
        torch.testing.assert_close(ours.eval()(hidden, MASK.flatten()), reference.eval()(hidden))
        assert all(torch.equal(buffer, before[name]) for name, buffer in ours.named_buffers())

    @pytest.mark.parametrize("valid", [0, 1])
    def test_with_too_few_tokens_for_a_variance(self, norms, valid):
        """`nn.BatchNorm1d` refuses a single value; a batch of one short sentence must not end a training run."""
        output = norms[0].train()(torch.randn(5, 6), torch.arange(5) < valid)
        assert output.isfinite().all()
        assert all(buffer.isfinite().all() for buffer in norms[0].buffers())


def test_an_empty_batch_leaves_the_running_statistics():
    """No token, no evidence."""
    norm = MaskedBatchNorm(6)
    norm.running_mean.fill_(2.0)
    norm.train()(torch.randn(10, 6), torch.zeros(10, dtype=torch.bool))
    assert torch.equal(norm.running_mean, torch.full((6,), 2.0))
    assert torch.equal(norm.running_var, torch.ones(6))


def uniform_within(weight, bound):
    return bool(weight.abs().max() <= bound) and weight.abs().max() > 0.9 * bound and weight.mean().abs() < 0.2 * bound


def test_initialisation_of_attention_and_convolution():
    """Glorot's bound, over the last two dimensions as in PyTorch Geometric; biases at zero."""
    torch.manual_seed(0)
    gat, gcn = GATLayer(40, 60, num_heads=3), GCNLayer(40, 60)
    for layer in (gat, gcn):
        assert uniform_within(layer.lin.weight, math.sqrt(6 / (40 + 60)))
        assert not layer.bias.any()
    assert uniform_within(gat.lin_edge.weight, math.sqrt(6 / (1 + 60)))
    for attention in (gat.att_src, gat.att_dst, gat.att_edge):
        assert uniform_within(attention, math.sqrt(6 / (3 + 20)))


@pytest.mark.parametrize("layer_class", [GINLayer, GINELayer, SAGELayer])
def test_initialisation_of_the_others(layer_class):
    """PyTorch's own for linear layers."""
    torch.manual_seed(0)
    for name, module in layer_class(40, 60).named_modules():
        if isinstance(module, nn.Linear):
            bound = 1 / math.sqrt(module.in_features)
            assert uniform_within(module.weight, bound), name
            assert module.bias.any() and module.bias.abs().max() <= bound, name


@pytest.mark.parametrize("layer_class", [GATLayer, GCNLayer])
def test_reset_parameters_draws_all_of_them_again(layer_class):
    layer = layer_class(6, 8)
    nn.init.constant_(layer.bias, 5.0)
    before = {name: parameter.clone() for name, parameter in layer.named_parameters()}
    layer.reset_parameters()
    assert all((parameter != before[name]).all() for name, parameter in layer.named_parameters())


def test_several_heads_are_single_heads_side_by_side(run_layer):
    torch.manual_seed(0)
    hidden, adjacency = torch.randn(4, 5, 6), random_graph(MASK)
    layer = GATLayer(6, 12, num_heads=3)
    nn.init.normal_(layer.bias)
    expected = []
    for head, rows in enumerate(torch.arange(12).chunk(3)):
        single = GATLayer(6, 4)
        single.load_state_dict(
            {
                name: weight[:, [head]] if name.startswith("att_") else weight[rows]
                for name, weight in layer.state_dict().items()
            }
        )
        expected.append(run_layer(single, hidden, adjacency, MASK))
    torch.testing.assert_close(run_layer(layer, hidden, adjacency, MASK), torch.cat(expected, dim=-1))
