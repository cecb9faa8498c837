# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
The default recipe of `glot-hf train` from end to end: probe the layers, read the best one, choose a head on it.

What it finds is a [`Plan`]: options of the head and of its training, as a user could have typed them.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..data.labels import Labels
from ..system.errors import InputError
from ..training.on_states import Rows
from .probe import Probe, layer_vectors, probe_layers, rows_to_probe
from .recipe import Choice, candidates_for, choose_head, linear_candidate, reading
from .trials import Judge, Trial


_FEWEST_ROWS = 50  # fewer say nothing about which head is better
_FEWEST_OF_A_CLASS = 6  # of the second largest class, so that every third has both


@dataclass
class Plan:
    """
    What the recipe chose. The training record holds it, so that an interrupted training need not choose again.

    Args:
        name (`str`): the head, as it is called in what is printed.
        head_options (`dict`): options of [`GlotConfig`].
        training_options (`dict`): options of [`GlotTrainingArguments`]; empty where the head is a linear fit.
        found (`dict`): what was measured: the probe's losses, and each candidate's score on held-out rows and seconds.
    """

    name: str
    head_options: dict[str, Any]
    training_options: dict[str, Any]
    found: dict[str, Any] = field(default_factory=dict)


def make_plan(
    backbone: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Dataset,
    labels: Labels,
    rows_of: Callable[[int | list[int]], Rows],
    metric: str,
    layers: int | list[int] | None = None,
    threshold: float | Literal["auto"] | None = "auto",
    max_length: int | None = None,
    seed: int = 0,
    weights: Sequence[float] | None = None,
    token_features: list[str] | None = None,
) -> Plan:
    """
    Choose layer, head and length of training on rows that are held out from `examples`; say what is found.

    Args:
        examples (`Dataset`): the training texts and labels; no others are looked at.
        labels ([`Labels`]): what the labels are.
        rows_of: returns the states of the examples at some layers, in their order.
        metric (`str`): what heads are compared by; one of [`~glot_hf.training.metrics.metrics_for`].
        layers (`int` or `list[int]`, *optional*): read these, and probe none.
        threshold (`float`, *optional*): the decision threshold of two classes; "auto" chooses one on held-out rows,
            None has none.
        max_length (`int`, *optional*): longer texts are cut at so many tokens.
        seed (`int`): draws the rows that are probed.
        weights (`list[float]`, *optional*): what a training row of each class counts; default: the same.
        token_features (`list[str]`, *optional*): numbers that the states of `rows_of` have behind them, which every
            head reads; see [`GlotConfig`]. Layers are probed without them.
    """
    is_pair = "text_pair" in examples.column_names
    if reason := too_little(examples, labels):
        print(f"recipe: {reason}, so a linear layer is fitted to mean vectors, without a choice")
        linear = linear_candidate(-1 if layers is None else layers, is_pair)
        return Plan(linear.name, linear.head_options | _threshold(None if threshold == "auto" else threshold), {})
    found: dict[str, Any] = {"metric": metric}
    if layers is None:
        layers, found["probe"] = find_layers(backbone, tokenizer, examples, labels, max_length, seed)
    config_options = labels.config_options | {"token_features": token_features}
    judge = Judge(backbone, examples["labels"][:], config_options, metric, threshold, weights)
    candidates = candidates_for(layers, len(examples), is_pair)
    choice = choose_head(judge, candidates, rows_of(layers), say=lambda line: print(f"recipe: {line}"))
    print(f"recipe: {describe_choice(choice)}")
    found["candidates"] = [
        {
            "name": trial.candidate.name,
            "score": trial.score,
            "better_by": margin,
            "standard_error": error,
            "threshold": trial.threshold,
            "steps": trial.candidate.training_options.get("max_steps"),
            "seconds": trial.seconds,
        }
        for trial, (margin, error) in zip(choice.trials, choice.margins)
    ]
    return plan_of(choice.winner, found)


def plan_of(trial: Trial, found: dict[str, Any]) -> Plan:
    """Return the plan that trains a head that was tried."""
    candidate = trial.candidate
    return Plan(
        candidate.name, candidate.head_options | _threshold(trial.threshold), candidate.training_options, found
    )


def plan_layers(
    backbone: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Dataset,
    labels: Labels,
    max_length: int | None = None,
    seed: int = 0,
) -> Plan:
    """Choose the layers alone, for a head that is known; takes the same arguments as [`make_plan`]."""
    if reason := too_little(examples, labels):
        raise InputError(f"--backbone_layers auto: {reason}, so a probe says nothing; name a layer")
    layers, found = find_layers(backbone, tokenizer, examples, labels, max_length, seed)
    return Plan("head as asked", reading(layers), {}, {"probe": found})


def find_layers(
    backbone: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Dataset,
    labels: Labels,
    max_length: int | None = None,
    seed: int = 0,
) -> tuple[int | list[int], dict[str, Any]]:
    """Probe every layer, say what is found, and return the layers to read and what was measured."""
    started = time.monotonic()
    some = examples.select(rows_to_probe(len(examples), seed))
    probe = probe_layers(layer_vectors(backbone, tokenizer, some[:], max_length), some["labels"], labels.problem_type)
    seconds = time.monotonic() - started
    print(f"probe: {describe_probe(probe, len(some))} ({seconds:.1f} s)")
    return probe.backbone_layers, {"rows": len(some), "losses": probe.losses, "seconds": seconds}


def describe_probe(probe: Probe, num_rows: int) -> str:
    """Return one line: the held-out loss of every layer, and which are read."""
    losses = ", ".join(f"{layer}: {loss:.3f}" for layer, loss in enumerate(probe.losses))
    reads = f"layer {probe.best}"
    if probe.joining_pays:
        reads = f"layers {probe.joined} side by side ({probe.joined_loss:.3f})"
    return f"held-out loss of a linear probe on {num_rows:,} rows by layer {losses}: reads {reads}"


def describe_choice(choice: Choice) -> str:
    """Return one line: which head is taken, and by how much it is better."""
    winner = choice.trials.index(choice.winner)
    name = choice.winner.candidate.name
    decides = f", with a threshold of {choice.winner.threshold:.3g}" if choice.winner.threshold is not None else ""
    if winner:
        margin, error = choice.margins[winner]
        return f"takes the {name}{decides}, better by {margin:.4f} (standard error {error:.4f})"
    if len(choice.trials) == 1:
        return f"takes the {name}{decides}"
    return f"takes the {name}{decides}: nothing is better by more than one standard error"


def _threshold(threshold: float | None) -> dict[str, Any]:
    return {} if threshold is None else {"decision_threshold": threshold}


def too_little(examples: Dataset, labels: Labels) -> str | None:
    """Return why held-out rows would say nothing, or None."""
    if len(examples) < _FEWEST_ROWS:
        return f"there are fewer than {_FEWEST_ROWS} rows"
    if labels.problem_type == "single_label_classification":
        counts = [count for _, count in Counter(examples["labels"][:]).most_common(2)]
        if len(counts) < 2 or counts[1] < _FEWEST_OF_A_CLASS:
            return f"all classes but one have fewer than {_FEWEST_OF_A_CLASS} rows"
    return None
