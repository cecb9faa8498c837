# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
The paper's comparison: every pooling on every task, on the states of one frozen backbone.

Two protocols. `tuned` chooses the learning rate and the number of steps of every pooling by its score on training rows
that are held out, then trains on all of them and reports the last step; a head that is only a linear layer on fixed
vectors is fitted to convergence. `released` is what the released code does: one learning rate, and the epoch that has
the best accuracy on the very split that is reported.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
import transformers
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer
from transformers.utils import logging

from ..data.tasks import Task
from ..model.version_glot import __version__
from ..states.cache import HiddenStateCache, cache_splits
from ..states.key import hash_json
from ..training.linear_fit import LinearFit
from ..training.trainer import count_parameters
from .cells import CellStore
from .comparison_report import Results
from .heads import (
    SELECTION_SEED,
    Budget,
    Rows,
    Variant,
    choose_budget,
    fit_on_states,
    held_out_parts,
    is_dead,
    is_linear_on,
    train_on_states,
)


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
        training_options (`dict`): of [`GlotTrainingArguments`], for all variants; of the protocol "released" with
            everything that decides how a head is trained.
        budgets (`list[Budget]`): of the protocol "tuned": one, or several to choose from.
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
    budgets: list[Budget]
    seeds: list[int]
    protocol: str
    store: CellStore
    max_train_rows: int | None = None
    cache_options: dict[str, Any] = field(default_factory=dict)

    def run(self, tasks: list["TaskStates"], variants: list[Variant]) -> Results:
        """
        Train what is not trained yet, of every task every variant; show a progress bar.

        Returns:
            `dict`: task -> variant -> the final cells, one a seed; tuned, "mnli-mismatched" beside "mnli".
        """
        results: Results = {}
        total = sum(self._num_cells(states, variant) for states in tasks for variant in variants)
        with logging.tqdm(total=total, desc="Training heads") as progress:
            for states in tasks:
                results[states.name] = {
                    variant.name: self._final_cells(states, variant, progress) for variant in variants
                }
                if self.protocol == "tuned":  # the released code chooses another epoch for each split
                    results |= _of_more_splits(states, results[states.name])
        return results

    def _num_cells(self, states: "TaskStates", variant: Variant) -> int:
        if self._is_linear(states, variant):
            return 1
        return len(self.seeds) + (len(self.budgets) if len(self.budgets) > 1 else 0)

    def _is_linear(self, states: "TaskStates", variant: Variant) -> bool:
        return self.protocol == "tuned" and states.is_linear(self._head_options(variant))

    def _final_cells(self, states: "TaskStates", variant: Variant, progress: Any) -> list[dict[str, Any]]:
        """Return the cells that are reported, one a seed."""
        folder = f"{states.name}-{states.content}/{variant.file_name}"

        def cell(name: str, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
            found = self.store.get(f"{folder}/{name}", run)
            progress.update()
            return found

        if self._is_linear(states, variant):
            fitted = cell("final-linear", lambda: self._fit(states, variant))
            return [fitted | {"seed": seed} for seed in self.seeds]  # they would all find the same
        if self.protocol == "released":
            return [
                cell(f"final-seed{seed}", lambda seed=seed: self._train_released(states, variant, seed))
                for seed in self.seeds
            ]
        budget = choose_budget(
            self.budgets,
            lambda budget: cell(f"selection-{budget.file_name}", lambda: self._select(states, variant, budget))[
                "scores"
            ],
        )
        return [
            cell(
                f"final-{budget.file_name}-seed{seed}",
                lambda seed=seed: self._train(states, variant, budget, seed),
            )
            for seed in self.seeds
        ]

    def _head_options(self, variant: Variant) -> dict[str, Any]:
        released = RELEASED_HEADS.get(variant.options["pooling"], {}) if self.protocol == "released" else {}
        return {**released, **self.head_options, **variant.options}

    def _select(self, states: "TaskStates", variant: Variant, budget: Budget) -> dict[str, Any]:
        """Judge a budget on training rows that are held out."""
        started, metric = time.monotonic(), states.metric("selection")
        options, scores = self._head_options(variant), []
        for train, held_out in states.selection:
            trainer = states.train(options, train, SELECTION_SEED, **self.training_options, **budget.training_options)
            scores.append(_score(metric, trainer.evaluate(held_out)))
        return {
            "task": states.name,
            "variant": variant.name,
            "budget": budget._asdict(),
            "metric": metric,
            "scores": scores,
            "training_rows": len(train),
            "seconds": round(time.monotonic() - started, 1),
        }

    def _train(self, states: "TaskStates", variant: Variant, budget: Budget, seed: int) -> dict[str, Any]:
        started = time.monotonic()
        train, reported = states.final
        trainer = states.train(
            self._head_options(variant), train, seed, **self.training_options, **budget.training_options
        )
        metrics = {split: trainer.evaluate(rows) for split, rows in reported.items()}
        return self._report(states, variant, trainer, metrics, started, seed, str(budget))

    def _fit(self, states: "TaskStates", variant: Variant) -> dict[str, Any]:
        started = time.monotonic()
        train, reported = states.final
        trainer, found = states.fit(self._head_options(variant), train)
        metrics = {split: trainer.evaluate(rows) for split, rows in reported.items()}
        return self._report(states, variant, trainer, metrics, started, None, str(found))

    def _train_released(self, states: "TaskStates", variant: Variant, seed: int) -> dict[str, Any]:
        started = time.monotonic()
        train, reported = states.final
        options = {**self.training_options, **RELEASED_OPTIONS, "evaluation_rows": reported["validation"]}
        trainer = states.train(self._head_options(variant), train, seed, **options)
        epochs = [entry for entry in trainer.state.log_history if "eval_loss" in entry]
        metrics = {"validation": max(epochs, key=_released_score)}
        return self._report(states, variant, trainer, metrics, started, seed, f"{options['learning_rate']:g}")

    def _report(
        self,
        states: "TaskStates",
        variant: Variant,
        trainer: Trainer,
        metrics: dict[str, dict[str, float]],
        started: float,
        seed: int | None,
        chosen: str,
    ) -> dict[str, Any]:
        """Return the final cell of a trained head, from its metrics by split."""
        metric = states.metric("final")
        scores = {split: _score(metric, values) for split, values in metrics.items()}
        return {
            "task": states.name,
            "variant": variant.name,
            "chosen": chosen,
            "seed": seed,
            "metric": metric,
            "score": scores.pop("validation"),
            "more_scores": scores,
            "is_dead": is_dead(metrics["validation"]),
            "metrics": {split: _finite(values) for split, values in metrics.items()},
            "head_parameters": count_parameters(trainer.model)[0],
            "training_rows": len(states.final[0]),
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
        """Train one head; `options` of [`train_on_states`]."""
        return train_on_states(self.comparison.backbone, self._of_task(head_options), rows, seed, **options)

    def fit(self, head_options: dict[str, Any], rows: Rows) -> tuple[Trainer, LinearFit]:
        """Fit one linear head; see [`fit_on_states`]."""
        return fit_on_states(self.comparison.backbone, self._of_task(head_options), rows, self.task.metric)

    def is_linear(self, head_options: dict[str, Any]) -> bool:
        """Return whether a head with these options is one linear layer on fixed vectors."""
        return is_linear_on(self.comparison.backbone, self._of_task(head_options))

    def _of_task(self, head_options: dict[str, Any]) -> dict[str, Any]:
        """Return the options with what the task's labels and pairs ask for."""
        head_options = {"pair_mode": self.task.pair_mode, **head_options}
        if self.task.pair_mode is None:
            del head_options["pair_mode"]  # which was given for the pairs among the tasks
        return head_options | self.task.labels.config_options

    @cached_property
    def content(self) -> str:
        """Hash the rows, so that cells of a file that was replaced are not taken for those of the new one."""
        return hash_json([examples[:] for examples in self._examples.values()])[:12]

    @cached_property
    def _examples(self) -> dict[str, Any]:
        """The rows by split."""
        limits = [limit for limit in (self.task.max_train_rows, self.comparison.max_train_rows) if limit is not None]
        count = min(limits, default=None)
        return {name: self.task.examples(name, self.data_dir, count) for name in self.task.splits}

    @cached_property
    def final(self) -> tuple[HiddenStateCache, dict[str, HiddenStateCache]]:
        """All training rows, and the reported rows by split."""
        splits = cache_splits(
            self.comparison.backbone,
            self.comparison.tokenizer,
            self._examples,
            layers=self.comparison.head_options.get("backbone_layers", -1),
            max_length=min(self.task.max_length, self.comparison.tokenizer.model_max_length),
            show_progress=True,
            **self.comparison.cache_options,
        )
        return splits.pop("train"), splits

    @cached_property
    def selection(self) -> list[tuple[Rows, Rows]]:
        """The training rows in parts to train on and to choose by. No row of a reported split is in them."""
        return held_out_parts(self.final[0])


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
