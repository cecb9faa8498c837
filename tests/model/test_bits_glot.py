"""Eight booleans a byte: numpy's packbits, in every shape and memory layout."""

import numpy as np
import pytest
import torch

from glot_hf.model.bits_glot import pack_bits, unpack_bits


SHAPES = [(1,), (8,), (9,), (3, 17), (2, 5, 16), (2, 0, 9), (0,)]


@pytest.mark.parametrize("shape", SHAPES)
def test_packs_as_numpy_and_unpacks(shape):
    values = torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.4
    packed = pack_bits(values)
    assert np.array_equal(packed.numpy(), np.packbits(values.numpy(), axis=-1, bitorder="little"))
    assert torch.equal(unpack_bits(packed, shape[-1]), values)


def test_transposed_and_sliced():
    values = torch.rand(2, 24, 19, generator=torch.Generator().manual_seed(0)) < 0.4
    assert torch.equal(unpack_bits(pack_bits(values.mT), 24), values.mT)
    assert torch.equal(unpack_bits(pack_bits(values)[:, 3:9, 1:], 11), values[:, 3:9, 8:])
