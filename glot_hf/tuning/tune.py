# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf tune` from end to end: every linear head, the search, the leaderboard, and the plan of the winner."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from ..data.labels import Labels
from ..model.language_model_glot import require_language_model
from ..states.key import hash_json
from ..system.errors import InputError
from ..training.on_states import Rows
from .leaderboard import write_leaderboard
from .plan import Plan, plan_of, too_little
from .probe import text_vectors
from .recipe import linear_candidate
from .search import NUM_LAYERS, Search, Space
from .trials import Judge, Trial


def tune(
    backbone: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Dataset,
    labels: Labels,
    rows_of: Callable[[int | list[int], list[str] | None], Rows],
    metric: str,
    folder: Path,
    minutes: float | None = None,
    trials: int | None = None,
    threshold: float | Literal["auto"] | None = "auto",
    max_length: int | None = None,
    weights: Sequence[float] | None = None,
    token_features: list[str] | None = None,
) -> Plan:
    """
    Search layer, pooling, width, dropout and training on held-out training rows; write leaderboard.csv, a picture and
    the trials to a folder.

    Args:
        examples, labels, metric, threshold, max_length, weights: the same as in [`~glot_hf.tuning.plan.make_plan`].
        rows_of: returns the states of the examples at some layers and with some token features, in their order.
        folder (`Path`): where they are written; a search that was stopped goes on there.
        minutes, trials (*optional*): how long heads are tried, or how many; one of them.
        token_features (`list[str]`, *optional*): heads are tried with and without them.

    Returns:
        [`~glot_hf.tuning.plan.Plan`]: the best head, but the best linear one where that is within one standard error.

    Raises:
        InputError: there are too few rows, or the folder holds trials on other rows.
        ValueError: the backbone does not have the `token_features`.
    """
    if reason := too_little(examples, labels):
        raise InputError(f"{reason}, so held-out rows say nothing about which head is better: use glot-hf train")
    if token_features:
        require_language_model(backbone)
    started = time.monotonic()
    judge = Judge(backbone, examples["labels"][:], labels.config_options, metric, threshold, weights)
    search = Search(judge, folder, hash_json([examples[:], metric, str(threshold), max_length, weights]))
    linear = _linear_trials(judge, backbone, tokenizer, examples, max_length)
    left = None if minutes is None else max(0.0, minutes - (time.monotonic() - started) / 60)
    is_pair = "text_pair" in examples.column_names
    space = Space(_layers_of(linear, judge), len(examples), is_pair, token_features)
    search.run(space, rows_of, left, trials)
    best_linear = min(linear, key=lambda trial: judge.loss(trial.logits))
    everything = sorted([*linear, *search.trials()], key=lambda trial: -trial.score)
    best, (margin, error) = everything[0], judge.margin(everything[0], best_linear)
    winner = best if margin > error else best_linear
    write_leaderboard(folder, everything, winner, judge)
    if winner is not best:
        print(
            f"tune: the {best.candidate.name} is better than the {best_linear.candidate.name} by {margin:.4f}, "
            f"within one standard error ({error:.4f}): the linear head wins, as it is smaller"
        )
    print(f"tune: takes the {winner.candidate.name}; {len(everything)} heads are in {folder / 'leaderboard.csv'}")
    return plan_of(winner, {"metric": metric, "better_by": margin, "standard_error": error, "heads": len(everything)})


def _linear_trials(
    judge: Judge,
    backbone: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Dataset,
    max_length: int | None,
) -> list[Trial]:
    """Try the linear head on every layer, and on the best three side by side; token states are not kept for it."""
    sides = [name for name in ("text", "text_pair") if name in examples.column_names]
    vectors = [torch.from_numpy(text_vectors(backbone, tokenizer, examples[name][:], max_length)) for name in sides]
    labels, num_layers = examples["labels"][:], len(vectors[0])

    def rows_at(layers: int | list[int]) -> list[dict[str, Any]]:
        """Return the mean vector of each text as a text of one token, whose mean it is."""
        states = [side[layers] if isinstance(layers, int) else side[layers].transpose(0, 1) for side in vectors]
        names = ("hidden_states", "hidden_states_b")
        columns = [each[:, None] for each in states]  # (N, 1, d), or (N, 1, n, d) for n layers
        return [dict(zip(names, row)) | {"labels": label} for *row, label in zip(*columns, labels)]

    found = []
    for layer in logging.tqdm(range(num_layers), desc="Trying the linear head on every layer"):
        found.append(_named(judge.try_candidate(linear_candidate(layer, len(sides) == 2), rows_at(layer)), layer))
    order = sorted(range(num_layers), key=lambda layer: judge.loss(found[layer].logits))
    joined = sorted(order[:NUM_LAYERS])
    if len(joined) > 1:
        trial = judge.try_candidate(linear_candidate(joined, len(sides) == 2), rows_at(joined))
        found.append(_named(trial, "+".join(map(str, joined))))
    return found


def _named(trial: Trial, layers: int | str) -> Trial:
    return trial._replace(candidate=trial.candidate._replace(name=f"linear head, layer {layers}"))


def _layers_of(linear: list[Trial], judge: Judge) -> dict[str, int | list[int]]:
    """Return the layers to search, the best first, by how they are called."""
    single = [trial for trial in linear if isinstance(trial.candidate.head_options["backbone_layers"], int)]
    best = sorted(single, key=lambda trial: judge.loss(trial.logits))[:NUM_LAYERS]
    layers = [trial.candidate.head_options["backbone_layers"] for trial in best]
    named = {str(layer): layer for layer in layers}
    if len(layers) > 1:
        named["+".join(map(str, sorted(layers)))] = sorted(layers)
    return named
