# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Random hidden states whose token graph is neither empty nor full."""

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


def random_states(lengths: list[int], size: int, seed: int) -> tuple[Tensor, Tensor]:
    """
    States of sentences of these lengths. Tokens of a sentence share a direction, each to another degree: cosines lie
    between 0 and 0.9, and some exceed a threshold of 0.6.

    Returns:
        hidden states `(B, L, size)`, float32, zero at padding, and the attention mask `(B, L)`, bool.
    """
    generator = torch.Generator().manual_seed(seed)
    states = []
    for length in lengths:
        shared = torch.randn(1, size, generator=generator)
        degree = 2.5 * torch.rand(length, 1, generator=generator)
        states.append(degree * shared + torch.randn(length, size, generator=generator))
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]  # (B, L)
    return pad_sequence(states, batch_first=True), mask


def random_lengths(count: int, shortest: int, longest: int, seed: int) -> list[int]:
    """Uniform in `shortest` to `longest`."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(shortest, longest + 1, (count,), generator=generator).tolist()


def edge_density(adjacency: Tensor, mask: Tensor) -> float:
    """Share of the pairs of valid tokens of a sentence that are joined, self edges included."""
    return adjacency.sum().item() / mask.sum(-1).square().sum().item()
