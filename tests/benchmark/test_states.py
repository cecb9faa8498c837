import torch

from glot_hf.benchmark.states import edge_density, random_lengths, random_states
from glot_hf.model.graph_glot import token_graph


def test_the_graph_is_neither_empty_nor_full():
    states, mask = random_states([40, 7, 25], 96, seed=0)
    assert states.shape == (3, 40, 96) and mask.sum(-1).tolist() == [40, 7, 25]
    assert not states[~mask].any() and not states.requires_grad
    assert 0.2 < edge_density(token_graph(states, mask, 0.6), mask) < 0.6


def test_the_density_counts_pairs_of_valid_tokens():
    mask = torch.tensor([[True, True, True], [True, False, False]])
    assert edge_density(torch.diag_embed(mask), mask) == 4 / 10


def test_a_seed_decides():
    assert torch.equal(random_states([3], 4, seed=1)[0], random_states([3], 4, seed=1)[0])
    lengths = random_lengths(1000, 5, 12, seed=0)
    assert lengths == random_lengths(1000, 5, 12, seed=0) and set(lengths) == set(range(5, 13))
