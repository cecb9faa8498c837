# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Token graph: hidden states -> masked adjacency (step 1 of GLOT, arXiv 2603.03389)."""

import torch
import torch.nn.functional as F
from torch import Tensor


def token_graph(hidden_states: Tensor, mask: Tensor, threshold: float) -> Tensor:
    r"""
    Joins the valid tokens `i, j` of a sentence where `cos(x_i, x_j) > threshold`.

    The cosine is taken in float32 whatever the dtype of the states, also under autocast: near the threshold the graph
    is discontinuous, and half precision would flip edges. It is exact on the diagonal: a valid token that is not a
    zero vector always has its self edge. A zero vector has cosine 0 with every token, itself included.

    Args:
        hidden_states (`Tensor` of shape `(B, L, d)`, floating point): token states; padding may hold anything.
        mask (`Tensor` of shape `(B, L)`, bool): True where a token is valid.
        threshold (`float`): tau, in [-1, 1).

    Returns:
        `Tensor` of shape `(B, L, L)`, bool: symmetric adjacency, False wherever padding is involved.
    """
    states = hidden_states.detach().float().masked_fill(~mask[:, :, None], 0.0)  # (B, L, d)
    largest = states.abs().amax(dim=-1, keepdim=True)  # (B, L, 1)
    is_zero = largest == 0
    # Scaled first, so that no square leaves float32; a zero vector stays zero.
    unit = F.normalize(states / largest.masked_fill(is_zero, 1.0), dim=-1)  # (B, L, d)
    with torch.autocast(device_type=states.device.type, enabled=False):
        similarity = unit @ unit.transpose(1, 2)  # (B, L, L)
    joined = similarity > threshold
    joined = joined | joined.transpose(1, 2)  # a matrix product may round (i, j) and (j, i) differently
    adjacency = joined & mask[:, :, None] & mask[:, None, :]
    return adjacency | torch.diag_embed(mask & ~is_zero[:, :, 0])


def self_graph(mask: Tensor) -> Tensor:
    """The control without edges: each valid token joined with itself alone. `(B, L)` bool -> `(B, L, L)` bool."""
    return torch.diag_embed(mask)
