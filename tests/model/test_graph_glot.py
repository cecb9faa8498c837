"""The token graph: cosines above tau between valid tokens, whatever the padding, the scale or the dtype."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from glot_hf.model import graph_glot
from glot_hf.model.graph_glot import token_graph


properties = settings(max_examples=50, deadline=None)
THRESHOLDS = [-1.0, -0.3, 0.0, 0.3, 0.6, 0.9]


def random_states(seed, *shape):
    """Tokens that share a direction, as those of language models do: cosines of every size."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator) + 0.7 * torch.randn(shape[-1], generator=generator)


def all_valid(states):
    return torch.ones(states.shape[:2], dtype=torch.bool)


def cosines(states):
    return F.cosine_similarity(states[:, :, None], states[:, None], dim=-1)  # (B, L, L)


def has_a_cosine_at(threshold, states):
    """Whether rounding alone may decide about an edge."""
    distance = (cosines(states) - threshold).abs() < 1e-5
    return bool((distance & ~torch.eye(states.shape[1], dtype=torch.bool)).any())


@st.composite
def sentences(draw):
    """States of one sentence `(1, L, d)`, sometimes with a zero vector, and a threshold that no cosine is near."""
    states = random_states(draw(st.integers(0, 2**32)), 1, draw(st.integers(1, 8)), draw(st.integers(1, 9)))
    if draw(st.booleans()):
        states[:, draw(st.integers(0, states.shape[1] - 1))] = 0
    threshold = draw(st.floats(-1, 0.99))
    assume(not has_a_cosine_at(threshold, states))
    return states, threshold


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_is_the_thresholded_cosine(threshold):
    states = random_states(0, 3, 12, 16)
    mask = torch.arange(12) < torch.tensor([[12], [5], [1]])
    assert not has_a_cosine_at(threshold, states)
    expected = (cosines(states) > threshold) & mask[:, :, None] & mask[:, None, :]
    adjacency = token_graph(states, mask, threshold)
    assert adjacency.dtype == torch.bool
    assert torch.equal(adjacency, expected)
    if threshold in (0.0, 0.3, 0.6):  # neither empty nor full, or the comparison would say little
        assert 0.05 < adjacency[0].float().mean() < 0.95


@properties
@given(
    sentences(), st.integers(0, 3), st.integers(0, 3), st.sampled_from([0.0, 1e30, torch.nan, torch.inf, -torch.inf])
)
def test_padding_does_not_matter(sentence, left, right, garbage):
    """Neither its side, nor its amount, nor what it holds."""
    states, threshold = sentence
    padded = F.pad(states, (0, 0, left, right), value=garbage)
    mask = F.pad(all_valid(states), (left, right))
    expected = F.pad(token_graph(states, all_valid(states), threshold), (left, right, left, right))
    assert torch.equal(token_graph(padded, mask, threshold), expected)


@properties
@given(sentences(), st.randoms(use_true_random=False))
def test_follows_the_order_of_tokens(sentence, random):
    states, threshold = sentence
    order = list(range(states.shape[1]))
    random.shuffle(order)
    expected = token_graph(states, all_valid(states), threshold)[:, order][:, :, order]
    assert torch.equal(token_graph(states[:, order], all_valid(states), threshold), expected)


@properties
@given(sentences(), st.data())
def test_the_scale_of_a_token_does_not_matter(sentence, data):
    """Powers of two change no digit, so this holds exactly."""
    states, threshold = sentence
    exponents = data.draw(st.lists(st.integers(-25, 25), min_size=states.shape[1], max_size=states.shape[1]))
    scaled = states * 2.0 ** torch.tensor(exponents)[:, None]
    expected = token_graph(states, all_valid(states), threshold)
    assert torch.equal(token_graph(scaled, all_valid(states), threshold), expected)


@pytest.mark.parametrize("exponent", [-100, -60, 60, 100])
def test_tokens_whose_squares_leave_float32(exponent):
    states = random_states(1, 1, 6, 8)
    expected = token_graph(states, all_valid(states), 0.3)
    assert torch.equal(token_graph(states * 2.0**exponent, all_valid(states), 0.3), expected)


@properties
@given(sentences())
def test_is_symmetric(sentence):
    states, threshold = sentence
    adjacency = token_graph(states, all_valid(states), threshold)
    assert torch.equal(adjacency, adjacency.transpose(1, 2))


@pytest.mark.parametrize("length", [2, 3, 5, 8])
@pytest.mark.parametrize("size", [8, 64, 100])
def test_is_symmetric_where_rounding_decides(length, size):
    """With tau at each of the cosines: a matrix product may round (i, j) and (j, i) differently (seen at 3 x 64)."""
    states = random_states(0, 1, length, size)
    unit = F.normalize(states, dim=-1)
    for threshold in (unit @ unit.transpose(1, 2)).clamp(max=0.99).flatten().tolist():
        adjacency = token_graph(states, all_valid(states), threshold)
        assert torch.equal(adjacency, adjacency.transpose(1, 2)), threshold


JUST_BELOW_ONE = [0.9999999, 1 - 1e-8, 1 - 1e-15]


@properties
@given(st.integers(0, 2**32), st.floats(-1, 0.999) | st.sampled_from(JUST_BELOW_ONE), st.booleans())
def test_self_edges(seed, threshold, repeated):
    """Every valid token that is not zero has one, also with tau so close to 1 that a rounded cosine is below it."""
    states = random_states(seed, 2, 7, 5)
    if repeated:
        states = states[:, :1].expand(-1, 7, -1)
    mask = torch.tensor([[True] * 7, [False] * 3 + [True] * 4])
    diagonal = token_graph(states, mask, threshold).diagonal(dim1=1, dim2=2)
    assert torch.equal(diagonal, mask)


@pytest.mark.parametrize("threshold", [-0.5, 0.0, 0.6])
def test_a_zero_vector_has_cosine_zero_with_every_token(threshold):
    states = random_states(2, 1, 4, 8)
    states[0, 2] = 0
    adjacency = token_graph(states, all_valid(states), threshold)
    assert adjacency[0, 2].tolist() == adjacency[0, :, 2].tolist() == [threshold < 0] * 4


def test_without_valid_tokens_there_are_no_edges():
    assert not token_graph(torch.full((2, 3, 4), torch.nan), torch.zeros(2, 3, dtype=torch.bool), -1.0).any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_the_dtype_does_not_matter(dtype, threshold):
    """The cosine is that of the same numbers in float32."""
    states = random_states(3, 2, 40, 24).to(dtype)
    assert torch.equal(
        token_graph(states, all_valid(states), threshold), token_graph(states.float(), all_valid(states), threshold)
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast_does_not_matter(dtype):
    states = random_states(4, 2, 60, 24).to(dtype)
    expected = token_graph(states, all_valid(states), 0.3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(token_graph(states, all_valid(states), 0.3), expected)


@pytest.mark.parametrize("length", [1, 7, 8, 37, 64])
@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_in_bits_it_is_the_same(length, threshold, monkeypatch):
    """Half of it is computed, in blocks, and mirrored."""
    monkeypatch.setattr(graph_glot, "_BLOCK", 3 * 16 * length)
    states = random_states(6, 3, length, 12)
    states[:, length // 2] = 0
    mask = torch.rand(3, length, generator=torch.Generator().manual_seed(7)) < torch.tensor([[1.0], [0.7], [0.0]])
    expected = np.packbits(token_graph(states, mask, threshold).numpy(), axis=-1, bitorder="little")
    assert np.array_equal(token_graph(states, mask, threshold, packed=True).numpy(), expected)


def test_records_no_gradient():
    states = random_states(5, 1, 4, 8).requires_grad_()
    assert not token_graph(states, all_valid(states), 0.3).requires_grad
    with torch.inference_mode():
        token_graph(states.detach(), all_valid(states), 0.3)
