"""The poolings: special cases of the paper, plain loops as oracles, and what must never change a sentence vector."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from heads import LEFT, RIGHT, SIZE, TAU, head, relative_error
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch._dynamo.testing import CompileCounterWithBackend

from glot_hf import GlotConfig, GlotPooler
from glot_hf.model.graph_glot import token_graph
from glot_hf.model.layers_glot import GNN_LAYERS
from glot_hf.model.pooling_glot import POOLINGS


properties = settings(max_examples=10, deadline=None)  # of each of forty heads

JUMPING_KNOWLEDGE = ["cat", "max", "mean", "last"]
BASELINES = sorted(set(POOLINGS) - {"glot"})
ATTENTION = ["cross_attention", "latent_attention", "multi_query"]
# Every head there is, by name: its options.
HEADS = {
    **{
        f"{gnn}-{jk}": {"gnn_type": gnn, "jumping_knowledge": jk} for gnn, jk in product(GNN_LAYERS, JUMPING_KNOWLEDGE)
    },
    "gat-2-heads": {"num_attention_heads": 2},
    "no-layers": {"num_gnn_layers": 0},
    "projected": {"projection_size": 3},
    "without-edges": {"graph_type": "self"},
    "residual": {"block": "residual", "dropout": 0.5},
    "residual-without-edges": {"block": "residual", "graph_type": "self", "readout": ["mean", "max", "attention"]},
    "token-features": {"token_features": ["surprisal"], "input_size": SIZE - 4},
    "joined-readouts": {"readout": ["max", "mean"]},
    **{f"{norm}-norm": {"input_norm": norm} for norm in ("layer", "standard")},
    **{pooling: {"pooling": pooling} for pooling in BASELINES},
    **{f"{pooling}-2-heads": {"pooling": pooling, "num_attention_heads": 2} for pooling in ATTENTION},
    "multi_query-projected": {"pooling": "multi_query", "num_latents": 3, "projection_size": 4},
}
WITH_READOUT = [
    name
    for name, options in HEADS.items()
    if options.get("pooling", "glot") in ("glot", "adapool") and "readout" not in options
]
PADDING = {"right": RIGHT, "left": LEFT}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def pad(sentences, paddings, garbage=0.0):
    """`n` states `(L_i, d)`, each with its `(left, least right)` padding -> `(n, L, d)`, mask `(n, L)`."""
    length = max(left + len(states) + right for states, (left, right) in zip(sentences, paddings))
    hidden = torch.full((len(sentences), length, SIZE), garbage)
    mask = torch.zeros(len(sentences), length, dtype=torch.long)
    for row, (states, (left, _)) in enumerate(zip(sentences, paddings)):
        hidden[row, left : left + len(states)] = states
        mask[row, left : left + len(states)] = 1
    return hidden, mask


@st.composite
def batches(draw):
    """States `(L, d)` of a few sentences, of which no two tokens have a cosine that rounding could push over tau."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    sentences = []
    for length in draw(st.lists(st.integers(1, 6), min_size=1, max_size=4)):
        states = torch.randn(length, SIZE, generator=generator) + 0.5
        cosines = F.cosine_similarity(states[:, None], states[None], dim=-1)
        assume(((cosines - TAU).abs() > 1e-5).all())
        sentences.append(states)
    return sentences


class TestNothingButTheSentenceMatters:
    """In eval mode a sentence's vector is what it is alone and without padding."""

    @pytest.mark.parametrize("options", HEADS.values(), ids=HEADS)
    @properties
    @given(sentences=batches(), data=st.data())
    def test_padding(self, options, sentences, data):
        """Its side, its amount, and what it holds."""
        pooler = head(**options)
        amounts = st.tuples(st.integers(0, 3), st.integers(0, 3))
        paddings = data.draw(st.lists(amounts, min_size=len(sentences), max_size=len(sentences)))
        garbage = data.draw(st.sampled_from([0.0, 1e30, torch.nan, torch.inf, -torch.inf]))
        actual = pooler(*pad(sentences, paddings, garbage))
        expected = torch.cat([pooler(states[None]) for states in sentences])
        assert relative_error(actual, expected) < 1e-5

    @pytest.mark.parametrize("options", HEADS.values(), ids=HEADS)
    @properties
    @given(sentences=batches(), company=batches(), random=st.randoms(use_true_random=False))
    def test_company_and_order(self, options, sentences, company, random):
        pooler = head(**options)
        order = list(range(len(sentences) + len(company)))
        random.shuffle(order)
        everyone = [(sentences + company)[index] for index in order]
        actual = pooler(*pad(everyone, [(0, 0)] * len(everyone)))
        expected = pooler(*pad(sentences, [(0, 0)] * len(sentences)))
        assert relative_error(actual[[order.index(index) for index in range(len(sentences))]], expected) < 1e-5


@pytest.mark.parametrize("mask", PADDING.values(), ids=PADDING)
@pytest.mark.parametrize("pooling", ["mean", "max", "cls", "last"])
def test_baselines_against_plain_loops(pooling, mask):
    def pool(tokens):
        if pooling == "mean":
            return [sum(token[i] for token in tokens) / len(tokens) for i in range(SIZE)]
        if pooling == "max":
            return [max(token[i] for token in tokens) for i in range(SIZE)]
        return tokens[0] if pooling == "cls" else tokens[-1]

    hidden = torch.randn(3, 5, SIZE) - 2  # mostly negative: a zero from padding would win the maximum
    expected = []
    for states, row in zip(hidden.tolist(), mask.tolist()):
        expected.append(pool([token for token, valid in zip(states, row) if valid]))
    torch.testing.assert_close(head(pooling=pooling)(hidden, mask), torch.tensor(expected))


class TestSpecialCasesOfThePaper:
    @pytest.mark.parametrize("jumping_knowledge", JUMPING_KNOWLEDGE)
    def test_without_layers_it_is_adapool(self, jumping_knowledge):
        glot = head(num_gnn_layers=0, jumping_knowledge=jumping_knowledge)
        adapool = head(pooling="adapool")
        adapool.load_state_dict(glot.state_dict())
        hidden = torch.randn(3, 5, SIZE)
        torch.testing.assert_close(glot(hidden, LEFT), adapool(hidden, LEFT))

    @pytest.mark.parametrize("name", WITH_READOUT)
    def test_constant_scores_are_mean_pooling(self, name):
        pooler = head(**{**HEADS[name], "projection_size": None})
        torch.nn.init.zeros_(pooler.pooling.readout.score_layer[2].weight)
        details = pooler(torch.randn(3, 5, SIZE), LEFT, return_details=True)
        mask = LEFT[:, :, None].float()
        torch.testing.assert_close(details.vector, (details.token_embeddings * mask).sum(1) / mask.sum(1))

    @pytest.mark.parametrize("jumping_knowledge", ["cat", "mean"])
    def test_one_hot_scores_are_cls_pooling(self, jumping_knowledge):
        pooler = head(jumping_knowledge=jumping_knowledge, num_gnn_layers=2 if jumping_knowledge == "cat" else 0)
        with torch.no_grad():  # the score reads the first number of a token, and nothing else
            for layer in (pooler.pooling.readout.score_layer[0], pooler.pooling.readout.score_layer[2]):
                layer.weight.zero_()
                layer.weight[0, 0] = 1e4
                layer.bias.zero_()
        hidden = torch.randn(3, 5, SIZE)
        hidden[:, :, 0] = -1
        first = LEFT.argmax(dim=1)
        hidden[range(3), first, 0] = 1
        details = pooler(hidden, LEFT, return_details=True)
        torch.testing.assert_close(details.vector, details.token_embeddings[range(3), first])
        torch.testing.assert_close(details.vector[:, :SIZE], head(pooling="cls")(hidden, LEFT))


class TestDetails:
    @pytest.mark.parametrize("options", HEADS.values(), ids=HEADS)
    def test_describe_the_vector(self, options):
        pooler = head(**options)
        hidden = torch.randn(3, 5, SIZE)
        details = pooler(hidden, LEFT, return_details=True)
        config = GlotConfig(**{"input_size": SIZE, "gnn_hidden_size": 4, **options})
        assert torch.equal(details.vector, pooler(hidden, LEFT))
        assert details.vector.shape == (3, config.hidden_size)
        width = SIZE if config.pooling == "multi_query" else config.pooled_size // len(config.readouts)
        assert details.token_embeddings.shape == (3, 5, width)
        assert not details.token_embeddings[LEFT == 0].any()
        without_graph = config.block == "residual" and config.graph_type == "self"
        assert (details.adjacency is not None) == (config.pooling == "glot" and not without_graph)
        if config.pooling == "max" or "attention" not in config.readouts:
            assert details.readout_weights is None
        else:
            weights = details.readout_weights.float()
            assert not weights[LEFT == 0].any() and (weights >= 0).all()
            torch.testing.assert_close(weights.sum(-1), torch.ones(3))
            if config.pooling in ("cross_attention", "multi_query") or len(config.readouts) > 1:
                return  # which weigh values, and a mean of several heads or queries; or have other vectors beside it
            pooled = (weights[:, :, None] * details.token_embeddings).sum(1)
            expected = pooled if pooler.projection is None else pooler.projection(pooled)
            torch.testing.assert_close(details.vector, expected)

    def test_jumping_knowledge(self):
        """cat, max, mean and last join the same layers; with the same weights they can be made from cat."""
        cat = head(jumping_knowledge="cat", num_gnn_layers=3)
        hidden = torch.randn(3, 5, SIZE)
        joined = cat(hidden, RIGHT, return_details=True).token_embeddings
        states, *layers = joined.split([SIZE, 4, 4, 4], dim=-1)
        torch.testing.assert_close(states, hidden * RIGHT[:, :, None])
        layers = torch.stack(layers)
        assert (layers >= 0).all() and (layers > 0).any()  # ReLU after each
        for kind, expected in {"max": layers.amax(0), "mean": layers.mean(0), "last": layers[-1]}.items():
            pooler = head(jumping_knowledge=kind, num_gnn_layers=3)
            pooler.pooling.layers.load_state_dict(cat.pooling.layers.state_dict())
            torch.testing.assert_close(pooler(hidden, RIGHT, return_details=True).token_embeddings, expected)

    @pytest.mark.parametrize("size, hidden_size", [(6, 128), (256, 128), (600, 300)])
    def test_width_of_the_readout(self, size, hidden_size):
        """The released default, max(128, D // 2), unless it is given."""
        assert head(input_size=size, num_gnn_layers=0).pooling.readout.score_layer[0].out_features == hidden_size
        assert (
            head(input_size=size, pooling="adapool", readout_hidden_size=7).pooling.readout.score_layer[0].out_features
            == 7
        )

    def test_edges_reach_the_vector(self):
        """With and without edges, the same head gives another vector: tau is in use."""
        hidden = torch.randn(3, 5, SIZE) + 0.5
        with_edges, without = head(tau=-1.0), head(tau=0.9999)
        assert relative_error(with_edges(hidden), without(hidden)) > 1e-3


class TestPaddedRows:
    @pytest.mark.parametrize("options", HEADS.values(), ids=HEADS)
    @pytest.mark.parametrize("garbage", [0.0, torch.nan, torch.inf])
    def test_a_sentence_without_tokens_is_zero(self, options, garbage):
        pooler = head(**{**options, "projection_size": None})
        hidden = torch.randn(2, 4, SIZE)
        hidden[1] = garbage
        details = pooler(hidden, torch.tensor([[1, 1, 1, 0], [0, 0, 0, 0]]), return_details=True)
        assert details.vector[0].isfinite().all() and details.vector[0].any()
        for part in (details.vector, details.token_embeddings, details.readout_weights, details.adjacency):
            assert part is None or torch.equal(part[1], torch.zeros_like(part[1]))

    @pytest.mark.parametrize("options", HEADS.values(), ids=HEADS)
    def test_gradients_are_finite(self, options):
        pooler = head(**options).train()
        hidden = torch.randn(3, 5, SIZE)
        mask = LEFT.clone()
        mask[2] = 0
        hidden[mask == 0] = torch.nan
        hidden.requires_grad_()
        pooler(hidden, mask).square().sum().backward()
        assert hidden.grad.isfinite().all() and not hidden.grad[mask == 0].any() and hidden.grad[mask == 1].any()
        for name, parameter in pooler.named_parameters():
            assert parameter.grad.isfinite().all(), name

    @pytest.mark.parametrize("options", HEADS.values(), ids=HEADS)
    @pytest.mark.parametrize("batch, length", [(0, 3), (2, 0)])
    def test_nothing_at_all(self, options, batch, length):
        """No sentences, or sentences without a single token, as a tokenizer without special tokens makes of ""."""
        pooler = head(**{**options, "projection_size": None})
        vector = pooler(torch.randn(batch, length, SIZE), torch.ones(batch, length))
        width = GlotConfig(**{"input_size": SIZE, "gnn_hidden_size": 4, **options}).pooled_size
        assert torch.equal(vector, torch.zeros(batch, width))


class TestArguments:
    @pytest.mark.parametrize("options", HEADS.values(), ids=HEADS)
    def test_without_a_mask_all_tokens_are_valid(self, options):
        hidden = torch.randn(3, 5, SIZE)
        pooler = head(**options)
        assert torch.equal(pooler(hidden), pooler(hidden, torch.ones(3, 5)))

    @pytest.mark.parametrize("dtype", [torch.bool, torch.int32, torch.int64, torch.float32, torch.bfloat16])
    @pytest.mark.parametrize(
        "options", [{}, *({"pooling": pooling} for pooling in BASELINES)], ids=["glot", *BASELINES]
    )
    def test_dtypes_of_the_mask(self, dtype, options):
        hidden, pooler = torch.randn(3, 5, SIZE), head(**options)
        assert torch.equal(pooler(hidden, LEFT.to(dtype)), pooler(hidden, LEFT))

    @pytest.mark.parametrize("options", HEADS.values(), ids=HEADS)
    def test_half_precision(self, options):
        pooler, hidden = head(**options), torch.randn(3, 5, SIZE).to(torch.bfloat16)
        expected = pooler(hidden.float(), LEFT)
        actual = pooler.to(torch.bfloat16)(hidden, LEFT)
        assert actual.dtype == torch.bfloat16
        assert relative_error(actual.float(), expected) < 0.05

    @pytest.mark.parametrize(
        "states, mask, message",
        [
            ((2, 3, 7), (2, 3), r"hidden_states of shape \(2, 3, 7\).*\(B, L, 6\)"),
            ((3, 6), (3,), r"hidden_states of shape \(3, 6\).*\(B, L, 6\)"),
            ((2, 3, 2, 6), (2, 3), r"hidden_states of shape \(2, 3, 2, 6\).*\(B, L, 6\)"),
            ((2, 3, 6), (2, 4), r"attention_mask of shape \(2, 4\).*\(2, 3, 6\)"),
            ((2, 3, 6), (2,), r"attention_mask of shape \(2,\)"),
            ((2, 3, 6), (2, 1, 3), r"attention_mask of shape \(2, 1, 3\)"),
        ],
    )
    def test_wrong_shapes(self, states, mask, message):
        with pytest.raises(ValueError, match=message):
            head()(torch.randn(states), torch.ones(mask))

    def test_without_an_input_size(self):
        with pytest.raises(ValueError, match="input_size"):
            GlotPooler(GlotConfig())


def test_projection():
    """A linear layer on the pooled vector, also on that of a sentence without tokens."""
    for pooling in POOLINGS:
        pooler, plain = head(pooling=pooling, projection_size=3), head(pooling=pooling)
        plain.load_state_dict({name: w for name, w in pooler.state_dict().items() if "projection" not in name})
        hidden, mask = torch.randn(2, 5, SIZE), torch.tensor([[1, 1, 1, 0, 0], [0, 0, 0, 0, 0]])
        weight, bias = pooler.projection.weight, pooler.projection.bias
        torch.testing.assert_close(pooler(hidden, mask), plain(hidden, mask) @ weight.T + bias)
        torch.testing.assert_close(pooler(hidden, mask)[1], bias)


@pytest.mark.parametrize("name", ["gcn-max", "no-layers", "without-edges", "layer-norm", *BASELINES])
def test_export_with_any_batch_and_length(name):
    """One program for all shapes, which gives what the head gives. Heads of other layers: in tests/test_export.py."""
    pooler = head(**HEADS[name])
    shapes = {0: torch.export.Dim("batch", min=1, max=64), 1: torch.export.Dim("length", min=2, max=256)}
    example = torch.randn(3, 5, SIZE), LEFT
    program = torch.export.export(pooler, example, dynamic_shapes={"hidden_states": shapes, "attention_mask": shapes})
    hidden, mask = torch.randn(7, 9, SIZE), torch.arange(9) < torch.tensor([9, 1, 4, 2, 3, 8, 5])[:, None]
    torch.testing.assert_close(program.module()(hidden, mask.long()), pooler(hidden, mask))


SLOW_TO_COMPILE = [
    pytest.param(name, marks=pytest.mark.slow)
    for name in ("gin-max", "gat-cat", "gat-2-heads", "without-edges", "adapool")
]


@pytest.mark.parametrize("name", ["standard-norm", *SLOW_TO_COMPILE])
def test_compiles_once_for_all_lengths(name):
    """Training, in one piece: no graph break, and no other program for another batch or length."""
    pooler, plain = head(**HEADS[name]).train(), head(**HEADS[name]).train()
    torch._dynamo.reset()
    compilations, counter = set(), CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(pooler, backend=counter, fullgraph=True, dynamic=True)
    for batch, length in [(3, 5), (4, 9), (2, 7), (5, 16)]:
        hidden, mask = torch.randn(batch, length, SIZE), torch.rand(batch, length) < 0.7
        mask[:, 0] = True
        pooler.zero_grad()
        plain.zero_grad()
        actual, expected = compiled(hidden, mask), plain(hidden, mask)
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)
        actual.square().sum().backward()
        expected.square().sum().backward()
        for (name, parameter), other in zip(pooler.named_parameters(), plain.parameters()):
            torch.testing.assert_close(parameter.grad, other.grad, rtol=1e-3, atol=1e-4, msg=name)
        compilations.add(counter.frame_count)
    assert len(compilations) == 1


@pytest.mark.parametrize("name", [name for name, options in HEADS.items() if list(head(**options).parameters())])
def test_autocast(name):
    pooler, hidden = head(**{**HEADS[name], "dropout": 0.0}).train(), torch.randn(3, 5, SIZE)
    expected = pooler(hidden, LEFT)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = pooler(hidden, LEFT)
    assert relative_error(actual.float(), expected) < 0.1
    actual.float().square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in pooler.parameters())


class TestGivenGraph:
    """`adjacency=`: the token graph, computed earlier."""

    def test_is_the_graph_that_is_used(self):
        hidden, pooler = torch.randn(3, 5, SIZE) + 0.5, head()
        own = token_graph(hidden, LEFT.bool(), TAU)
        assert torch.equal(pooler(hidden, LEFT, adjacency=own), pooler(hidden, LEFT))
        nothing = torch.eye(5, dtype=torch.bool).expand(3, 5, 5)
        torch.testing.assert_close(pooler(hidden, LEFT, adjacency=nothing), head(graph_type="self")(hidden, LEFT))

    @pytest.mark.parametrize("block_size", [None, 2])
    def test_in_bits(self, block_size):
        hidden, pooler = torch.randn(3, 5, SIZE) + 0.5, head(graph_block_size=block_size)
        packed = token_graph(hidden, LEFT.bool(), TAU, packed=True)
        assert packed.shape == (3, 5, 1) and packed.dtype == torch.uint8
        assert torch.equal(pooler(hidden, LEFT, adjacency=packed), pooler(hidden, LEFT))

    def test_padding_is_never_joined(self):
        hidden, pooler = torch.randn(3, 5, SIZE) + 0.5, head()
        for everything in (torch.ones(3, 5, 5, dtype=torch.bool), torch.full((3, 5, 1), 255, dtype=torch.uint8)):
            torch.testing.assert_close(pooler(hidden, LEFT, adjacency=everything), head(tau=-1)(hidden, LEFT))

    @pytest.mark.parametrize(
        "options, adjacency, message",
        [
            ({"pooling": "mean"}, torch.ones(3, 5, 5, dtype=torch.bool), "no graph"),
            ({}, torch.ones(3, 5, 5), r"float32 does not fit.*bool.*\(3, 5, 5\)"),
            ({}, torch.ones(3, 4, 4, dtype=torch.bool), r"\(3, 4, 4\).*\(3, 5, 5\)"),
            ({}, torch.ones(3, 5, 5, dtype=torch.uint8), r"uint8 does not fit.*packed.*\(3, 5, 1\)"),
        ],
    )
    def test_that_does_not_fit(self, options, adjacency, message):
        with pytest.raises(ValueError, match=message):
            head(**options)(torch.randn(3, 5, SIZE), LEFT, adjacency=adjacency)


@pytest.mark.parametrize("options", HEADS.values(), ids=HEADS)
def test_state_dict(options):
    pooler = head(**options)
    other = GlotPooler(GlotConfig(**{"input_size": SIZE, "gnn_hidden_size": 4, "tau": TAU, **options})).eval()
    assert other.load_state_dict(pooler.state_dict(), strict=True)
    hidden = torch.randn(3, 5, SIZE)
    assert torch.equal(other(hidden, LEFT), pooler(hidden, LEFT))
    # A checkpoint is read onto the meta device: what it does not hold would come back as whatever is in memory.
    assert {name for name, _ in pooler.named_buffers()} <= set(pooler.state_dict())
