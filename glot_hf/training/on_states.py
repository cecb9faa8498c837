# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Heads trained on hidden states that were computed once: what the stress test and `reproduce` share."""

import math
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

from sklearn.model_selection import GroupKFold, GroupShuffleSplit, KFold, ShuffleSplit
from torch.utils.data import Dataset, Subset
from transformers import PrinterCallback, Trainer, set_seed

from ..model.configuration_glot import GlotConfig
from ..model.modeling_glot import GlotForSequenceClassification
from ..states.running import HiddenStateCollator
from ..training.linear_fit import LinearFit, fit_linear_layer, is_linear
from ..training.metrics import metrics_for
from ..training.trainer import GlotTrainingArguments


HELD_OUT_SHARE = 0.1
# With fewer training rows than this, a tenth of them is too few to choose by: each third is held out once.
FEW_ROWS, NUM_FOLDS = 1_000, 3
SELECTION_SEED = 0  # of the heads that a budget is chosen by

# Of `{"hidden_states": (L, d), ["hidden_states_b": (L', d)], "labels"}`: a list, or a cache on the disk.
Rows = Sequence[dict[str, Any]] | Dataset


class Budget(NamedTuple):
    """
    How a head is trained.

    Args:
        learning_rate (`float`): at the start; it falls linearly to 0.
        steps (`int`): of the optimizer.
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
        scores: of a budget, on each part of the training rows that is held out; None where the training diverged. Not
            asked if there is one budget.
    """
    if len(budgets) == 1:
        return budgets[0]

    def mean(budget: Budget) -> float:
        found = scores(budget)
        return -math.inf if None in found else statistics.mean(found)

    return max(budgets, key=mean)


@dataclass(frozen=True)
class Variant:
    """
    What is compared: a pooling and options of its own.

    Args:
        name (`str`): as it was asked for, such as "glot" or "glot:graph_type=self,input_norm=standard".
        options (`dict`): of [`GlotConfig`], `pooling` among them.
    """

    name: str
    options: dict[str, Any]

    @property
    def file_name(self) -> str:
        """Without the colon, which file names cannot hold everywhere."""
        return self.name.replace(":", "+")


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
        backbone (`PreTrainedModel`): the frozen backbone that the states are of; it is not run.
        head_options (`dict`): of [`GlotConfig`], the problem type and the classes among them.
        rows (`list` or `Dataset`): to train on.
        seed (`int`): of the head's first weights and of the order of the rows.
        evaluation_rows (`list` or `Dataset`, *optional*): judged after every epoch, for `trainer.state.log_history`.
        training_options: of [`GlotTrainingArguments`].

    Returns:
        `Trainer`: with the trained `model`; `trainer.evaluate(rows)` judges it.
    """

    def make_trainer(arguments: GlotTrainingArguments) -> Trainer:
        return _make_trainer(backbone, head_options, arguments, rows, evaluation_rows)

    return train_silently(make_trainer, seed, evaluate=evaluation_rows is not None, **training_options)


def fit_on_states(backbone: Any, head_options: dict[str, Any], rows: Rows, metric: str) -> tuple[Trainer, LinearFit]:
    """
    Fit one linear head to convergence; see [`~glot_hf.training.linear_fit.fit_linear_layer`].

    Args:
        backbone, head_options, rows: those of [`train_on_states`].
        metric (`str`): what the penalty is chosen by.

    Returns:
        The `Trainer`, with the fitted `model`, and what was found.
    """
    trainer = silent_trainer(lambda arguments: _make_trainer(backbone, head_options, arguments), seed=0)
    return trainer, fit_linear_layer(trainer.model, rows, trainer.data_collator, metric)


def is_linear_on(backbone: Any, head_options: dict[str, Any]) -> bool:
    """Return whether a head with these options is one linear layer on fixed vectors."""
    return is_linear(GlotConfig(backbone_config=backbone.config.to_dict(), **head_options))


def _make_trainer(
    backbone: Any,
    head_options: dict[str, Any],
    arguments: GlotTrainingArguments,
    rows: Rows | None = None,
    evaluation_rows: Rows | None = None,
) -> Trainer:
    model = GlotForSequenceClassification.from_backbone(backbone, **head_options)
    return Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        eval_dataset=evaluation_rows,
        data_collator=HiddenStateCollator(),
        compute_metrics=metrics_for(model.config.problem_type),
    )


def silent_trainer(
    make_trainer: Callable[[GlotTrainingArguments], Trainer], seed: int, evaluate: bool = False, **training_options
) -> Trainer:
    """
    Return what `make_trainer` makes, which is called once the seed is set; it prints and writes nothing.

    Args:
        evaluate (`bool`): after every epoch.
        training_options: of [`GlotTrainingArguments`].
    """
    set_seed(seed)
    arguments = GlotTrainingArguments(
        output_dir=tempfile.gettempdir(),  # nothing is written there
        seed=seed,
        eval_strategy="epoch" if evaluate else "no",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        **training_options,
    )
    trainer = make_trainer(arguments)
    trainer.remove_callback(PrinterCallback)
    return trainer


def train_silently(make_trainer: Callable[[GlotTrainingArguments], Trainer], seed: int, **options) -> Trainer:
    """Train what [`silent_trainer`] returns, and return it; `options` are that function's."""
    trainer = silent_trainer(make_trainer, seed, **options)
    trainer.train()
    return trainer


def held_out_parts(rows: Rows, groups: Sequence[str] | None = None) -> list[tuple[Subset, Subset]]:
    """
    Return training rows in two random parts, to train on and to choose by: one division that holds out a tenth, or of
    fewer than 1,000 rows three, which hold out each row once. They are always the same.

    Args:
        groups (`list[str]`, *optional*): of each row; rows of one group are never divided.
    """
    if len(rows) < FEW_ROWS:
        split = (KFold if groups is None else GroupKFold)(NUM_FOLDS, shuffle=True, random_state=0)
    else:
        split = (ShuffleSplit if groups is None else GroupShuffleSplit)(1, test_size=HELD_OUT_SHARE, random_state=0)
    divisions = split.split(range(len(rows)), groups=groups)
    return [(Subset(rows, train.tolist()), Subset(rows, held_out.tolist())) for train, held_out in divisions]


def is_dead(metrics: dict[str, float]) -> bool:
    """Whether a head gave every text the same answer, or its training diverged."""
    return metrics.get("eval_distinct_predictions") == 1 or not math.isfinite(metrics.get("eval_loss", 0.0))
