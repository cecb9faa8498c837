# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
The comparison as the released code makes it, with the heads of its README.

There is one learning rate, and the epoch is reported that has the best accuracy on the very split that is reported.
"""

from typing import Any, NamedTuple

from transformers import Trainer

from ..data.tasks import Task
from ..training.on_states import Rows
from .comparison import TaskPanel
from .panels import Metrics, Shared


MEAN_CORRELATION = "mean of spearman and pearson"
RELEASED_HEADS = {
    "glot": {"gnn_hidden_size": 256, "similarity_threshold": 0.8},
    "adapool": {"readout_hidden_size": 128},
}


class ReleasedBudget(NamedTuple):
    """How the released code trains: Adam without decay of the rate or the weights, and without clipping."""

    learning_rate: float
    num_train_epochs: int
    file_name = ""  # there is only one

    def __str__(self) -> str:
        return f"{self.learning_rate:g}"

    @property
    def training_options(self) -> dict[str, Any]:
        """Return the budget as options of [`GlotTrainingArguments`]."""
        return self._asdict() | {"lr_scheduler_type": "constant", "weight_decay": 0.0, "max_grad_norm": 0.0}


class ReleasedTaskPanel(TaskPanel):
    """A task whose best epoch is reported; its other splits are not, for which other epochs would be the best."""

    can_be_fitted = False  # the released code trains linear heads like others

    def __init__(self, shared: Shared, task: Task, data_dir: str | None, max_train_rows: int | None):
        super().__init__(shared, task, data_dir, max_train_rows)
        self.more_splits = ()
        if task.labels.problem_type == "regression":
            self.final_metric = MEAN_CORRELATION

    def head_options(self, options: dict[str, Any]) -> dict[str, Any]:
        return {**RELEASED_HEADS.get(options["pooling"], {}), **super().head_options(options)}

    def train(self, head_options: dict[str, Any], rows: Rows, seed: int, **budget) -> Trainer:
        """Train one head, judged after every epoch on the reported rows."""
        return super().train(head_options, rows, seed, evaluation_rows=self.rows[1]["validation"], **budget)

    def judge(self, trainer: Trainer) -> dict[str, Metrics]:
        """Return the metrics of the best epoch."""
        epochs = [entry for entry in trainer.state.log_history if "eval_loss" in entry]
        return {"validation": max(epochs, key=_accuracy)}

    def score(self, metric: str, metrics: Metrics) -> float | None:
        found = super().score(metric, metrics)
        return _accuracy(metrics) if metric == MEAN_CORRELATION and found is not None else found


def _accuracy(metrics: Metrics) -> float:
    """Return what the released code chooses the epoch by: the accuracy, or the mean of both correlations."""
    if "eval_accuracy" in metrics:
        return metrics["eval_accuracy"]
    return (metrics.get("eval_spearman", 0.0) + metrics.get("eval_pearson", 0.0)) / 2
