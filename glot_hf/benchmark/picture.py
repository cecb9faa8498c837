# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Pictures of measurements: the median of each side, and a dot for every single measurement."""

import statistics
from collections.abc import Collection

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter


_HIGHLIGHT, _REST = "tab:blue", "gray"


def draw_sides(panels: dict[str, dict[str, list[float]]], ours: Collection[str], log: bool) -> Figure:
    """
    A panel for each quantity, a row for each side.

    Args:
        panels (`dict`): quantity and unit -> side -> measurements; all panels have the same sides.
        ours (`Collection[str]`): sides that stand out.
        log (`bool`): logarithmic axes, for sides that lie far apart: points instead of bars, which need a zero.
    """
    num_rows = max(len(sides) for sides in panels.values())
    figure = Figure(figsize=(2.5 + 3.2 * len(panels), 1.2 + 0.38 * num_rows), layout="constrained")
    for axes, (title, sides) in zip(figure.subplots(1, len(panels), squeeze=False, sharey=True)[0], panels.items()):
        for row, (name, values) in enumerate(sides.items()):
            median, color = statistics.median(values), _HIGHLIGHT if name in ours else _REST
            if log:
                axes.plot(median, row, "D", color=color)
            else:
                axes.barh(row, median, color=color)
            axes.plot(values, [row] * len(values), ".", color="black", markersize=3)
            number = f"{median:,.0f}" if median >= 100 else f"{median:.3g}"
            axes.annotate(number, (max(values), row), (7, 0), textcoords="offset points", va="center", fontsize=8)
        axes.set_yticks(range(len(sides)), list(sides), fontsize=8)
        if log:
            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.grid(alpha=0.3)
        axes.margins(x=0.22, y=0.1)
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    axes.invert_yaxis()
    return figure
