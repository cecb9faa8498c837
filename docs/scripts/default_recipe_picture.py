# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Draw docs/default_recipe.png: the first table of docs/recipe.md, the default recipe against scikit-learn."""

from pathlib import Path

from matplotlib.figure import Figure


ROWS = (200, 1_000, 2_000)
# Accuracy on 5,000 other rows, seeds 0, 1 and 2.
ACCURACIES = {
    "LogisticRegression, mean vectors": ((75.6, 74.0, 75.9), (77.6, 78.5, 78.3), (79.9, 80.5, 80.0)),
    "glot-hf train": ((77.6, 76.0, 79.3), (81.4, 81.4, 82.4), (82.7, 81.8, 82.4)),
}
COLOURS = ("#777777", "#332288")


def draw() -> Figure:
    """Return the picture: lines are means, dots the seeds."""
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = figure.subplots()
    for side, (name, by_rows) in enumerate(ACCURACIES.items()):
        places = [place + 0.38 * side - 0.19 for place in range(len(ROWS))]
        means = [sum(seeds) / len(seeds) for seeds in by_rows]
        axes.hlines(means, [place - 0.15 for place in places], [place + 0.15 for place in places], COLOURS[side], lw=3)
        axes.plot([], [], color=COLOURS[side], lw=3, label=name)
        for place, seeds, mean in zip(places, by_rows, means):
            dots = [place - 0.08, place, place + 0.08]
            axes.plot(dots, seeds, "o", color=COLOURS[side], markersize=5, alpha=0.55, markeredgewidth=0)
            axes.annotate(f"{mean:.1f}", (place + 0.17, mean), va="center", color=COLOURS[side], fontsize=9)
    axes.set_xticks(range(len(ROWS)), [f"{rows:,} training rows" for rows in ROWS])
    axes.set(ylim=(73, 85), ylabel="accuracy, %", title="One command against three lines of scikit-learn")
    axes.legend(frameon=False, loc="upper left", ncols=2)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    draw().savefig(Path(__file__).parents[1] / "default_recipe.png", dpi=150)
