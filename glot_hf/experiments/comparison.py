# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
The paper's comparison: every pooling on every task, on the states of one frozen backbone.

This is the protocol `tuned`: the learning rate and the number of steps of every pooling are chosen by its score on
training rows that are held out; then it trains on all of them and the last step is reported. A head that is only a
linear layer on fixed vectors is fitted to convergence. The protocol `released` is in `released_protocol`.
"""

import math
from abc import abstractmethod
from functools import cached_property
from typing import Any

import torch
import transformers

from ..data.tasks import Task
from ..model.version_glot import __version__
from ..reports.scores import Results
from ..states.cache import cache_splits
from ..states.key import hash_json
from ..training.on_states import Budget, Rows, is_dead
from .panels import Cell, Metrics, Panel, Shared


class ComparisonPanel(Panel):
    """A panel of the comparison: how its scores are taken and kept."""

    name: str
    final_metric: str  # what is reported
    more_splits: tuple[str, ...] = ()  # reported beside "validation"

    @property
    @abstractmethod
    def content(self) -> Any:
        """The rows, as JSON values."""

    @cached_property
    def folder(self) -> str:
        return f"{self.name}-{hash_json(self.content)[:12]}"

    def score(self, metric: str, metrics: Metrics) -> float | None:
        """Return the metric of that name; None where the training diverged."""
        if not math.isfinite(metrics.get("eval_loss", 0.0)):  # pairs with scores have none
            return None
        return metrics.get(f"eval_{metric}", 0.0)  # a constant answer correlates with nothing

    def selection_cell(self, variant: str, budget: Budget, metrics: list[Metrics], found: Cell) -> Cell:
        return {
            "task": self.name,
            "variant": variant,
            "budget": budget._asdict(),
            "metric": self.selection_metric,
            "scores": [self.score(self.selection_metric, values) for values in metrics],
            **found,
        }

    def final_cell(self, variant: str, metrics: dict[str, Metrics], found: Cell) -> Cell:
        scores = {split: self.score(self.final_metric, values) for split, values in metrics.items()}
        return {
            "task": self.name,
            "variant": variant,
            "metric": self.final_metric,
            "score": scores.pop("validation"),
            "more_scores": scores,
            "is_dead": is_dead(metrics["validation"]),
            "metrics": {split: _finite(values) for split, values in metrics.items()},
            "training_rows": len(self.rows[0]),
            **found,
            "versions": {
                "glot_hf": __version__,
                "transformers": transformers.__version__,
                "torch": str(torch.__version__),
            },
        }


class TaskPanel(ComparisonPanel):
    """
    A task, its hidden states in a cache.

    Args:
        shared ([`~glot_hf.experiments.panels.Shared`]): the backbone and what else all panels have in common.
        task ([`~glot_hf.data.tasks.Task`]): names the metric, the splits and how pairs are compared.
        data_dir (`str`, *optional*): the task's own folder.
        max_train_rows (`int`, *optional*): the first so many training rows are taken.
    """

    def __init__(self, shared: Shared, task: Task, data_dir: str | None, max_train_rows: int | None):
        super().__init__(shared)
        self.task, self.data_dir, self.name, self.more_splits = task, data_dir, task.name, task.more_splits
        self.selection_metric = self.final_metric = task.metric
        limits = [limit for limit in (task.max_train_rows, max_train_rows) if limit is not None]
        self.max_train_rows = min(limits, default=None)

    def head_options(self, options: dict[str, Any]) -> dict[str, Any]:
        options = {"pair_mode": self.task.pair_mode, **super().head_options(options)}
        if self.task.pair_mode is None:
            del options["pair_mode"]  # which was given for the pairs among the tasks
        return options | self.task.labels.config_options

    @property
    def content(self) -> list[dict[str, Any]]:
        return [examples[:] for examples in self._examples.values()]

    @cached_property
    def _examples(self) -> dict[str, Any]:
        return {name: self.task.examples(name, self.data_dir, self.max_train_rows) for name in self.task.splits}

    def load_rows(self) -> tuple[Rows, dict[str, Rows]]:
        splits = cache_splits(
            self.shared.backbone,
            self.shared.tokenizer,
            self._examples,
            layers=self.shared.layers,
            token_features=self.shared.token_features,
            max_length=min(self.task.max_length, self.shared.tokenizer.model_max_length),
            show_progress=True,
            **self.shared.cache_options,
        )
        return splits.pop("train"), splits


def comparison_results(panels: list[ComparisonPanel], found: list[dict[str, list[Cell]]]) -> Results:
    """
    Return the final cells of every panel under its name.

    The same heads judged on more splits follow under names of their own, "mnli-mismatched" after "mnli".
    """
    results: Results = {}
    for panel, by_variant in zip(panels, found):
        results[panel.name] = by_variant
        for split in panel.more_splits:
            results[f"{panel.name}-{split}"] = {
                variant: [cell | {"score": cell["more_scores"][split]} for cell in cells]
                for variant, cells in by_variant.items()
            }
    return results


def _finite(metrics: Metrics) -> dict[str, float | None]:
    """Return the metrics with None for what is not finite, which JSON cannot hold."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}
