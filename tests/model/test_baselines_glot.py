"""The poolings without a graph, against plain loops and torch's own attention with shared weights."""

import pytest
import torch
import torch.nn.functional as F
from huggingface_hub.errors import StrictDataclassError
from torch_geometric.nn import DeepSetsAggregation

from glot_hf import GlotConfig, GlotPooler


SIZE = 12
RIGHT = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]])
MASKS = {"right": RIGHT, "left": RIGHT.flip(1)}


def pooling(name, **options):
    torch.manual_seed(0)
    pooler = GlotPooler(GlotConfig(input_size=SIZE, pooling=name, **options)).eval()
    for parameter in pooler.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return pooler


def attend(attention, queries, tokens):
    """`(n, d), (L, d)` -> `(n, d)`, by scaled_dot_product_attention and the weights of nn.MultiheadAttention."""
    weights, biases = attention.in_proj_weight.chunk(3), [None] * 3
    if attention.in_proj_bias is not None:
        biases = attention.in_proj_bias.chunk(3)
    q, k, v = (
        F.linear(x, w, b).view(len(x), attention.num_heads, -1).transpose(0, 1)
        for x, w, b in zip((queries, tokens, tokens), weights, biases)
    )
    heads = F.scaled_dot_product_attention(q, k, v)  # (heads, n, d / heads)
    return attention.out_proj(heads.transpose(0, 1).flatten(1))


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
class TestAgainstAnOracle:
    def sentences(self, mask):
        hidden = torch.randn(3, 5, SIZE)
        return hidden, [states[row == 1] for states, row in zip(hidden, mask)]

    def test_weighted_mean(self, mask):
        hidden, sentences = self.sentences(mask)
        expected = []
        for tokens in sentences:
            total = sum(position * token for position, token in enumerate(tokens, start=1))
            expected.append(total / sum(range(1, len(tokens) + 1)))
        torch.testing.assert_close(pooling("weighted_mean")(hidden, mask), torch.stack(expected))

    @pytest.mark.parametrize("num_heads", [1, 3])
    def test_cross_attention(self, mask, num_heads):
        pooler = pooling("cross_attention", num_attention_heads=num_heads)
        hidden, sentences = self.sentences(mask)
        attention = pooler.pooling.attention
        expected = [attend(attention, tokens.mean(0, keepdim=True), tokens)[0] for tokens in sentences]
        torch.testing.assert_close(pooler(hidden, mask), torch.stack(expected), rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("num_heads, num_latents", [(1, None), (3, 2)])
    def test_multi_query(self, mask, num_heads, num_latents):
        pooler = pooling("multi_query", num_attention_heads=num_heads, num_latents=num_latents)
        hidden, sentences = self.sentences(mask)
        module = pooler.pooling
        expected = [attend(module.attention, module.learned_queries, tokens).flatten() for tokens in sentences]
        assert expected[0].shape == (SIZE * (num_latents or 4),)
        torch.testing.assert_close(pooler(hidden, mask), torch.stack(expected), rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("num_heads, num_latents", [(1, None), (3, 7)])
    def test_latent_attention(self, mask, num_heads, num_latents):
        """Tokens ask, latents answer; both steps residual with norms before; then the mean."""
        pooler = pooling("latent_attention", num_attention_heads=num_heads, num_latents=num_latents)
        hidden, sentences = self.sentences(mask)
        module = pooler.pooling
        assert module.latents.shape == (num_latents or 512, SIZE)
        expected = []
        for tokens in sentences:
            latents = module.latent_norm(module.latents)
            tokens = tokens + attend(module.attention, module.token_norm(tokens), latents)
            first, second = module.mlp_in(module.mlp_norm(tokens)).split(4 * SIZE, dim=-1)
            expected.append((tokens + module.mlp_out(first * F.gelu(second))).mean(0))
        torch.testing.assert_close(pooler(hidden, mask), torch.stack(expected), rtol=1e-4, atol=1e-5)

    def test_deepsets(self, mask):
        pooler = pooling("deepsets", gnn_hidden_size=8)
        hidden, sentences = self.sentences(mask)
        aggregation = DeepSetsAggregation(local_nn=pooler.pooling.mlp)  # sums
        index = torch.cat([torch.full((len(tokens),), n) for n, tokens in enumerate(sentences)])
        lengths = torch.tensor([[len(tokens)] for tokens in sentences])
        expected = aggregation(torch.cat(sentences), index) / lengths
        torch.testing.assert_close(pooler(hidden, mask), expected)


@pytest.mark.parametrize("size", [24, 384, 768])
@pytest.mark.parametrize("gnn_type", ["gat", "gcn", "gin", "gine", "sage"])
@pytest.mark.parametrize("jumping_knowledge", ["cat", "max"])
def test_deepsets_is_of_glots_size(size, gnn_type, jumping_knowledge):
    """Up to half a hidden unit; its vector is as wide as GLOT's, so the classifiers are equal, too."""
    options = {"input_size": size, "gnn_type": gnn_type, "jumping_knowledge": jumping_knowledge}
    glot, deepsets = (GlotPooler(GlotConfig(pooling=name, **options)) for name in ("glot", "deepsets"))
    count = [sum(parameter.numel() for parameter in pooler.parameters()) for pooler in (glot, deepsets)]
    width = GlotConfig(**options).hidden_size
    assert abs(count[0] - count[1]) <= (size + 1 + width) / 2 + 1
    assert deepsets(torch.randn(1, 2, size)).shape == (1, width)


def test_cross_attention_asks_with_the_input():
    """Another token changes the weights of the others, beyond the share it takes."""
    pooler, hidden = pooling("cross_attention"), torch.randn(1, 5, SIZE)
    other = hidden.clone()
    other[0, 4] += 3
    first, second = (pooler(states, return_details=True).readout_weights[0, :4] for states in (hidden, other))
    assert not torch.allclose(first / first.sum(), second / second.sum(), rtol=1e-3)


def test_heads_must_divide_the_width():
    with pytest.raises(StrictDataclassError, match=r"num_attention_heads \(5\) must divide input_size \(12\)"):
        GlotConfig(input_size=12, pooling="multi_query", num_attention_heads=5)
    GlotConfig(input_size=12, pooling="multi_query", num_attention_heads=3)  # and not gnn_hidden_size (128)
