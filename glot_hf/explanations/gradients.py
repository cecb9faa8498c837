# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Integrated gradients (Sundararajan et al., 2017) of the input embeddings, by Captum: for any head."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..system.errors import require_extra


_STEPS, _AT_ONCE = 64, 16


def integrated_gradients(logits_of: Callable[[Tensor], Tensor], embeds: Tensor, num_labels: int) -> Tensor:
    """
    Return the attribution of each token to each logit, `(L, C)`, against embeddings of zeros.

    Args:
        logits_of: `(B, L, d)` embeddings -> `(B, C)` logits.
        embeds (`Tensor` of shape `(1, L, d)`): of the text.

    Raises:
        InputError: Captum is not installed.
    """
    require_extra("explain", "captum")
    from captum.attr import IntegratedGradients

    method = IntegratedGradients(logits_of)
    columns = []
    for place in range(num_labels):
        with torch.enable_grad():
            found = method.attribute(embeds, target=place, n_steps=_STEPS, internal_batch_size=_AT_ONCE)
        columns.append(found[0].sum(dim=-1).detach())
    return torch.stack(columns, dim=1)
