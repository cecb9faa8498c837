"""Packed tokens: what is packed comes back where it was, with zeros at padding, in every mode."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glot_hf.packing_glot import TokenLayout


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
