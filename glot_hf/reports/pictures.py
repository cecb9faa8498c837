# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Pictures of a report: confusion matrix, calibration, scores against predictions, and the course of a training."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..system.atomic_files import write_atomically


_DARK, _LIGHT = "#332288", "#cc6677"
_LONGEST_NAME = 24
_MOST_NUMBERS = 15  # more classes have no room for a number in each cell


def draw_pictures(report: dict[str, Any], folder: Path) -> list[str]:
    """Draw what a report has to a folder; return the names of the files."""
    drawn = {
        "confusion.png": ("confusion", _draw_confusion),
        "calibration.png": ("calibration", _draw_calibration),
        "predicted.png": ("points", _draw_points),
        "ranks.png": ("ranks", _draw_ranks),
        "curve.png": ("curve", _draw_curve),
    }
    names = []
    for name, (key, draw) in drawn.items():
        is_point = key == "curve" and len(report.get(key) or []) == 1  # of a head that was fitted at once
        if report.get(key) and not is_point:
            figure = draw(report)
            write_atomically(folder / name, lambda part, figure=figure: figure.savefig(part, dpi=130))
            names.append(name)
    return names


def _draw_confusion(report: dict[str, Any]) -> Figure:
    counts = np.array(report["confusion"])
    names = [_short(each["name"]) for each in report["classes"]]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = min(14.0, 2.6 + 0.42 * len(names))
    figure = Figure(figsize=(size + 0.9, size), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90 if len(names) > 3 or max(map(len, names)) > 10 else 0)
    axes.set_yticks(range(len(names)), names)
    if len(names) > _MOST_NUMBERS:
        axes.tick_params(labelsize=max(4, 9 - len(names) // 15))
    else:
        for row in range(len(names)):
            for column in range(len(names)):
                colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", color=colour, fontsize=9)
    axes.set(xlabel="answer", ylabel="label")
    figure.suptitle("Rows of each class, by their answer", fontsize=11)  # may be wider than the matrix
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the class")
    return figure


def _draw_calibration(report: dict[str, Any]) -> Figure:
    bins, error = report["calibration"]["bins"], report["calibration"]["expected_calibration_error"]
    figure = Figure(figsize=(4.4, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], ":", color="#999999", label="as often right as confident")
    sizes = np.array([each["rows"] for each in bins])
    axes.scatter(
        [each["confidence"] for each in bins],
        [each["accuracy"] for each in bins],
        s=20 + 180 * sizes / sizes.max(),
        color=_DARK,
        alpha=0.8,
        label="rows of like confidence",
    )
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="confidence in the answer", ylabel="share of right answers")
    axes.set_title(f"Calibration (expected error {error:.3f})")
    axes.legend(frameon=False, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_points(report: dict[str, Any]) -> Figure:
    truth, predicted = np.array(report["points"]).T
    figure = Figure(figsize=(4.6, 4.4), layout="constrained")
    axes = figure.subplots()
    low, high = min(truth.min(), predicted.min()), max(truth.max(), predicted.max())
    axes.plot([low, high], [low, high], ":", color="#999999")
    axes.plot(truth, predicted, "o", color=_DARK, markersize=3, alpha=min(1.0, 60 / len(truth) + 0.15))
    axes.set(xlabel="label", ylabel="predicted", title="Scores against predictions")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_ranks(report: dict[str, Any]) -> Figure:
    ranks = np.sort(report["ranks"])
    figure = Figure(figsize=(4.8, 3.6), layout="constrained")
    axes = figure.subplots()
    shares = np.arange(1, len(ranks) + 1) / len(ranks)
    axes.step(
        [1, *ranks, max(10, ranks[-1])], [shares[ranks <= 1].max(initial=0), *shares, 1], where="post", color=_DARK
    )
    axes.set(
        xscale="log", ylim=(0, 1.03), xlabel="rank of what belongs to the query", ylabel="share of queries up to it"
    )
    axes.set_title("How far down the right text stands")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_curve(report: dict[str, Any]) -> Figure:
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.subplots()
    for name, colour, label in (("loss", _DARK, "training"), ("eval_loss", _LIGHT, "validation")):
        points = [(each["step"], each[name]) for each in report["curve"] if name in each]
        if points:
            axes.plot(*zip(*points), color=colour, marker="o", markersize=3, label=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="step", ylabel="loss", title="The course of the training")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _short(name: str) -> str:
    name = str(name).replace("$", r"\$")  # matplotlib reads it as mathematics
    # Names that begin alike are told apart by their ends.
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 9]}…{name[-8:]}"
