# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What processes that train one head together (DDP) must agree on: sums over the batches of all of them."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def sum_over_processes(*terms: Tensor) -> tuple[Tensor, ...]:
    """
    Sum each term over all processes; return the terms unchanged where there is one process. Differentiable.

    Statistics of the whole batch are made of such sums. All processes have to call it, which they do in a training
    step.
    """
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return terms
    joined = _AllReduce.apply(torch.cat([term.flatten() for term in terms]))
    return tuple(each.view_as(term) for each, term in zip(joined.split([term.numel() for term in terms]), terms))


class _AllReduce(torch.autograd.Function):
    """A sum over processes. A term is in the sum of every process, so its gradient is the sum of their gradients."""

    @staticmethod
    def forward(ctx: Any, terms: Tensor) -> Tensor:
        total = terms.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _AllReduce.apply(gradient)
