# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
Surprisal as a feature of tokens: what a decoder expected in the place of each token (`token_features=["surprisal"]`).

Logits of a whole batch would fill the memory. They are made for 256 tokens and 4,096 words at a time, which takes
19 MB whatever the batch and the vocabulary, and 16 d KB more for embeddings that are not in float32. With gradients,
the logits of 256 tokens are kept while they are used: 0.5 GB for a vocabulary of 262,144.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


TOKENS_AT_ONCE, WORDS_AT_ONCE = 256, 4_096


def token_surprisal(
    last_hidden_state: Tensor,
    input_ids: Tensor,
    attention_mask: Tensor | None,
    output_weight: Tensor,
    adjust: Callable[[Tensor], Tensor] = lambda logits: logits,
) -> Tensor:
    """
    Return four numbers a token, from the probabilities p that the position before it gives to all words:
    `-log p(token)`, `max log p - log p(token)`, the entropy of p, and `log(1 + rank)`, where rank is the number of
    words that are more probable. They are zeros where no token is before, such as at a first token, and at padding.

    They are computed in float32, also under autocast, and have gradients (the rank has none) where their inputs do.

    Args:
        last_hidden_state (`Tensor` of shape `(B, L, d)`): behind the decoder's last norm.
        input_ids (`Tensor` of shape `(B, L)`, int): the tokens.
        attention_mask (`Tensor` of shape `(B, L)`, *optional*): nonzero where there is a token, on whichever side.
        output_weight (`Tensor` of shape `(V, d)`): the output layer's, without a bias.
        adjust: what the language model does to its logits, such as to scale them.

    Returns:
        `Tensor` of shape `(B, L, 4)`, float32.
    """
    device = output_weight.device
    mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
    follows = (mask[:, 1:] != 0) & (mask[:, :-1] != 0)  # (B, L - 1)
    states = last_hidden_state[:, :-1][follows].to(device)  # (N, d), each at the position before its token
    tokens = input_ids[:, 1:][follows].to(device)  # (N,)
    needs_gradient = torch.is_grad_enabled() and (states.requires_grad or output_weight.requires_grad)
    parts = []
    for part in zip(states.split(TOKENS_AT_ONCE), tokens.split(TOKENS_AT_ONCE)):
        given = (*part, output_weight, adjust)
        # Logits that wait for their gradient would be kept: they are made once more instead.
        parts.append(
            checkpoint(_four_numbers, *given, use_reentrant=False) if needs_gradient else _four_numbers(*given)
        )
    found = last_hidden_state.new_zeros(*input_ids.shape, 4, dtype=torch.float32)
    found[:, 1:][follows] = torch.cat(parts).to(found.device)
    return found


def _four_numbers(states: Tensor, tokens: Tensor, output_weight: Tensor, adjust: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the numbers of `n` tokens `(n,)`, `(n, 4)`, from the states `(n, d)` before them."""
    with torch.autocast(device_type=states.device.type, enabled=False):
        states = states.float()
        logit = adjust((states * output_weight[tokens].float()).sum(dim=1))  # (n,)
        largest, totals, means, rank = [], [], [], torch.zeros_like(tokens)
        for number, part in enumerate(output_weight.split(WORDS_AT_ONCE)):
            logits = adjust(states @ part.float().T)  # (n, words)
            above = logits > logit[:, None]
            own = tokens - number * WORDS_AT_ONCE  # the token itself is not above itself, however it was rounded
            here = ((own >= 0) & (own < len(part))).nonzero()[:, 0]
            above[here, own[here]] = False
            rank += above.sum(dim=1)
            largest.append(logits.amax(dim=1))
            weights = (logits - largest[-1][:, None]).exp_()
            total = weights.sum(dim=1)
            totals.append(largest[-1] + total.log())
            means.append((weights * logits).sum(dim=1) / total)
        totals, means = torch.stack(totals), torch.stack(means)  # (parts, n): log of a sum of exp, mean logit
        total = totals.logsumexp(dim=0)  # (n,)
        entropy = total - (totals.softmax(dim=0) * means).sum(dim=0)
        gap = (torch.stack(largest).amax(dim=0) - logit).clamp(min=0)
        return torch.stack([total - logit, gap, entropy, rank.float().log1p()], dim=1)


__all__ = ["token_surprisal"]
