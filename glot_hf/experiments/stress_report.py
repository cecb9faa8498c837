# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What a stress test found, as a table and as a picture. Both take what results.json holds."""

import json
import statistics
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..reports.markdown import DAGGER, format_table, mean_and_deviation, short_name
from ..reports.palette import colours_of, width_of


# Dashes of the one fall into the gaps of the other: both are seen where they are equal.
_LEAK_STYLES = {
    "bag of words": {"color": "crimson", "linestyle": (0, (4, 4))},
    "length only": {"color": "black", "linestyle": (4, (4, 4))},
}


def write_report(results: dict[str, Any], folder: Path) -> str:
    """
    Writes report.md, results.json and accuracy.png.

    Returns:
        `str`: what report.md holds.
    """
    settings = results["settings"]
    report = (
        f"Stress test, generator {settings['generator']}, frozen {short_name(settings['backbone'])}: accuracy in "
        f"percent on {settings['test_size']} texts at each ratio of distractors, after training on "
        f"{settings['train_size']}; mean (deviation) of the seeds. Heads that are linear on fixed vectors are fitted "
        f"to convergence, the same for every seed. {DAGGER}\n\n{stress_table(results)}\n\n"
        f"What each head was trained with, chosen on held out training texts where there was a choice:\n\n"
        f"{chosen_table(results)}"
    )
    (folder / "report.md").write_text(report + "\n", encoding="utf-8")
    (folder / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    plot(results).savefig(folder / "accuracy.png", dpi=150)
    return report


def stress_table(results: dict[str, Any]) -> str:
    """The leak check, then each pooling: mean (deviation) over the seeds, a column for each ratio and position."""
    columns = [(check["ratio"], check["position"]) for check in results["leak_checks"]]
    rows = [
        [f"*{name}*", "-", *(mean_and_deviation([check["accuracy"][name]]) for check in results["leak_checks"])]
        for name in _LEAK_STYLES
    ]
    for pooling in _poolings(results):
        parameters = next(run["head_parameters"] for run in results["runs"] if run["pooling"] == pooling)
        cells = []
        for column in columns:
            runs = _runs(results, pooling, *column)
            dagger = "†" if any(run["is_dead"] for run in runs) else ""
            cells.append(mean_and_deviation([run["accuracy"] for run in runs]) + dagger)
        rows.append([pooling, f"{parameters:,}", *cells])
    return format_table(["pooling", "head parameters", *_header(results)], rows)


def chosen_table(results: dict[str, Any]) -> str:
    """Tabulate learning rate x steps, or the penalty of a linear fit, of each pooling at each ratio and position."""
    columns = [(check["ratio"], check["position"]) for check in results["leak_checks"]]
    rows = [
        [pooling, *(_runs(results, pooling, *column)[0]["chosen"] for column in columns)]
        for pooling in _poolings(results)
    ]
    return format_table(["learning rate x steps, or penalty", *_header(results)], rows)


def _header(results: dict[str, Any]) -> list[str]:
    with_position = len(_positions(results)) > 1
    return [
        f"{check['ratio']:.0%}" + (f" {check['position']}" if with_position else "")
        for check in results["leak_checks"]
    ]


def plot(results: dict[str, Any]) -> Figure:
    """
    A panel for each ratio: bars from chance, one a pooling, in groups by position; dots are seeds, crosses dead ones,
    dashes the leak check.
    """
    ratios = list(dict.fromkeys(check["ratio"] for check in results["leak_checks"]))
    positions, poolings = _positions(results), _poolings(results)
    settings = results["settings"]
    title = (
        f"Stress test, generator {settings['generator']}, frozen {short_name(settings['backbone'])}: mean and seeds"
    )
    width = 1.2 + 0.2 * len(positions) * (len(poolings) + 1)
    figure = Figure(figsize=(max(width_of(title, 11), len(ratios) * width + 1.6), 3.8), layout="constrained")
    panels = figure.subplots(1, len(ratios), sharey=True, squeeze=False)[0]
    for axes, ratio in zip(panels, ratios):
        for place, position in enumerate(positions):
            _draw_group(axes, results, ratio, position, place)
        axes.axhline(50, color="grey", linewidth=1, label="chance", zorder=0)
        axes.set_xticks(range(len(positions)), positions if len(positions) > 1 else [""])
        axes.set_title(f"ratio {ratio:g}", fontsize=10)
        axes.tick_params(axis="x", length=0)
        axes.spines[["top", "right"]].set_visible(False)
    lowest = 100 * min(run["accuracy"] for run in results["runs"])
    panels[0].set(ylabel="accuracy (%), bars from chance", ylim=(min(35, lowest - 3), 103))
    if len(positions) > 1:
        figure.supxlabel("position of the statement", fontsize=10)
    handles = dict(zip(*reversed(panels[0].get_legend_handles_labels())))  # each name once
    names = [*poolings, *_LEAK_STYLES, "chance"]
    figure.legend([handles[name] for name in names], names, frameon=False, loc="outside right center")
    figure.suptitle(title, fontsize=11)
    return figure


def _draw_group(axes: Axes, results: dict[str, Any], ratio: float, position: str, place: int) -> None:
    poolings = _poolings(results)
    colours = colours_of(poolings)
    step = 0.8 / len(poolings)
    for index, pooling in enumerate(poolings):
        runs = _runs(results, pooling, ratio, position)
        seeds = [100 * run["accuracy"] for run in runs]
        middle = place - 0.4 + (index + 0.5) * step
        height = statistics.mean(seeds) - 50
        axes.bar(middle, height, 0.85 * step, bottom=50, color=colours[pooling], label=pooling)
        for seed, run in zip(seeds, runs):
            axes.plot(middle, seed, "x" if run["is_dead"] else ".", color="black", markersize=5)
    check = next(c for c in results["leak_checks"] if (c["ratio"], c["position"]) == (ratio, position))
    for name, style in _LEAK_STYLES.items():
        level = 100 * check["accuracy"][name]
        axes.hlines(level, place - 0.45, place + 0.45, linewidth=1.5, label=name, **style)


def _runs(results: dict[str, Any], pooling: str, ratio: float, position: str) -> list[dict[str, Any]]:
    """One a seed."""
    key = (pooling, ratio, position)
    return [run for run in results["runs"] if (run["pooling"], run["ratio"], run["position"]) == key]


def _positions(results: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(check["position"] for check in results["leak_checks"]))


def _poolings(results: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(run["pooling"] for run in results["runs"]))
