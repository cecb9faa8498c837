"""The residual block against its formula."""

import pytest
import torch
import torch.nn.functional as F
from heads import LEFT, SIZE, head
from huggingface_hub.errors import StrictDataclassError

from glot_hf import GlotConfig


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


class TestResidualBlock:
    """`block="residual"`: against the formula, written with one sentence and no packing."""

    @pytest.mark.parametrize("graph_type", ["similarity", "self"])
    def test_formula(self, graph_type):
        pooler = head(block="residual", graph_type=graph_type, readout="mean", tau=-1.0)
        hidden, block = torch.randn(1, 5, SIZE), pooler.pooling.block
        found = pooler(hidden, torch.ones(1, 5), return_details=True)
        states = block.lin(hidden[0])  # (5, H)
        for layer in block.layers:
            normed = F.layer_norm(states, states.shape[-1:], layer.norm.weight, layer.norm.bias)
            if graph_type == "similarity":
                edges = found.adjacency[0].float()  # (5, 5)
                normed = normed + edges / edges.sum(1, keepdim=True) @ layer.lin_graph(normed)
            states = states + layer.lin_out(F.gelu(layer.lin_in(normed)))
        expected = F.layer_norm(states, states.shape[-1:], block.norm.weight, block.norm.bias)
        torch.testing.assert_close(found.token_embeddings[0], expected)
        torch.testing.assert_close(found.vector[0], expected.mean(0))

    def test_dropout_is_for_training_alone(self):
        pooler, hidden = head(block="residual", dropout=0.5), torch.randn(3, 5, SIZE)
        assert torch.equal(pooler(hidden, LEFT), pooler(hidden, LEFT))
        pooler.train()
        assert not torch.equal(pooler(hidden, LEFT), pooler(hidden, LEFT))

    @pytest.mark.parametrize("option", [{"gnn_type": "gin"}, {"jumping_knowledge": "max"}, {"num_attention_heads": 2}])
    def test_options_of_graph_layers_are_refused(self, option):
        with pytest.raises(StrictDataclassError, match="no effect"):
            GlotConfig(block="residual", **option)

    def test_graph_layers_have_no_dropout(self):
        with pytest.raises(StrictDataclassError, match="residual"):
            GlotConfig(dropout=0.5)
