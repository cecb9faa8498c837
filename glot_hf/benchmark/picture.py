# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Pictures of measurements: bars of medians, dots for every single one."""

import statistics

from matplotlib.figure import Figure


OURS = "glot_hf", "GLOT", "ours"  # names of sides of this package begin so; they stand out
_WITH, _WITHOUT = "tab:blue", "silver"


def draw_sides(panels: dict[str, dict[str, list[float]]], unit: str, log: bool) -> Figure:
    """
    A panel for each title, a bar for each side in it.

    Args:
        panels (`dict`): title -> side -> measurements in `unit`.
        log (`bool`): a logarithmic axis, for sides that lie far apart.
    """
    num_bars = max(len(sides) for sides in panels.values())
    figure = Figure(figsize=(1.5 + 4.5 * len(panels), 1.2 + 0.38 * num_bars), layout="constrained")
    for axes, (title, sides) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items()):
        for place, (name, values) in enumerate(sides.items()):
            median = statistics.median(values)
            axes.barh(place, median, color=_WITH if name.startswith(OURS) else _WITHOUT)
            axes.plot(values, [place] * len(values), ".", color="black", markersize=3)
            axes.annotate(f" {median:,.4g}", (max(values), place), va="center", fontsize=8)
        axes.set_yticks(range(len(sides)), list(sides), fontsize=8)
        axes.invert_yaxis()
        if log:
            axes.set_xscale("log")
        axes.margins(x=0.18)
        axes.set_xlabel(unit)
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    return figure
