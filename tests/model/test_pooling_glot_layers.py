"""Heads on several layers of a backbone: mixed by learned weights, or side by side."""

import pytest
import torch
import torch.nn.functional as F
from heads import LEFT, SIZE, head, relative_error

from glot_hf import GlotConfig, GlotPooler
from glot_hf.model.pooling_glot import POOLINGS


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


class TestSeveralLayers:
    @pytest.mark.parametrize("pooling", POOLINGS)
    def test_are_mixed_by_the_softmax_of_learned_scores(self, pooling):
        pooler = head(pooling=pooling, backbone_layers=[0, 1, -1])
        single = head(pooling=pooling)
        weights = {name: tensor for name, tensor in pooler.state_dict().items() if name != "layer_scores"}
        single.load_state_dict(weights)
        hidden = torch.randn(3, 5, 3, SIZE)
        mixed = sum(
            weight * hidden[:, :, n]
            for n, weight in enumerate(pooler.layer_scores.exp() / pooler.layer_scores.exp().sum())
        )
        torch.testing.assert_close(pooler(hidden, LEFT), single(mixed, LEFT))

    def test_start_as_their_mean(self):
        pooler = GlotPooler(GlotConfig(input_size=SIZE, backbone_layers=[1, 2], pooling="mean"))
        hidden = torch.randn(3, 5, 2, SIZE)
        torch.testing.assert_close(pooler(hidden), hidden.mean(dim=(1, 2)))

    def test_are_learned(self):
        pooler = head(backbone_layers=[0, 1])
        hidden = torch.randn(3, 5, 2, SIZE)
        hidden[LEFT == 0] = torch.nan
        pooler(hidden, LEFT).square().sum().backward()
        assert pooler.layer_scores.grad.isfinite().all() and pooler.layer_scores.grad.any()

    @pytest.mark.parametrize("pooling", POOLINGS)
    def test_padding_does_not_matter(self, pooling):
        pooler, hidden = head(pooling=pooling, backbone_layers=[0, 1]), torch.randn(1, 4, 2, SIZE)
        padded = F.pad(hidden, (0, 0, 0, 0, 2, 1), value=torch.nan)
        mask = F.pad(torch.ones(1, 4), (2, 1))
        assert relative_error(pooler(padded, mask), pooler(hidden)) < 1e-5

    @pytest.mark.parametrize("shape", [(2, 4, 1, SIZE), (2, 4, 2, SIZE), (2, 4, 4, SIZE), (2, 4, SIZE), (2, 4, 3, 7)])
    def test_wrong_shapes(self, shape):
        """One layer, too: it would be spread over all three without a word."""
        message = rf"hidden_states of shape \({', '.join(map(str, shape))}\).*\(B, L, 3, 6\)"
        with pytest.raises(ValueError, match=message):
            head(backbone_layers=[0, 1, -1])(torch.randn(shape), torch.ones(2, 4))


def test_layers_side_by_side():
    """`layer_mix="concat"` is a head on tokens that are as wide as the layers together."""
    hidden = torch.randn(3, 5, 2, SIZE)
    several = head(backbone_layers=[0, 1], layer_mix="concat")
    one = head(input_size=2 * SIZE)
    one.load_state_dict(several.state_dict())
    torch.testing.assert_close(several(hidden, LEFT), one(hidden.flatten(2), LEFT))
