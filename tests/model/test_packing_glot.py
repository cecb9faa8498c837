"""Packed tokens: what is packed comes back where it was, with zeros at padding, in every mode."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glot_hf.model import packing_glot
from glot_hf.model.packing_glot import TokenLayout


@st.composite
def masks(draw):
    batch, length = draw(st.integers(0, 4)), draw(st.integers(0, 5))
    rows = st.lists(st.booleans(), min_size=length, max_size=length)
    return torch.tensor(draw(st.lists(rows, min_size=batch, max_size=batch)), dtype=torch.bool).view(batch, length)


@settings(max_examples=100, deadline=None)
@given(masks(), st.sampled_from([(), (3,), (2, 3)]), st.sampled_from([0.0, torch.nan, torch.inf]))
def test_packs_the_valid_tokens_in_order_and_pads_them_with_zeros(mask, shape, garbage):
    layout, padded = TokenLayout(mask), torch.randn(*mask.shape, *shape)
    padded[~mask] = garbage
    tokens = layout.pack(padded)
    assert torch.equal(tokens, padded[mask])
    expected = torch.zeros_like(padded)
    expected[mask] = padded[mask]
    assert torch.equal(layout.pad(tokens), expected)
    assert layout.is_valid.shape == (len(tokens),) and layout.is_valid.all()


def test_without_padding_nothing_is_copied():
    layout, padded = TokenLayout(torch.ones(2, 3, dtype=torch.bool)), torch.randn(2, 3, 4)
    assert layout.pack(padded).data_ptr() == layout.pad(layout.pack(padded)).data_ptr() == padded.data_ptr()


@pytest.mark.parametrize("mask", [[[1, 1, 1], [1, 1, 1]], [[1, 1, 0], [0, 1, 1]]])
def test_gradients(mask):
    layout = TokenLayout(torch.tensor(mask).bool())
    padded = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layout.pack, padded)
    tokens = torch.randn(int(layout.mask.sum()), 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layout.pad, tokens)


@pytest.mark.parametrize("garbage", [0.0, torch.nan, torch.inf])
def test_compiled_padding_is_kept_as_zeros(garbage):
    """The shape of what is compiled must not follow from the data."""
    mask = torch.tensor([[1, 1, 0], [0, 0, 1]]).bool()

    @torch.compile(backend="eager", fullgraph=True)
    def pack_and_pad(padded, mask):
        layout = TokenLayout(mask)
        tokens = layout.pack(padded)
        return tokens, layout.is_valid, layout.pad(tokens + 1)

    padded = torch.randn(2, 3, 4)
    padded[~mask] = garbage
    tokens, is_valid, result = pack_and_pad(padded, mask)
    assert torch.equal(tokens, padded.masked_fill(~mask[:, :, None], 0).flatten(0, 1))
    assert torch.equal(is_valid, mask.flatten())
    assert torch.equal(result, (padded + 1).masked_fill(~mask[:, :, None], 0))


@pytest.fixture
def any_saving_is_worth_a_group(monkeypatch):
    monkeypatch.setitem(packing_glot._WORTH_A_GROUP, "cpu", 1)


SENTENCES = [[1, 1, 1, 1, 1], [0, 0, 0, 1, 1], [0, 0, 0, 0, 0], [1, 0, 1, 0, 1], [1, 1, 1, 1, 0], [0, 1, 0, 0, 0]]


@pytest.mark.parametrize("rows", [SENTENCES, SENTENCES[1:4], SENTENCES[1:2] * 3, SENTENCES[2:3], SENTENCES[:0]])
def test_groups_of_like_length(rows, any_saving_is_worth_a_group):
    mask = torch.tensor(rows, dtype=torch.bool).view(-1, 5)
    layout, padded = TokenLayout(mask), torch.randn(*mask.shape, 3)
    tokens = layout.pack(padded)
    assert sorted(tokens.tolist()) == sorted(padded[mask].tolist())
    valid = padded * mask[:, :, None]
    assert torch.equal(layout.pad(tokens), valid)
    sums = layout.over_sentences(lambda states: states.sum(dim=1), tokens)
    torch.testing.assert_close(sums, valid.sum(dim=1))
    lengths = mask.sum(dim=1).tolist()
    if rows:
        assert [len(group.mask) for group in layout.groups] == [lengths.count(n) for n in sorted(set(lengths))[::-1]]
        assert [group.mask.shape[1] for group in layout.groups] == sorted(set(lengths))[::-1]  # and no padding is left


def test_pairs_of_groups_come_back(any_saving_is_worth_a_group):
    mask = torch.tensor(SENTENCES).bool()
    layout = TokenLayout(mask)
    pairs = torch.rand(len(mask), 5, 5) > 0.5
    assert len(layout.groups) > 1
    expected = pairs & mask[:, :, None] & mask[:, None, :]
    assert torch.equal(layout.join_pairs(layout.split_pairs(expected)), expected)


def test_groups_are_made_where_they_save_much():
    def groups(lengths, longest=128):
        return [
            group.mask.shape for group in TokenLayout(torch.arange(longest) < torch.tensor(lengths)[:, None]).groups
        ]

    assert groups([128] * 4 + [20] * 4) == [(4, 128), (4, 20)]
    assert groups([20, 128] * 4) == [(4, 128), (4, 20)]
    assert groups([128] * 8 + [120] * 8) == [(16, 128)]
    assert groups([10] * 32) == [(32, 10)]
    assert groups([10, 4]) == [(2, 128)]
    shapes = groups(range(5, 129, 4))
    pairs = sum(batch * length**2 for batch, length in shapes)
    assert 2 <= len(shapes) <= 6 and pairs < 0.5 * 32 * 128**2
