"""Numerical edges of whole heads: gradients in float64, half precision, and states of any size."""

import pytest
import torch
from heads import LEFT, RIGHT, SIZE, head

from glot_hf import GlotConfig, GlotForSequenceClassification
from glot_hf.model.layers_glot import GNN_LAYERS


POOLINGS = [
    *({"gnn_type": name} for name in GNN_LAYERS),
    {"gnn_type": "gat", "num_attention_heads": 2, "jumping_knowledge": "mean"},
    {"input_norm": "layer"},
    {"input_norm": "standard", "projection_size": 3},
    {"backbone_layers": [0, 1]},
    {"block": "residual", "readout": ["mean", "max", "attention"]},
    {"block": "residual", "graph_type": "self", "readout": "attention"},
    *({"pooling": name} for name in ("mean", "max", "cls", "last", "weighted_mean", "adapool", "deepsets")),
    *({"pooling": name, "num_attention_heads": 1} for name in ("cross_attention", "multi_query")),
    {"pooling": "latent_attention", "num_latents": 3},
]
PAIRS = ["concat", "interaction", "cosine", "late", "late_mean"]


def states(pooler, dtype):
    shape = pooler.token_shape
    return torch.randn(*RIGHT.shape, *shape, dtype=dtype, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("mask", [RIGHT, LEFT], ids=["right", "left"])
@pytest.mark.parametrize("options", POOLINGS, ids=str)
def test_gradients_of_whole_heads(options, mask):
    """By finite differences, which need float64 from the states to the vector."""
    pooler = head(**options).double()
    inputs = states(pooler, torch.float64).requires_grad_()
    vectors = pooler(inputs, mask)
    assert vectors.dtype == torch.float64
    names, weights = zip(*pooler.named_parameters()) if list(pooler.parameters()) else ((), ())

    def vectors_of(inputs, *weights):
        return torch.func.functional_call(pooler, dict(zip(names, weights)), (inputs, mask))

    assert torch.autograd.gradcheck(vectors_of, (inputs, *weights), fast_mode=True)


@pytest.mark.parametrize("pair_mode", PAIRS)
def test_gradients_of_pairs(pair_mode):
    torch.manual_seed(0)
    num_labels = 1 if pair_mode == "cosine" else 2
    config = GlotConfig(input_size=SIZE, gnn_hidden_size=4, pair_mode=pair_mode, num_labels=num_labels)
    model = GlotForSequenceClassification(config).double().eval()
    a, b = (torch.randn(3, 5, SIZE, dtype=torch.float64).requires_grad_() for _ in range(2))
    labels = torch.tensor([0.1, 0.5, 0.9]) if num_labels == 1 else torch.tensor([0, 1, 0])

    def loss(a, b):
        output = model(hidden_states=a, hidden_states_b=b, attention_mask=RIGHT, attention_mask_b=LEFT, labels=labels)
        return output.loss

    assert loss(a, b).dtype == torch.float64 and torch.autograd.gradcheck(loss, (a, b))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("options", POOLINGS, ids=str)
def test_half_precision_has_finite_gradients(options, dtype):
    pooler = head(**options).to(dtype).train()
    for scale in (1e-3, 1.0, 30.0):
        inputs = (scale * states(pooler, dtype)).requires_grad_()
        vectors = pooler(inputs, RIGHT)
        assert vectors.dtype == dtype and vectors.isfinite().all()
        vectors.float().square().mean().backward()
        assert inputs.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in pooler.parameters() if parameter.grad is not None)


@pytest.mark.parametrize("size", [1e-18, 1.0, 1e18])
def test_statistics_of_states_of_any_size(size):
    pooler = head(input_norm="standard").train()
    torch.nn.init.zeros_(pooler.input_norm.mean)
    inputs = size * states(pooler, torch.float32)
    assert pooler(inputs, RIGHT).isfinite().all() and pooler.input_norm.deviation.isfinite().all()
    valid = inputs[RIGHT.bool()].double()
    torch.testing.assert_close(pooler.input_norm.deviation.double(), valid.std(0, unbiased=False), rtol=1e-5, atol=0)
