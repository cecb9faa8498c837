"""
Heads with any options on texts of any length, drawn by hypothesis: an ordinary run draws a few, `make fuzz` 5,000.

In float64 a text's vector is the same alone, in any company, order and padding, and by every way to compute it; in
other dtypes it is that vector as far as they can tell.
"""

import copy
import os
from unittest.mock import patch

import torch
import torch.nn.functional as F
from heads import head, relative_error
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from glot_hf import GlotConfig, GlotForSequenceClassification, GlotPooler
from glot_hf.model import packing_glot
from glot_hf.model.graph_glot import BlockedGraph, GroupedGraph
from glot_hf.model.layers_glot import GNN_LAYERS
from glot_hf.model.pooling_glot import POOLINGS


CASES = int(os.environ.get("GLOT_DRAWN_CASES", 40))
drawn = settings(
    max_examples=CASES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4, torch.float16: 0.05, torch.bfloat16: 0.2}
GARBAGE = [0.0, 1e30, torch.nan, torch.inf, -torch.inf]


@st.composite
def options_of_heads(draw, pair_mode=None):
    """Options that fit each other, with layers and widths of a few numbers."""
    compares_tokens = pair_mode in ("late", "late_mean")
    width = draw(st.sampled_from([1, 2, 4, 6]))
    options = {"input_size": width, "input_norm": draw(st.sampled_from(["none", "layer", "standard"]))}
    size = width
    if draw(st.integers(0, 5)) == 0:
        options["token_features"], size = ["surprisal"], width + 4
    if draw(st.booleans()):
        options["backbone_layers"] = draw(st.sampled_from([[0, 1], [2, 0, 1]]))
        options["layer_mix"] = draw(st.sampled_from(["learned", "concat"]))
    if compares_tokens:
        return options
    options["pooling"] = draw(st.sampled_from(["glot"] * 5 + sorted(POOLINGS)))
    options["projection_size"] = draw(st.sampled_from([None, None, 1, 3]))
    hidden = draw(st.sampled_from([1, 2, 4, 6]))
    options |= {"gnn_hidden_size": hidden, "num_gnn_layers": draw(st.integers(0, 3))}
    if options["pooling"] == "glot":
        options["graph_type"] = draw(st.sampled_from(["similarity"] * 4 + ["self"]))
        options["tau"] = draw(st.sampled_from([-1.0, -0.5, 0.0, 0.3, 0.6, 0.9]))
        readouts = st.lists(st.sampled_from(["attention", "mean", "max"]), min_size=1, max_size=3, unique=True)
        options["readout"] = draw(st.one_of(st.just("attention"), readouts))
        options["block"] = draw(st.sampled_from(["gnn", "gnn", "residual"]))
    if options["pooling"] in ("glot", "deepsets") and options.get("block") != "residual":
        options["gnn_type"] = draw(st.sampled_from(sorted(GNN_LAYERS)))
        options["jumping_knowledge"] = draw(st.sampled_from(["cat", "max", "mean", "last"]))
    if options.get("block") == "residual":
        options["dropout"] = draw(st.sampled_from([0.0, 0.5]))  # of which evaluation sees nothing
    if options["pooling"] in ("glot", "adapool"):
        options["readout_hidden_size"] = draw(st.sampled_from([None, 1, 5]))
    if options["pooling"] in ("multi_query", "latent_attention"):
        options["num_latents"] = draw(st.sampled_from([1, 3]))
    attends = options["pooling"] in ("cross_attention", "latent_attention", "multi_query")
    layers = len(options["backbone_layers"]) if options.get("layer_mix") == "concat" else 1
    divided = {"input": size * layers, "gnn": hidden}["input" if attends else "gnn"]
    if attends or (options["pooling"] == "glot" and options.get("block") == "gnn"):
        heads = [n for n in (1, 2, 3) if divided % n == 0 and (not attends or width % n == 0)]
        options["num_attention_heads"] = draw(st.sampled_from(heads))
    return options


@st.composite
def texts(draw, shape, least=0):
    """States `(L, *shape)` of a few texts in float64, some without a token."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    scale = draw(st.sampled_from([0.3, 1.0, 3.0]))
    lengths = draw(st.lists(st.integers(0, 6), min_size=max(1, least), max_size=max(4, least)))
    return [scale * (torch.randn(n, *shape, generator=generator, dtype=torch.float64) + 0.4) for n in lengths]


@st.composite
def batches(draw, sentences):
    """`(states, mask, order)`: the texts in another order, each padded by any amount on either side, with garbage."""
    order = draw(st.permutations(range(len(sentences))))
    paddings = [draw(st.tuples(st.integers(0, 3), st.integers(0, 3))) for _ in sentences]
    side = draw(st.sampled_from(["left", "right", "both"]))
    longest = max(left + len(text) + right for text, (left, right) in zip(sentences, paddings))
    states = torch.full((len(order), longest, *sentences[0].shape[1:]), draw(st.sampled_from(GARBAGE)))
    states, mask = states.to(sentences[0].dtype), torch.zeros(len(order), longest, dtype=torch.long)
    for row, index in enumerate(order):
        count = len(sentences[index])
        start = {"left": longest - count, "right": 0, "both": paddings[index][0]}[side]
        states[row, start : start + count], mask[row, start : start + count] = sentences[index], 1
    return states, mask, order


def margin(pooler, sentences, tau):
    """How near a cosine of two tokens comes to tau, as the graph sees them; 1 where there is no graph."""
    seen = []
    handle = pooler.pooling.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    for text in sentences:
        pooler(text[None], return_details=True)
    handle.remove()
    cosines = [F.cosine_similarity(tokens[:, None], tokens[None], dim=-1).flatten() for tokens in seen]
    return (torch.cat(cosines) - tau).abs().min().item() if sum(map(len, seen)) else 1.0


def gradients(pooler, states, mask, **given):
    states = states.clone().requires_grad_()
    vectors = pooler(states, mask, **given)
    vectors.square().sum().backward()
    parts = {"states": states, **dict(pooler.named_parameters())}
    found = {name: torch.zeros_like(part) if part.grad is None else part.grad for name, part in parts.items()}
    pooler.zero_grad()
    return vectors.detach(), found


@drawn
@given(data=st.data())
def test_one_vector_by_every_way(data):
    """Alone, padded, shuffled; dense, in blocks of rows, in groups, by a given graph: outputs and gradients."""
    options = data.draw(options_of_heads())
    pooler = head(**options).double()
    sentences = data.draw(texts(pooler.token_shape))
    has_graph = getattr(pooler.pooling, "has_graph", False)
    if has_graph and options["graph_type"] == "similarity":
        assume(margin(pooler, sentences, options["tau"]) > 1e-9)
    alone = torch.cat([pooler(text[None]) for text in sentences]).detach()
    states, mask, order = data.draw(batches(sentences))
    details = pooler(states, mask, return_details=True)
    vectors, expected = gradients(pooler, states, mask)
    assert relative_error(vectors, alone[list(order)]) < TOLERANCE[torch.float64]
    ways = {"grouped": (pooler, {})}
    if has_graph:
        blocked = GlotPooler(GlotConfig(**options, graph_block_size=data.draw(st.integers(1, 4)))).double().eval()
        blocked.load_state_dict(pooler.state_dict())
        assert isinstance(blocked(states, mask, return_details=True).graph, BlockedGraph)
        ways |= {"blocked": (blocked, {}), "given": (pooler, {"adjacency": details.adjacency})}
        ways |= {"blocked and grouped": (blocked, {}), "given and grouped": ways["given"]}
    for name, (other, given_graph) in ways.items():
        worth = 1 if "grouped" in name else 2**60
        with patch.dict(packing_glot._WORTH_A_GROUP, cpu=worth):
            found, actual = gradients(other, states, mask, **given_graph)
            graph = other(states, mask, return_details=True, **given_graph).graph
        is_grouped = has_graph and "grouped" in name and len(set(map(len, sentences))) > 1
        assert isinstance(graph, GroupedGraph) or not is_grouped, name
        assert relative_error(found, vectors) < TOLERANCE[torch.float64], name
        for part, gradient in expected.items():
            scale = gradient.abs().max().clamp(min=1e-3) if gradient.numel() else 1
            assert gradient.isfinite().all() and actual[part].isfinite().all(), (name, part)
            assert gradient.numel() == 0 or (actual[part] - gradient).abs().max() / scale < 1e-8, (name, part)
    assert not expected["states"][mask == 0].any()


@drawn
@given(data=st.data(), dtype=st.sampled_from([torch.float32, torch.float16, torch.bfloat16]))
def test_one_vector_in_every_dtype(data, dtype):
    pooler = head(**(options := data.draw(options_of_heads()))).to(dtype)
    exact = copy.deepcopy(pooler).double()
    sentences = [text.to(dtype) for text in data.draw(texts(pooler.token_shape))]
    states, mask, order = data.draw(batches(sentences))
    given_graph, expected = {}, [exact(text[None].double(), return_details=True) for text in sentences]
    if getattr(pooler.pooling, "has_graph", False):
        if dtype == torch.float32:
            assume(margin(exact, [text.double() for text in sentences], options["tau"]) > 1e-4)
        else:  # which cannot tell on which side of tau a cosine is
            given_graph["adjacency"] = exact(states.double(), mask, return_details=True).adjacency
    vectors = pooler(states, mask, **given_graph)
    assert vectors.dtype == dtype and vectors.isfinite().all()
    wanted = torch.cat([details.vector for details in expected])[list(order)]
    assert relative_error(vectors.double(), wanted) < TOLERANCE[dtype]


@settings(drawn, max_examples=max(1, CASES // 5))
@given(data=st.data())
def test_gradients_by_finite_differences(data):
    """Of whole heads, in float64, by the dense way or in groups."""
    options = data.draw(options_of_heads())
    pooler = head(**options).double()
    sentences = data.draw(texts(pooler.token_shape))
    if getattr(pooler.pooling, "has_graph", False) and options["graph_type"] == "similarity":
        assume(margin(pooler, sentences, options["tau"]) > 1e-4)
    states, mask, _ = data.draw(batches(sentences))
    states = torch.where(mask.bool().view(*mask.shape, *[1] * (states.dim() - 2)), states, 0)
    names, weights = zip(*pooler.named_parameters()) if list(pooler.parameters()) else ((), ())
    worth = data.draw(st.sampled_from([1, 2**60]))

    def vectors_of(states, *weights):
        return torch.func.functional_call(pooler, dict(zip(names, weights)), (states, mask))

    with patch.dict(packing_glot._WORTH_A_GROUP, cpu=worth):
        assert torch.autograd.gradcheck(vectors_of, (states.requires_grad_(), *weights), fast_mode=True)


@drawn
@given(data=st.data(), pair_mode=st.sampled_from(["concat", "interaction", "cosine", "late", "late_mean"]))
def test_pairs(data, pair_mode):
    """Of a batch, each side in a padding of its own, and alone."""
    options = data.draw(options_of_heads(pair_mode)) | {"pair_mode": pair_mode}
    options["num_labels"] = 1 if pair_mode == "cosine" else data.draw(st.integers(1, 3))
    torch.manual_seed(0)
    model = GlotForSequenceClassification(GlotConfig(**options)).double().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    pooler = model.glot.head
    first = data.draw(texts(pooler.token_shape))
    second = list(data.draw(texts(pooler.token_shape, least=len(first))))[: len(first)]
    if getattr(pooler.pooling, "has_graph", False) and options["graph_type"] == "similarity":
        assume(margin(pooler, [*first, *second], options["tau"]) > 1e-9)

    def logits(a, b, mask_a, mask_b):
        return model(hidden_states=a, hidden_states_b=b, attention_mask=mask_a, attention_mask_b=mask_b).logits

    alone = []
    for a, b in zip(first, second):
        alone.append(logits(a[None], b[None], torch.ones(1, len(a)), torch.ones(1, len(b))))
    (a, mask_a, order), (b, mask_b, order_b) = data.draw(batches(first)), data.draw(batches(second))
    back = torch.tensor([order_b.index(index) for index in order])
    found = logits(a, b[back], mask_a, mask_b[back])
    expected = torch.cat(alone)[list(order)]
    assert found.isfinite().all()
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)


def test_what_is_drawn_is_of_every_kind():
    """Else nothing would tell that a pooling is never drawn."""
    seen: set[str] = set()

    @settings(drawn, max_examples=400)
    @given(options_of_heads())
    def collect(options):
        seen.update(f"{name}={value}" for name, value in options.items())

    collect()
    wanted = [f"pooling={name}" for name in POOLINGS] + [f"gnn_type={name}" for name in GNN_LAYERS]
    wanted += [f"jumping_knowledge={name}" for name in ("cat", "max", "mean", "last")]
    wanted += ["block=residual", "layer_mix=concat", "token_features=['surprisal']", "num_attention_heads=2"]
    assert not set(wanted) - seen
