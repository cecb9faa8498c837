# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
One head trained on hidden states that were computed once.

How long it trains, and how fast, is a [`Budget`], which can be chosen on rows that are held out.
"""

import math
import statistics
import tempfile
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, NamedTuple

from sklearn.model_selection import GroupKFold, GroupShuffleSplit, KFold, ShuffleSplit
from torch.utils.data import Subset
from transformers import PrinterCallback, Trainer, set_seed

from ..model.configuration_glot import GlotConfig
from ..model.modeling_glot import GlotForSequenceClassification
from ..states.running import HiddenStateCollator
from .class_weights import weighted_loss
from .linear_fit import LinearFit, fit_linear_layer, is_linear
from .metrics import metrics_for
from .trainer import GlotTrainingArguments


HELD_OUT_SHARE = 0.1
# A tenth of fewer training rows than this is too few to choose by: each third is held out once instead.
FEW_ROWS, NUM_FOLDS = 1_000, 3
SELECTION_SEED = 0  # the seed of every head that a budget is chosen by

# Rows are `{"hidden_states": (L, d), ["hidden_states_b": (L', d)], "labels"}`, in a list or in a cache on the disk.
Rows = Any  # to Trainer and Subset: they ask for a Dataset by name, and take whatever has a length and rows


class Budget(NamedTuple):
    """
    How a head is trained.

    Args:
        learning_rate (`float`): the rate at the start; it falls linearly to 0.
        steps (`int`): the number of optimizer steps.
    """

    learning_rate: float
    steps: int

    def __str__(self) -> str:
        return f"{self.learning_rate:g} x {self.steps}"

    @property
    def file_name(self) -> str:
        return f"lr{self.learning_rate:g}-steps{self.steps}"

    @property
    def training_options(self) -> dict[str, Any]:
        """Return the budget as options of [`GlotTrainingArguments`]."""
        return {"learning_rate": self.learning_rate, "max_steps": self.steps}


def budgets_of(learning_rates: list[float], steps: list[int]) -> list[Budget]:
    """Return every learning rate with every number of steps."""
    return [Budget(rate, count) for rate, count in product(learning_rates, steps)]


def choose_budget(budgets: list[Budget], scores: Callable[[Budget], list[float | None]]) -> Budget:
    """
    Return the budget with the best mean score, the first of equals.

    Args:
        scores: returns the scores of a budget, one for each part of the training rows that is held out; None where
            the training diverged. It is not called if there is one budget.
    """
    if len(budgets) == 1:
        return budgets[0]

    def mean(budget: Budget) -> float:
        found = scores(budget)
        finite = [score for score in found if score is not None]
        return -math.inf if len(finite) < len(found) else statistics.mean(finite)

    return max(budgets, key=mean)


def train_on_states(
    backbone: Any,
    head_options: dict[str, Any],
    rows: Rows,
    seed: int,
    evaluation_rows: Rows | None = None,
    **training_options,
) -> Trainer:
    """
    Train one head, silently and without writing anything.

    Args:
        backbone (`PreTrainedModel`): the frozen backbone that made the states; it is not run.
        head_options (`dict`): options of [`GlotConfig`], the problem type and the classes among them.
        rows (`list` or `Dataset`): rows to train on.
        seed (`int`): decides the head's first weights and the order of the rows.
        evaluation_rows (`list` or `Dataset`, *optional*): judged after every epoch, for `trainer.state.log_history`.
        training_options: options of [`GlotTrainingArguments`].

    Returns:
        `Trainer`: holds the trained `model`; `trainer.evaluate(rows)` judges it.
    """

    trainer = trainer_on_states(backbone, head_options, rows, seed, evaluation_rows, **training_options)
    trainer.train()
    return trainer


def trainer_on_states(
    backbone: Any,
    head_options: dict[str, Any],
    rows: Rows,
    seed: int,
    evaluation_rows: Rows | None = None,
    weights: Sequence[float] | None = None,
    **training_options,
) -> Trainer:
    """
    Return the trainer of [`train_on_states`], which takes the same options, before it trains.

    Args:
        weights (`list[float]`, *optional*): what a row of each class counts in the loss; default: the same.
    """
    if evaluation_rows is not None:
        training_options["eval_strategy"] = "epoch"

    def make_trainer(arguments: GlotTrainingArguments) -> Trainer:
        return _make_trainer(backbone, head_options, arguments, rows, evaluation_rows, weights)

    return silent_trainer(make_trainer, seed, **training_options)


def fit_on_states(
    backbone: Any, head_options: dict[str, Any], rows: Rows, metric: str, weights: Sequence[float] | None = None
) -> tuple[Trainer, LinearFit]:
    """
    Fit one linear head to convergence; see [`~glot_hf.training.linear_fit.fit_linear_layer`].

    Args:
        backbone, head_options, rows: the same as in [`train_on_states`].
        metric (`str`): the metric that the penalty is chosen by.
        weights (`list[float]`, *optional*): what a row of each class counts; default: the same.

    Returns:
        `tuple[Trainer, LinearFit]`: the trainer, which holds the fitted `model`, and what was found.

    Raises:
        InputError: all rows are of one class, or a vector is not finite.
    """
    trainer = silent_trainer(lambda arguments: _make_trainer(backbone, head_options, arguments), seed=0)
    model: Any = trainer.model
    return trainer, fit_linear_layer(model, rows, trainer.data_collator, metric, weights)


def is_linear_on(backbone: Any, head_options: dict[str, Any]) -> bool:
    """Return whether a head with these options is one linear layer on fixed vectors."""
    return is_linear(GlotConfig(backbone_config=backbone.config.to_dict(), **head_options))


def _make_trainer(
    backbone: Any,
    head_options: dict[str, Any],
    arguments: GlotTrainingArguments,
    rows: Rows | None = None,
    evaluation_rows: Rows | None = None,
    weights: Sequence[float] | None = None,
) -> Trainer:
    model = GlotForSequenceClassification.from_backbone(backbone, **head_options)
    return Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        eval_dataset=evaluation_rows,
        data_collator=HiddenStateCollator(),
        compute_metrics=metrics_for(model.config.problem_type),
        compute_loss_func=None if weights is None else weighted_loss(weights),
    )


def silent_trainer(make_trainer: Callable[[GlotTrainingArguments], Trainer], seed: int, **options) -> Trainer:
    """
    Return what `make_trainer` makes, which is called once the seed is set; it prints and writes nothing.

    Args:
        make_trainer: makes a trainer from its arguments; the head's first weights are drawn there.
        seed (`int`): decides the head's first weights and the order of the rows.
        options: options of [`GlotTrainingArguments`].
    """
    set_seed(seed)
    never: dict[str, Any] = dict.fromkeys(("eval_strategy", "save_strategy", "logging_strategy"), "no")
    never["ddp_find_unused_parameters"] = False  # a step uses all of a head
    folder = tempfile.gettempdir()  # nothing is written there
    trainer = make_trainer(GlotTrainingArguments(folder, seed=seed, disable_tqdm=True, **never | options))
    trainer.remove_callback(PrinterCallback)
    return trainer


def train_silently(make_trainer: Callable[[GlotTrainingArguments], Trainer], seed: int, **options) -> Trainer:
    """Return the trainer of [`silent_trainer`], which takes the same options, after it has trained."""
    trainer = silent_trainer(make_trainer, seed, **options)
    trainer.train()
    return trainer


def held_out_parts(
    rows: Rows, groups: Sequence[str] | None = None, few_rows: int = FEW_ROWS
) -> list[tuple[Subset, Subset]]:
    """
    Divide training rows at random into a part to train on and a part to choose by, always in the same way.

    A tenth is held out. Of fewer rows than `few_rows` that would be too few: there are three divisions, which hold out
    each row once.

    Args:
        rows (`list` or `Dataset`): all training rows.
        groups (`list[str]`, *optional*): the group of each row; rows of one group are never divided.
        few_rows (`int`): fewer rows are divided in three ways.

    Returns:
        `list[tuple[Subset, Subset]]`: for each division, the rows to train on and those that are held out.
    """
    if len(rows) < few_rows:
        split = (KFold if groups is None else GroupKFold)(NUM_FOLDS, shuffle=True, random_state=0)
    else:
        split = (ShuffleSplit if groups is None else GroupShuffleSplit)(1, test_size=HELD_OUT_SHARE, random_state=0)
    divisions = split.split(range(len(rows)), groups=groups)
    return [(Subset(rows, train.tolist()), Subset(rows, held_out.tolist())) for train, held_out in divisions]


def is_dead(metrics: dict[str, float]) -> bool:
    """Return whether a head gave every text the same answer, or its training diverged."""
    return metrics.get("eval_distinct_predictions") == 1 or not math.isfinite(metrics.get("eval_loss", 0.0))
