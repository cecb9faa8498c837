# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""A picture of what a linear probe loses at every layer of a backbone."""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator


def draw_layers(losses: list[float], layers: int | list[int], path: str) -> None:
    """
    Draw held-out losses by layer, the layers that are read marked.

    Args:
        losses (`list[float]`): of each layer, from the embeddings (0) on.
        layers (`int` or `list[int]`): the layers to read, as in the option of [`GlotConfig`].
        path (`str`): the file to write; its suffix says the format.
    """
    read = [layer % len(losses) for layer in (layers if isinstance(layers, list) else [layers])]
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(range(len(losses)), losses, color="#332288", marker="o", markersize=4)
    axes.plot(read, [losses[layer] for layer in read], "o", color="#cc6677", markersize=10, label="read")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="layer (0: embeddings)", ylabel="held-out loss", title="A linear probe on mean vectors")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
