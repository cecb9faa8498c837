# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What token graphs would look like at every layer of a backbone, before any head is trained."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..states.running import run_over_texts


TAUS = tuple(round(0.05 * step, 2) for step in range(20))  # 0 to 0.95
SHOWN_TAUS = (0.3, 0.6, 0.8)
MOST_TEXTS = 200
MOST_JOINED = 0.15  # of the pairs that the recommended tau joins at most: more, and most tokens see the same mean
_MOST_ISOLATED = 0.5  # of the tokens that it may leave alone
_MOST_PAIRS = 8  # that are shown of a text


@dataclass
class GraphProbe:
    """
    Cosines of the tokens of one text, at every layer.

    Args:
        cosines (`list[list[float]]`): of each layer, the 5th, 25th, 50th, 75th and 95th percentile over all pairs of
            tokens of one text.
        density (`list[list[float]]`): of each layer, the share of those pairs that each of `TAUS` joins.
        isolated (`list[list[float]]`): of each layer, the share of tokens without a neighbour.
    """

    cosines: list[list[float]]
    density: list[list[float]]
    isolated: list[list[float]]

    def tau_of(self, layer: int) -> float | None:
        """Return the smallest tau that joins 15 % of a layer's pairs or fewer; None where it isolates most tokens."""
        for place, tau in enumerate(TAUS):
            if self.density[layer][place] <= MOST_JOINED:
                return tau if self.isolated[layer][place] <= _MOST_ISOLATED else None
        return None


def probe_graphs(
    backbone: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: list[str], max_length: int | None = None
) -> GraphProbe:
    """Measure the token graphs of some texts, at most 200 of them, of all that have two tokens or more."""
    layers = list(range(backbone.config.get_text_config().num_hidden_layers + 1))
    percentiles: list[list[np.ndarray]] = [[] for _ in layers]
    alone: list[list[np.ndarray]] = [[] for _ in layers]
    for _, states in run_over_texts(backbone, tokenizer, texts[:MOST_TEXTS], layers, max_length):
        if len(states) < 2:
            continue
        for layer in layers:
            cosines = _cosines(states[:, layer])
            percentiles[layer].append(cosines[torch.triu(torch.ones_like(cosines), 1).bool()].numpy())
            alone[layer].append(cosines.fill_diagonal_(-2).amax(dim=1).numpy())  # of each token, to its nearest
    pairs, nearest = map(np.concatenate, percentiles), map(np.concatenate, alone)
    taus = np.array(TAUS)
    probe = GraphProbe([], [], [])
    for of_pairs, of_tokens in zip(pairs, nearest):
        probe.cosines.append(np.percentile(of_pairs, [5, 25, 50, 75, 95]).tolist())
        probe.density.append([float((of_pairs > tau).mean()) for tau in taus])
        probe.isolated.append([float((of_tokens <= tau).mean()) for tau in taus])
    return probe


def _cosines(states: Tensor) -> Tensor:
    """`(L, d)` -> `(L, L)` in float32."""
    normed = F.normalize(states.float(), dim=-1)
    return normed @ normed.T


def joined_words(
    backbone: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    layer: int,
    max_length: int | None = None,
) -> dict[str, Any]:
    """
    Return what each of three taus joins in a text, special tokens left out.

    Returns:
        `dict`: `text`, and under each tau `pairs` (how many there are) and `nearest`, the words of the nearest ones.
    """
    ((_, states),) = run_over_texts(backbone, tokenizer, [text], layer, max_length)
    ids = tokenizer(text, truncation=max_length is not None, max_length=max_length)["input_ids"]
    special = set(tokenizer.all_special_ids)
    kept = [place for place, token in enumerate(ids) if token not in special]
    words = [tokenizer.decode([ids[place]]).strip() for place in kept]
    cosines = _cosines(states[kept])
    first, second = torch.triu_indices(len(kept), len(kept), 1)
    values = cosines[first, second]
    found: dict[str, Any] = {"text": text}
    for tau in SHOWN_TAUS:
        joined = torch.nonzero(values > tau)[:, 0]
        nearest = joined[values[joined].argsort(descending=True)][:_MOST_PAIRS]
        found[f"{tau}"] = {
            "pairs": len(joined),
            "nearest": [[words[first[place]], words[second[place]]] for place in nearest],
        }
    return found
