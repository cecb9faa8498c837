# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""An explanation as a picture: the text shaded, the token graph as arcs, a pair's alignment, and cosines."""

import numpy as np
from matplotlib import rc_context, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import get_font_names
from matplotlib.patches import Arc

from .colours import AGAINST, FOR, edges_of, node_sizes, shades
from .explanation import Alignment, Explanation, TextExplanation


_WIDTH, _LINE, _CHARACTER = 10.0, 0.34, 0.0868  # inches: of the picture, of a line of text, of a character
_MOST_TOKENS = 60  # more arcs and lines in a picture of this width cannot be read: the HTML page has room
_FONTS = ["DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "Droid Sans Fallback", "Unifont"]


def draw_explanation(explanation: Explanation, path: str) -> None:
    """
    Draw an explanation. Signs of scripts that no installed font has are drawn as boxes: the HTML page has them.

    Args:
        path (`str`): the file to write; its suffix says the format.
    """
    fonts = [name for name in _FONTS if name in get_font_names()]
    with rc_context({"font.family": fonts}):
        panels = _panels(explanation)
        heights = [height for height, _ in panels]
        figure = Figure(figsize=(_WIDTH, sum(heights) + 0.6), layout="constrained")
        grid = figure.add_gridspec(len(panels), 1, height_ratios=heights)
        for place, (_, draw) in enumerate(panels):
            draw(figure.add_subplot(grid[place]))
        figure.suptitle(_title(explanation), fontsize=12)
        figure.savefig(path, dpi=130)


def _title(explanation: Explanation) -> str:
    if explanation.answer is None or explanation.logits is None:
        return "readout weights"
    label = explanation.labels[explanation.answer].replace("$", r"\$")
    return f"{label} (logit {explanation.logits[explanation.answer]:.2f}); solid line: for it, dotted: against it"


def _panels(explanation: Explanation) -> list:
    panels = []
    for part in explanation.texts:
        lines = _lines(part)
        panels.append(
            (0.25 + _LINE * len(lines), lambda axes, part=part, lines=lines: _text(explanation, part, lines, axes))
        )
    for part in explanation.texts:
        if edges_of(part) and len(part.subwords) <= _MOST_TOKENS:
            panels.append((2.6, lambda axes, part=part: _arcs(part, axes)))
    alignment = explanation.alignment
    if alignment is not None and max(len(part.subwords) for part in explanation.texts) <= _MOST_TOKENS:
        panels.append((2.4, lambda axes, alignment=alignment: _alignment(explanation, alignment, axes)))
    if all(2 <= len(part.subwords) <= _MOST_TOKENS for part in explanation.texts):
        panels.append((4.2, lambda axes: _cosines(explanation.first, axes)))
    return panels


def _lines(part: TextExplanation) -> list[list[tuple[int, float]]]:
    """Return the words of each line, `(word, where it begins in characters)`, wrapped to the width of the picture."""
    lines: list[list[tuple[int, float]]] = [[]]
    at, most = 0.0, (_WIDTH - 0.6) / _CHARACTER
    for place, word in enumerate(part.tokens):
        if lines[-1] and at + len(word) > most:
            lines.append([])
            at = 0.0
        lines[-1].append((place, at))
        at += len(word) + 1.2
    return lines


def _text(explanation: Explanation, part: TextExplanation, lines: list, axes: Axes) -> None:
    strengths, families = shades(explanation, part), ["DejaVu Sans Mono", *rcParams["font.family"]]
    most = (_WIDTH - 0.6) / _CHARACTER
    axes.set(xlim=(0, most), ylim=(len(lines) - 0.2, -0.6))
    axes.axis("off")
    for row, line in enumerate(lines):
        for place, at in line:
            share, word = strengths[place], part.tokens[place]
            colour = [channel / 255 for channel in (FOR if share > 0 else AGAINST)]
            axes.text(
                at, row, word.replace("$", r"\$"), family=families, fontsize=10.3, va="center",
                bbox={"facecolor": (*colour, 0.55 * abs(share)), "edgecolor": "none", "pad": 1.2},
            )  # fmt: skip
            if share:
                style = "-" if share > 0 else ":"
                axes.plot([at, at + len(word)], [row + 0.36] * 2, style, color=colour, linewidth=1 + 1.5 * abs(share))


def _arcs(part: TextExplanation, axes: Axes) -> None:
    count = len(part.subwords)
    for i, j, cosine in edges_of(part):
        axes.add_patch(
            Arc(((i + j) / 2, 0), j - i, 2 * (j - i) ** 0.7, theta1=0, theta2=180, color="#332288",
                alpha=0.15 + 0.65 * max(0.0, cosine), linewidth=1)
        )  # fmt: skip
    axes.scatter(
        range(count), [0] * count, s=[12 + 130 * size for size in node_sizes(part)], color="#cc6677", zorder=3
    )
    axes.set(xlim=(-1, count), ylim=(-0.5, max(1.5, (count - 1) ** 0.7)), yticks=[])
    axes.set_xticks(range(count), [token.replace("$", r"\$") for token in part.subwords], rotation=90, fontsize=8)
    axes.set_title("tokens that are joined; a larger dot counts more in the vector", fontsize=9)
    axes.spines[:].set_visible(False)


def _alignment(explanation: Explanation, alignment: Alignment, axes: Axes) -> None:
    rows, columns = explanation.texts
    weights = alignment.weights.numpy()
    longest = max(len(rows.subwords), len(columns.subwords))
    places = [
        np.linspace(0, longest - 1, max(2, len(part.subwords)))[: len(part.subwords)] for part in (rows, columns)
    ]
    for i, line in enumerate(weights):
        for j in np.flatnonzero(line >= 0.15):
            axes.plot([places[0][i], places[1][j]], [1, 0], color="#332288", alpha=float(line[j]), linewidth=1.2)
    for part, place, y, va in ((rows, places[0], 1.04, "bottom"), (columns, places[1], -0.04, "top")):
        for x, token in zip(place, part.subwords):
            axes.text(x, y, token.replace("$", r"\$"), rotation=90, ha="center", va=va, fontsize=8)
    axes.set(xlim=(-1, longest), ylim=(-0.9, 1.9))
    axes.set_title("what each token of the first text meets in the second", fontsize=9)
    axes.axis("off")


def _cosines(part: TextExplanation, axes: Axes) -> None:
    image = axes.imshow(part.cosines.numpy(), cmap="cividis", vmin=min(0.0, float(part.cosines.min())), vmax=1)
    names = [token.replace("$", r"\$") for token in part.subwords]
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_title("cosines of the tokens", fontsize=9)
    axes.set_anchor("W")
    axes.figure.colorbar(image, ax=axes, shrink=0.8)
