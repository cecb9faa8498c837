# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What a comparison found: tables, differences in pairs, a picture."""

import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..reports.markdown import DAGGER, format_table, mean_and_deviation, short_name
from ..reports.palette import width_of
from .published import published_scores


# Final cells, as `comparison.Comparison` makes them: task -> variant -> one a seed, in the order of the seeds.
Results = dict[str, dict[str, list[dict[str, Any]]]]

_TITLE_SIZE = 10  # points


_PROTOCOLS = {
    "tuned": "the learning rate and the steps of each cell chosen on held out training rows, the last step reported; "
    "heads that are linear on fixed vectors fitted to convergence, the same for every seed.",
    "released": "one learning rate, and of {epochs} epochs the one reported that has the best accuracy on this very "
    "split, as the released code does it.",
}


def write_report(
    results: Results, settings: dict[str, Any], seeds: list[int], baselines: list[str], folder: Path
) -> str:
    """
    Writes report.md, results.json and heat_map.png.

    Args:
        settings (`dict`): what all cells share; `backbone` and `protocol` are told.
        baselines (`list[str]`): the variants that the others are compared with.

    Returns:
        `str`: what report.md holds.
    """
    name = short_name(settings["backbone"])
    training = settings["training_options"]
    tasks = [f"{task}: {_any_cell(results, task)['metric']}" for task in results]
    protocol = _PROTOCOLS[settings["protocol"]].format(epochs=training.get("num_train_epochs"))
    parts = [
        f"Frozen {name}, protocol {settings['protocol']}: {protocol} Batch {training['per_device_train_batch_size']}, "
        f"seeds {', '.join(map(str, seeds))}. Mean (deviation) in percent; the best of each task in bold, whatever "
        f"the spread. {DAGGER} It counts as 0 if it diverged.",
        f"Judged by {'; '.join(tasks)}. Training rows: "
        + ", ".join(f"{task} {_any_cell(results, task)['training_rows']:,}" for task in results)
        + ".",
        score_table(results),
    ]
    if baselines and len(baselines) < len(_variants(results)):
        parts += [
            f"Differences in points, seed by seed, to the best of {', '.join(baselines)}: the best on the reported "
            "split, which favours it.",
            difference_table(results, baselines),
        ]
    parts.append(chosen_table(results))
    if published := published_scores(settings["backbone"]):
        parts.append(published_table(results, published))
    report = "\n\n".join(parts)
    (folder / "report.md").write_text(report + "\n", encoding="utf-8")
    (folder / "results.json").write_text(json.dumps({**settings, "results": results}, indent=2) + "\n", "utf-8")
    title = f"Frozen {name}, {settings['protocol']}:\ncolour from the worst to the best of each task"
    heat_map(results, title).savefig(folder / "heat_map.png", dpi=150)
    return report


def score_table(results: Results) -> str:
    """
    Variants by tasks: mean (deviation) over the seeds, the best of each task in bold, and the head's parameters.
    """
    rows = []
    for variant in _variants(results):
        parameters = {cell["head_parameters"] for by_variant in results.values() for cell in by_variant[variant]}
        row = [variant, _range(parameters)]
        for by_variant in results.values():
            cells = by_variant[variant]
            best = max(statistics.mean(scores(other)) for other in by_variant.values())
            text = mean_and_deviation(scores(cells))
            text = f"**{text}**" if statistics.mean(scores(cells)) == best else text
            row.append(text + ("†" if any(cell["is_dead"] for cell in cells) else ""))
        rows.append(row)
    return format_table(["pooling", "head parameters", *results], rows)


def chosen_table(results: Results) -> str:
    """Tabulate what each cell was trained with: learning rate x steps, or the penalty of a linear fit."""
    rows = [
        [variant, *(by_variant[variant][0]["chosen"] for by_variant in results.values())]
        for variant in _variants(results)
    ]
    return format_table(["learning rate x steps, or penalty", *results], rows)


def difference_table(results: Results, baselines: list[str]) -> str:
    """
    Each variant that is no baseline against the best baseline of each task, seed by seed: mean (deviation) of the
    differences, in points.

    The best baseline is the one with the best mean on the reported split, which favours it.
    """
    rows = []
    for variant in _variants(results):
        if variant in baselines:
            continue
        row = [variant]
        for by_variant in results.values():
            best = max(baselines, key=lambda baseline: statistics.mean(scores(by_variant[baseline])))
            pairs = zip(scores(by_variant[variant]), scores(by_variant[best]))
            row.append(f"{mean_and_deviation([ours - theirs for ours, theirs in pairs])} ({best})")
        rows.append(row)
    return format_table(["minus the best baseline", *results], rows)


def published_table(results: Results, published: dict[str, dict[str, float]]) -> str:
    """Our mean beside the paper's score, for the poolings that the paper has."""
    rows = []
    for variant in _variants(results):
        if variant in published:
            ours = {task: 100 * statistics.mean(scores(by_variant[variant])) for task, by_variant in results.items()}
            theirs = published[variant]
            rows.append([variant, *(f"{ours[t]:.1f} / {f'{theirs[t]:.1f}' if t in theirs else '-'}" for t in results)])
    return format_table(["ours / the paper's", *results], rows)


def heat_map(results: Results, title: str) -> Figure:
    """Variants by tasks, written with the mean; the colour goes from the worst to the best of each task."""
    variants, tasks = _variants(results), list(results)
    means = np.array([[statistics.mean(scores(results[task][v])) for task in tasks] for v in variants])
    lowest, highest = means.min(axis=0), means.max(axis=0)
    shade = (means - lowest) / np.where(highest > lowest, highest - lowest, 1)
    width = max(2.6 + 0.95 * len(tasks), width_of(title, _TITLE_SIZE))
    figure = Figure(figsize=(width, 1.4 + 0.36 * len(variants)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shade, cmap="YlGnBu", vmin=0, vmax=1.25, aspect="auto")
    for (row, column), mean in np.ndenumerate(means):
        axes.text(
            column,
            row,
            f"{100 * mean:.1f}",
            ha="center",
            va="center",
            fontsize=9,
            color="white" if shade[row, column] > 0.7 else "black",
            fontweight="bold" if shade[row, column] == 1 else "normal",
        )
    axes.set_xticks(range(len(tasks)), tasks)
    axes.set_yticks(range(len(variants)), variants)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)
    figure.suptitle(title, fontsize=_TITLE_SIZE)
    return figure


def _any_cell(results: Results, task: str) -> dict[str, Any]:
    return next(iter(results[task].values()))[0]


def scores(cells: list[dict[str, Any]]) -> list[float]:
    """One a seed; a training that diverged counts as 0."""
    return [cell["score"] or 0.0 for cell in cells]


def _variants(results: Results) -> list[str]:
    return list(next(iter(results.values())))


def _range(numbers: set[int]) -> str:
    """The classifier's share differs between tasks with one text and with two."""
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
