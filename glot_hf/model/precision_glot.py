# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The precision of sums, squares and softmaxes, which half precision would round or overflow."""

import torch
from torch import Tensor


def at_least_float32(tensor: Tensor) -> Tensor:
    """Return the numbers in float32, or in float64 where they are in float64. Gradients flow."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
