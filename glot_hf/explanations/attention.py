# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Where a head looks: attention of its graph layers, and tokens that meet in late interaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..model.late_glot import masked_softmax
from ..model.packing_glot import TokenLayout
from .explanation import Alignment


@dataclass
class Seen:
    """What was seen of a head while it ran: the tokens `(L, d)` that its pooling read, and its graph attention."""

    tokens: Tensor = field(default_factory=lambda: torch.empty(0, 0))
    attention: list[Tensor] = field(default_factory=list)


@contextmanager
def watched(head: Any) -> Iterator[Seen]:
    """
    Watch a head while it runs on a text that is alone in its batch.

    Yields:
        [`Seen`]: is filled; its attention has `(heads, L, L)` of each layer, rows summing to 1, as
        [`~glot_hf.model.layers_glot.GATLayer`] computes them.
    """
    seen = Seen()

    def read(_: Any, inputs: tuple[Any, ...], __: Any) -> None:
        seen.tokens = inputs[0].detach().cpu()

    def note(layer: Any, inputs: tuple[Any, ...], _: Tensor) -> None:
        tokens, graph = inputs
        values = layer.lin(tokens).unflatten(-1, (layer.num_heads, layer.head_size))  # (N, heads, C)
        edge = (layer.lin_edge.weight.view(1, layer.num_heads, layer.head_size) * layer.att_edge).sum(-1)  # (1, heads)
        source, target = (values * layer.att_src).sum(-1), (values * layer.att_dst).sum(-1) + edge  # (N, heads)
        logits = F.leaky_relu(target.T[:, :, None] + source.T[:, None], layer.negative_slope)  # (heads, N, N)
        neighbours = graph.adjacency()[0] | torch.eye(len(tokens), dtype=torch.bool, device=tokens.device)
        seen.attention.append(masked_softmax(logits, neighbours).detach().cpu())

    # By what they have: the layers of a head that was loaded as remote code are of other classes.
    layers = [module for module in head.modules() if hasattr(module, "att_src")]
    hooks = [head.pooling.register_forward_hook(read), *(layer.register_forward_hook(note) for layer in layers)]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def align(late: Any, rows: Tensor, columns: Tensor) -> Alignment:
    """
    Return how the tokens of one text meet those of the other.

    Args:
        late ([`~glot_hf.model.late_glot.LateInteraction`]): of the model.
        rows, columns (`Tensor` of shape `(1, L, d)` and `(1, L_other, d)`): states of the two texts.
    """
    masks = [torch.ones(states.shape[:2], dtype=torch.bool, device=states.device) for states in (rows, columns)]
    (tokens, weights, _), (others, _, _) = (
        late._embed(states, TokenLayout(mask)) for states, mask in zip((rows, columns), masks)
    )
    cosines = tokens[0] @ others[0].T  # (L, L_other)
    matched = masked_softmax(late.sharpness * cosines, masks[1])
    return Alignment(matched.detach().cpu(), cosines.detach().cpu(), weights[0].detach().cpu())
