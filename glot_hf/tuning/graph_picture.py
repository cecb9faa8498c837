# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""A picture of the token graphs of every layer: how alike tokens are, and what a tau joins."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .graph_probe import SHOWN_TAUS, TAUS, GraphProbe


_COLOURS = ("#332288", "#44aa99", "#cc6677")


def draw_graphs(probe: GraphProbe, path: str) -> None:
    """
    Draw cosines by layer, and beside them the share of pairs that three taus join.

    Args:
        path (`str`): the file to write; its suffix says the format.
    """
    layers = range(len(probe.cosines))
    low, lower, median, upper, high = np.array(probe.cosines).T
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.fill_between(layers, low, high, color="#332288", alpha=0.15, label="90 % of the pairs")
    left.fill_between(layers, lower, upper, color="#332288", alpha=0.3, label="half of the pairs")
    left.plot(layers, median, color="#332288", label="median")
    left.set(ylabel="cosine of two tokens of a text", title="How alike tokens are")
    left.legend(frameon=False)
    for tau, colour in zip(SHOWN_TAUS, _COLOURS):
        place = TAUS.index(tau)
        right.plot(layers, [each[place] for each in probe.density], color=colour, label=f"joined, tau {tau}")
        right.plot(layers, [each[place] for each in probe.isolated], ":", color=colour, label=f"isolated, tau {tau}")
    right.set(ylim=(-0.03, 1.03), ylabel="share of pairs, of tokens", title="What a tau joins")
    figure.legend(handles=right.get_lines(), loc="outside right center", frameon=False, fontsize=8)
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("layer (0: embeddings)")
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
