"""Padding moved to the right, or taken out, and back."""

import pytest
import torch

from glot_hf.model.backbone_forward_glot import EqualLengths, LeftPadding


MASK = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]])
TOKENS = torch.arange(20.0).view(4, 5)


def test_to_the_right_and_back():
    shift = LeftPadding(MASK)
    moved = shift.to_right(TOKENS)
    assert moved[0, :3].tolist() == [2, 3, 4] and moved[2, :3].tolist() == [11, 12, 13]
    assert torch.equal(shift.to_left(moved), TOKENS)


@pytest.mark.parametrize("dtype", [torch.bool, torch.long, torch.float32])
@pytest.mark.parametrize("width", [(), (2,)])
def test_rows_of_equal_length(dtype, width):
    states = TOKENS.view(4, 5, *[1] * len(width)).expand(4, 5, *width)
    joined, lengths = None, []
    for group in EqualLengths.groups(MASK.to(dtype)):
        rows = group.take(states)
        lengths.append((len(rows), rows.shape[1]))
        joined = group.put(rows, joined)
    assert lengths == [(1, 1), (2, 3), (1, 5)]  # a row of padding counts as one token
    assert torch.equal(joined[:3], (states * MASK.view(4, 5, *[1] * len(width)))[:3])
    assert joined.shape == states.shape


def test_a_row_for_all():
    groups = list(EqualLengths.groups(MASK))
    assert torch.equal(groups[1].take(torch.arange(5)[None]), torch.tensor([[2, 3, 4], [1, 2, 3]]))
