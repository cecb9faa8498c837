# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
The paper's comparison: every pooling on every task, on the states of one frozen backbone.

Two protocols. `tuned` chooses the learning rate of every pooling by its score on a tenth of the training rows, held
out, then trains on all of them and reports the last epoch. `released` is what the released code does: one learning
rate, and the epoch that has the best accuracy on the very split that is reported.
"""

import math
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
import transformers
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer
from transformers.utils import logging

from .cells import CellStore
from .data.hidden_state_cache import HiddenStateCache, cache_splits
from .data.tasks import Task
from .experiments import SELECTION_SEED, Rows, Variant, choose_rate, hold_out, is_dead, train_on_states
from .reproduce_report import Results
from .training import count_parameters
from .version_glot import __version__


# The released code: Adam without decay of the rate or the weights, and without clipping; the heads of its README.
RELEASED_OPTIONS = {"lr_scheduler_type": "constant", "weight_decay": 0.0, "max_grad_norm": 0.0}
MEAN_CORRELATION = "mean of spearman and pearson"
RELEASED_HEADS = {
    "glot": {"gnn_hidden_size": 256, "similarity_threshold": 0.8},
    "adapool": {"readout_hidden_size": 128},
}


@dataclass
class Comparison:
    """
    Args:
        backbone, tokenizer: whose states are pooled.
        head_options (`dict`): of [`GlotConfig`], for all variants.
        training_options (`dict`): of [`GlotTrainingArguments`], for all variants.
        learning_rates (`list[float]`): one, or several to choose from.
        seeds (`list[int]`): of the final runs.
        protocol (`str`): "tuned" or "released".
        store ([`CellStore`]): what is finished, and where the rest goes.
        max_train_rows (`int`, *optional*): of every task at most so many training rows, the first ones.
        cache_options (`dict`): of [`~glot_hf.data.HiddenStateCache.build`].
    """

    backbone: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    head_options: dict[str, Any]
    training_options: dict[str, Any]
    learning_rates: list[float]
    seeds: list[int]
    protocol: str
    store: CellStore
    max_train_rows: int | None = None
    cache_options: dict[str, Any] = field(default_factory=dict)

    def run(self, tasks: list["TaskStates"], variants: list[Variant]) -> Results:
        """
        Trains what is not trained yet, of every task every variant; shows a progress bar.

        Returns:
            `dict`: task -> variant -> the final cells, one a seed; tuned, "mnli-mismatched" beside "mnli".
        """
        results: Results = {}
        selections = len(self.learning_rates) if len(self.learning_rates) > 1 else 0
        total = len(tasks) * len(variants) * (selections + len(self.seeds))
        with logging.tqdm(total=total, desc="Training heads") as progress:
            for states in tasks:
                results[states.name] = {}
                for variant in variants:
                    rate = choose_rate(
                        self.learning_rates,
                        lambda rate: self._cell(states, variant, "selection", rate, SELECTION_SEED, progress)["score"],
                    )
                    cells = results[states.name].setdefault(variant.name, [])
                    for seed in self.seeds:
                        cells.append(self._cell(states, variant, "final", rate, seed, progress))
                if self.protocol == "tuned":  # the released code chooses another epoch for each split
                    results |= _of_more_splits(states, results[states.name])
        return results

    def _cell(
        self, states: "TaskStates", variant: Variant, phase: str, rate: float, seed: int, progress: Any
    ) -> dict[str, Any]:
        name = f"{states.name}/{variant.file_name}/{phase}-lr{rate:g}-seed{seed}"
        cell = self.store.get(name, lambda: self._train(states, variant, phase, rate, seed))
        progress.update()
        return cell

    def _train(self, states: "TaskStates", variant: Variant, phase: str, rate: float, seed: int) -> dict[str, Any]:
        started = time.monotonic()
        train, reported = states.selection if phase == "selection" else states.final
        released = self.protocol == "released"
        options = dict(self.training_options)
        if released:
            options |= {**RELEASED_OPTIONS, "evaluation_rows": reported["validation"]}
        head_options = {
            **(RELEASED_HEADS.get(variant.options["pooling"], {}) if released else {}),
            **self.head_options,
            **variant.options,
        }
        trainer = states.train(
            head_options,
            train,
            seed,
            learning_rate=rate,
            **options,
        )
        if released:
            epochs = [entry for entry in trainer.state.log_history if "eval_loss" in entry]
            metrics = {"validation": max(epochs, key=_released_score)}
        else:
            metrics = {split: trainer.evaluate(rows) for split, rows in reported.items()}
        metric = states.metric(phase)
        scores = {split: _score(metric, values) for split, values in metrics.items()}
        return {
            "task": states.name,
            "variant": variant.name,
            "phase": phase,
            "learning_rate": rate,
            "seed": seed,
            "metric": metric,
            "score": scores.pop("validation"),
            "more_scores": scores,
            "is_dead": is_dead(metrics["validation"]),
            "metrics": {split: _finite(values) for split, values in metrics.items()},
            "head_parameters": count_parameters(trainer.model)[0],
            "training_rows": len(train),
            "seconds": round(time.monotonic() - started, 1),
            "versions": {
                "glot_hf": __version__,
                "transformers": transformers.__version__,
                "torch": str(torch.__version__),
            },
        }


class TaskStates:
    """
    The hidden states of a task, from a cache that is made when a cell first needs them, and how heads learn from them.

    Args:
        comparison ([`Comparison`]): whose backbone is run.
        task ([`~glot_hf.data.tasks.Task`])
        data_dir (`str`, *optional*): the task's own folder.
    """

    def __init__(self, comparison: Comparison, task: Task, data_dir: str | None):
        self.comparison, self.task, self.data_dir = comparison, task, data_dir
        self.name, self.more_splits = task.name, task.more_splits

    def metric(self, phase: str) -> str:
        """What a head is chosen by (phase "selection"), or reported by ("final")."""
        by_both = self.comparison.protocol == "released" and self.task.labels.problem_type == "regression"
        return MEAN_CORRELATION if by_both else self.task.metric

    def train(self, head_options: dict[str, Any], rows: Rows, seed: int, **options) -> Trainer:
        """One head; `options` of [`train_on_states`]."""
        head_options = {"pair_mode": self.task.pair_mode, **head_options}
        if self.task.pair_mode is None:
            del head_options["pair_mode"]  # which was given for the pairs among the tasks
        head_options |= self.task.labels.config_options
        return train_on_states(self.comparison.backbone, head_options, rows, seed, **options)

    @cached_property
    def final(self) -> tuple[HiddenStateCache, dict[str, HiddenStateCache]]:
        """All training rows, and the reported rows by split."""
        limits = [limit for limit in (self.task.max_train_rows, self.comparison.max_train_rows) if limit is not None]
        splits = cache_splits(
            self.comparison.backbone,
            self.comparison.tokenizer,
            {name: self.task.examples(name, self.data_dir, min(limits, default=None)) for name in self.task.splits},
            layers=self.comparison.head_options.get("backbone_layers", -1),
            max_length=self.task.max_length,
            show_progress=True,
            **self.comparison.cache_options,
        )
        return splits.pop("train"), splits

    @cached_property
    def selection(self) -> tuple[Rows, dict[str, Rows]]:
        """The training rows in two parts: to train on, and to choose by. No row of a reported split is in them."""
        train, held_out = hold_out(self.final[0])
        return train, {"validation": held_out}


def _of_more_splits(states: TaskStates, by_variant: dict[str, list[dict[str, Any]]]) -> Results:
    """The same heads, judged on the splits that are reported beside the first."""
    return {
        f"{states.name}-{split}": {
            variant: [cell | {"score": cell["more_scores"][split]} for cell in cells]
            for variant, cells in by_variant.items()
        }
        for split in states.more_splits
    }


def _score(metric: str, metrics: dict[str, float]) -> float | None:
    """None where the training diverged."""
    if not math.isfinite(metrics.get("eval_loss", 0.0)):  # pairs with scores have none
        return None
    if metric == MEAN_CORRELATION:
        return _released_score(metrics)
    return metrics.get(f"eval_{metric}", 0.0)  # a constant answer correlates with nothing


def _released_score(metrics: dict[str, float]) -> float:
    """What the released code chooses the epoch by: accuracy, or the mean of both correlations."""
    if "eval_accuracy" in metrics:
        return metrics["eval_accuracy"]
    return (metrics.get("eval_spearman", 0.0) + metrics.get("eval_pearson", 0.0)) / 2


def _finite(metrics: dict[str, float]) -> dict[str, float | None]:
    """JSON has no NaN."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}
