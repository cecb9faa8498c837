# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The colour of each pooling in all pictures, and how wide a title is."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_rgb


# Dark enough to be seen, and told apart by people who do not see red and green alike (after Paul Tol, "muted").
_COLOURS = {
    "glot": "#332288",
    "adapool": "#cc6677",
    "deepsets": "#999933",
    "mean": "#88ccee",
    "max": "#44aa99",
    "cls": "#ddcc77",
    "last": "#aa4499",
    "weighted_mean": "#117733",
    "cross_attention": "#882255",
    "multi_query": "#e69f00",
    "latent_attention": "#777777",
}


def colours_of(poolings: Sequence[str]) -> dict[str, tuple[float, float, float]]:
    """
    Return the colour of each pooling. One with options of its own, such as "glot:graph_type=self", has a lighter shade
    of its pooling's colour, and the next one a still lighter shade.
    """
    found, shades = {}, dict.fromkeys(_COLOURS, 0)
    for name in poolings:
        pooling, _, options = name.partition(":")
        if options:
            shades[pooling] += 1
        share = 1 - 0.55 ** shades[pooling] if options else 0.0
        found[name] = tuple(1 - (1 - share) * (1 - np.array(to_rgb(_COLOURS[pooling]))))
    return found


def width_of(text: str, size: float) -> float:
    """Return about how many inches the longest line of a text takes at a font size in points, with a margin."""
    return 0.5 + max(map(len, text.splitlines())) * size * 0.6 / 72
