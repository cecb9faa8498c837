"""Eight booleans a byte, against numpy; and the kept edges of a long text, against those computed at once."""

import numpy as np
import pytest
import torch

from glot_hf.model.bits_glot import pack_bits, unpack_bits
from glot_hf.model.graph_glot import SimilarTokens, token_graph
from glot_hf.model.packing_glot import TokenLayout


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 64, 131])
def test_packed_as_numpy_packs_them(length):
    values = torch.rand(3, 5, length) < 0.5
    packed = pack_bits(values)
    np.testing.assert_array_equal(packed.numpy(), np.packbits(values.numpy(), axis=-1, bitorder="little"))
    assert torch.equal(unpack_bits(packed, length), values)


@pytest.mark.parametrize("block_size", [1, 5, 8, 16, 100])
@pytest.mark.parametrize("side", ["left", "right"])
def test_kept_edges_are_those_of_the_whole_graph(block_size, side):
    torch.manual_seed(0)
    states = torch.randn(3, 37, 4)
    places = torch.arange(37) if side == "right" else torch.arange(36, -1, -1)
    mask = places < torch.tensor([37, 20, 0])[:, None]
    layout = TokenLayout(mask)
    kept = SimilarTokens(layout.pack(states), layout, 0.3).kept(block_size)
    expected = token_graph(states, mask, 0.3)
    assert 0.1 < expected.float().mean() < 0.9 and torch.equal(kept.rows(0, 37), expected)
    assert torch.equal(kept.rows(11, 30), expected[:, 11:30])
