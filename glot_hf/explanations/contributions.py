# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What each token contributes to each logit."""

from typing import Any

import torch
from torch import Tensor


_NOT_LINEAR = {
    "max": "readout or pooling max takes each dimension from one token",
    "attends": "this pooling puts attention heads and a linear map between tokens and vector",
    "interaction": "pair_mode='interaction' multiplies the two vectors",
    "cosine": "pair_mode='cosine' divides by the lengths of the vectors",
    "late": "pair_mode='late' compares tokens with tokens",
    "late_mean": "pair_mode='late_mean' compares tokens with a mean",
}
EXACT = "contributions to the logits, which with the bias they sum to"
GRADIENTS = "gradient times state, as {reason}"


def reason_not_exact(config: Any) -> str | None:
    """Return why the logits of a head are not linear in its tokens; None where they are."""
    if config.pair_mode not in (None, "concat"):
        return _NOT_LINEAR[config.pair_mode]
    if config.pooling in ("cross_attention", "multi_query"):
        return _NOT_LINEAR["attends"]
    if config.pooling == "max" or (config.pooling == "glot" and "max" in config.readouts):
        return _NOT_LINEAR["max"]
    return None


def linear_contributions(model: Any, pooled: list[Any]) -> tuple[list[Tensor], Tensor]:
    """
    Return `[(L, C)]` of each text, and the bias `(C,)`: what the linear layers behind the sum make of each summand.

    Args:
        model: a `GlotForSequenceClassification` whose pooling sums tokens, or takes each dimension from one of them.
        pooled (`list[PooledTokens]`): of each text, alone in its batch.
    """
    summands = [_summands(model.config, each) for each in pooled]  # (L, n * D) each

    def logits(vectors: list[Tensor]) -> Tensor:
        if model.base_model.head.projection is not None:
            vectors = [model.base_model.head.projection(vector) for vector in vectors]
        return model.classifier(torch.cat(vectors, dim=-1))

    zeros = [part.new_zeros(1, part.shape[1]) for part in summands]
    bias = logits(zeros)[0]  # (C,)
    contributions = []
    for place, part in enumerate(summands):
        others = [zero.expand(len(part), -1) for zero in zeros]
        others[place] = part
        contributions.append(logits(others) - bias)
    return contributions, bias


def _summands(config: Any, pooled: Any) -> Tensor:
    """Return what each token adds to the vector before the projection, `(L, n * D)`."""
    tokens = pooled.token_embeddings[0]  # (L, D)
    kinds = config.readouts if config.pooling == "glot" else ["max" if config.pooling == "max" else "weights"]
    parts = []
    for kind in kinds:
        if kind == "max":
            from_it = torch.zeros_like(tokens)
            parts.append(
                tokens * from_it.scatter(0, tokens.argmax(dim=0, keepdim=True), 1.0) if len(tokens) else tokens
            )
        elif kind == "mean":
            parts.append(tokens / max(1, len(tokens)))
        else:
            parts.append(tokens * pooled.readout_weights[0, :, None].to(tokens.dtype))
    return torch.cat(parts, dim=-1)


def gradient_contributions(model: Any, inputs: dict[str, Tensor], names: list[str]) -> list[Tensor]:
    """
    Return `[(L, C)]` of each text: the gradient of each logit by the states of a token, times the states.

    Args:
        inputs (`dict[str, Tensor]`): what the model is called with, a batch of one.
        names (`list[str]`): those of the inputs that hold states, `(1, L, ...)`.
    """
    states = {name: inputs[name].detach().clone().requires_grad_() for name in names}
    with torch.enable_grad():
        logits = model(**{**inputs, **states}).logits[0].unbind()  # C numbers
    columns: list[list[Tensor]] = [[] for _ in names]
    for logit in logits:
        gradients = torch.autograd.grad(logit, list(states.values()), retain_graph=True)
        for column, gradient, name in zip(columns, gradients, names):
            column.append((gradient * states[name])[0].flatten(1).sum(dim=1).detach())
    return [torch.stack(column, dim=1) for column in columns]
