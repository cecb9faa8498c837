# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What several processes that train one head (DDP) have to agree on, so that they train it as one process would."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def sum_over_processes(*terms: Tensor) -> tuple[Tensor, ...]:
    """
    The sum of each term over all processes; the terms as they are where there is one process. Statistics of the whole
    batch are made of such sums. All processes have to call it, as they do in a training step. Differentiable.
    """
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return terms
    joined = _AllReduce.apply(torch.cat([term.flatten() for term in terms]))
    return tuple(each.view_as(term) for each, term in zip(joined.split([term.numel() for term in terms]), terms))


class _AllReduce(torch.autograd.Function):
    """Each process's term is in every process's sum, so its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, terms: Tensor) -> Tensor:
        total = terms.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _AllReduce.apply(gradient)
