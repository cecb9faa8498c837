# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
The default recipe of `glot-hf train`: which head, and how long it trains, chosen on rows that are held out.

A linear layer on mean vectors is hard to beat and cannot fail, so it is always a candidate; a trained head takes its
place only where it is better by more than one standard error. Every default here has a line in docs/recipe.md.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from ..data.labels import ProblemType
from ..training.on_states import Rows
from .trials import Candidate, Judge, Trial


_EPOCHS, _FEWEST_STEPS, _MOST_STEPS = 6, 300, 6_000
_BATCH_SIZE = 32
METRICS: dict[ProblemType, str] = {
    "single_label_classification": "accuracy",
    "multi_label_classification": "f1_micro",
    "regression": "spearman",
}


class Choice(NamedTuple):
    """
    Which candidate won.

    Args:
        trials (`list[Trial]`): all that were tried, the linear head first.
        winner ([`Trial`]): the best; a later one only if it is better by more than one standard error.
        margins (`list[tuple[float, float]]`): of each trial, how much better it is than the first, and its standard
            error over the held-out rows.
    """

    trials: list[Trial]
    winner: Trial
    margins: list[tuple[float, float]]


def linear_candidate(layers: int | list[int], is_pair: bool) -> Candidate:
    """Return the linear layer on mean vectors, of [a; b; |a - b|; a * b] for pairs."""
    options = {**reading(layers), "pooling": "mean"}
    return Candidate("linear head", options | ({"pair_mode": "interaction"} if is_pair else {}), {})


def candidates_for(layers: int | list[int], num_rows: int, is_pair: bool) -> list[Candidate]:
    """
    Return the heads to try: the linear one, and the residual block for single texts or late interaction for pairs.

    Args:
        layers (`int` or `list[int]`): the layers to read, as the probe found them.
        num_rows (`int`): the number of rows to train on, which decides how many steps a training takes at most.
        is_pair (`bool`): a row has two texts.
    """
    linear = linear_candidate(layers, is_pair)
    training = training_for(steps_for(num_rows))
    if is_pair:
        return [linear, Candidate("late interaction", {**reading(layers), "pair_mode": "late"}, training)]
    block = {
        **reading(layers),
        "block": "residual",
        "graph_type": "self",
        "dropout": 0.3,
        "readout": ["mean", "max", "attention"],
        "input_norm": "standard",
    }
    return [linear, Candidate("residual block", block, training)]


def steps_for(num_rows: int) -> int:
    """Return how many steps a training on so many rows takes at most: six epochs, within bounds."""
    return min(_MOST_STEPS, max(_FEWEST_STEPS, _EPOCHS * num_rows // _BATCH_SIZE))


def training_for(steps: int) -> dict[str, Any]:
    """Return the options of [`GlotTrainingArguments`] of a training of so many steps."""
    return {
        "learning_rate": 1e-3,
        "max_steps": steps,
        "per_device_train_batch_size": _BATCH_SIZE,
        "weight_decay": 0.05,
        "warmup_steps": steps // 10,
        "lr_scheduler_type": "cosine",
    }


def reading(layers: int | list[int]) -> dict[str, Any]:
    """Return the options of a head that reads a layer, or several side by side."""
    return {"backbone_layers": layers, "layer_mix": "concat" if isinstance(layers, list) else "learned"}


def choose_head(judge: Judge, candidates: list[Candidate], rows: Rows, say: Callable[[str], None] = print) -> Choice:
    """
    Try every candidate on the same held-out rows.

    Args:
        judge ([`Judge`]): tries them.
        candidates (`list[Candidate]`): the linear head first.
        rows (`list` or `Dataset`): states of all training rows; each candidate reads the layers that they hold.
    """
    trials = []
    for candidate in candidates:
        trial = judge.try_candidate(candidate, rows)
        say(f"{candidate.name}: {judge.metric} {trial.score:.4f} on held-out rows, {trial.seconds:.1f} s")
        trials.append(trial)
    margins = [judge.margin(trial, trials[0]) for trial in trials]
    better = [index for index, (margin, error) in enumerate(margins) if index == 0 or margin > error]
    return Choice(trials, max((trials[index] for index in better), key=lambda trial: trial.score), margins)
