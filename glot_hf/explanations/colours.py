# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""How a contribution looks: blue and solidly underlined for the answer, orange and dotted against it."""

from typing import Any

from .explanation import Explanation, TextExplanation


FOR, AGAINST = (0, 90, 181), (220, 95, 0)  # told apart by people who do not see red and green alike
_WEAKEST = 0.04  # of the largest: less is not marked


def shades(explanation: Explanation, part: TextExplanation) -> list[float]:
    """
    Return how strongly each word of a text is marked, from -1 (against the answer) to 1 (for it), by the largest
    contribution of all texts; by readout weights where there are no contributions.
    """
    largest = max(
        (
            float(values.abs().max())
            for values in map(explanation.towards_answer, explanation.texts)
            if values is not None and len(values)
        ),
        default=0.0,
    )
    values: Any = explanation.towards_answer(part)
    if values is None:
        values = part.readout_weights
        largest = 0.0 if values is None or not len(values) else float(values.max())
    if values is None or largest == 0:
        return [0.0] * len(part.tokens)
    return [share if abs(share) >= _WEAKEST else 0.0 for share in (values / largest).tolist()]


def edges_of(part: TextExplanation) -> list[tuple[int, int, float]]:
    """Return the edges between the tokens of a text, `(i, j, cosine)` with i < j."""
    if part.adjacency is None:
        return []
    joined = part.adjacency.triu(1).nonzero().tolist()
    return [(i, j, float(part.cosines[i, j])) for i, j in joined]


def node_sizes(part: TextExplanation) -> list[float]:
    """Return the readout weight of each token as a share of the largest: words' weights split over their tokens."""
    if part.readout_weights is None or not part.tokens:
        return [0.5] * len(part.subwords)
    count = [part.word_of.count(word) for word in range(len(part.tokens))]
    weights = [float(part.readout_weights[word]) / count[word] for word in part.word_of]
    return [weight / max(max(weights), 1e-12) for weight in weights]
