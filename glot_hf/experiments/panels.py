# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
Panels of heads: on the rows of each panel every pooling is trained, searched alike, over seeds.

A pooling has a cell for each budget to choose from, then one for each seed. A head that is one linear layer on fixed
vectors is fitted to convergence, the same for every seed: it has a single cell.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer
from transformers.utils import logging

from ..training.on_states import (
    SELECTION_SEED,
    Budget,
    Rows,
    choose_budget,
    fit_on_states,
    held_out_parts,
    is_linear_on,
    train_on_states,
)
from ..training.trainer import count_parameters
from .cells import CellStore


Cell = dict[str, Any]  # what is kept of one training, as JSON values
Metrics = dict[str, float]
# Options of `GlotConfig` by the name that was asked for, such as "glot" or "glot:graph_type=self".
Variants = dict[str, dict[str, Any]]


@dataclass
class Shared:
    """
    What all heads of an experiment share.

    Args:
        backbone (`PreTrainedModel`), tokenizer (`PreTrainedTokenizerBase`): compute the states that are pooled.
        head_options (`dict`): options of [`GlotConfig`], for every variant that does not set its own.
        training_options (`dict`): options of [`GlotTrainingArguments`] beside the budget.
        cache_options (`dict`): options of [`~glot_hf.data.HiddenStateCache.build`], where states are on the disk.
    """

    backbone: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    head_options: dict[str, Any]
    training_options: dict[str, Any]
    cache_options: dict[str, Any] = field(default_factory=dict)

    @property
    def layers(self) -> int | list[int]:
        """The layers of the backbone whose states are pooled."""
        return self.head_options.get("backbone_layers", -1)

    @property
    def token_features(self) -> list[str] | None:
        """What stands behind the states of each token."""
        return self.head_options.get("token_features")


class Panel(ABC):
    """The rows that every pooling is trained and judged on, such as a task's, and what is kept of each training."""

    selection_name, final_name = "selection", "final"  # how the names of cells begin
    scores_name = "scores"  # what a selection cell calls the scores that its budget is chosen by
    selection_metric: str  # what budgets and the penalty of a linear fit are chosen by
    can_be_fitted = True  # whether linear heads are fitted, and not trained like others

    def __init__(self, shared: Shared):
        self.shared = shared

    @property
    @abstractmethod
    def folder(self) -> str:
        """The folder of its cells: a name, and a hash of the rows, which tells them from rows that replaced them."""

    @abstractmethod
    def load_rows(self) -> tuple[Rows, dict[str, Rows]]:
        """Return hidden states and labels: all training rows, and the reported rows by split."""

    @abstractmethod
    def selection_cell(self, variant: str, budget: Budget, metrics: list[Metrics], found: Cell) -> Cell:
        """Return what is kept of a budget: from its metrics on each part that was held out, and what else is known."""

    @abstractmethod
    def final_cell(self, variant: str, metrics: dict[str, Metrics], found: Cell) -> Cell:
        """Return what is kept of a head that is reported: from its metrics by split, and what else is known."""

    @cached_property
    def rows(self) -> tuple[Rows, dict[str, Rows]]:
        """What [`load_rows`] returns, which is called when a cell first needs states."""
        return self.load_rows()

    def head_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return all options of a variant's head, those that the labels ask for among them."""
        return self.shared.head_options | options

    def parts(self, rows: Rows) -> list[tuple[Rows, Rows]]:
        """Divide the training rows into parts to train on and to choose a budget by."""
        return held_out_parts(rows)

    def train(self, head_options: dict[str, Any], rows: Rows, seed: int, **budget) -> Trainer:
        """Train one head; see [`~glot_hf.training.on_states.train_on_states`]."""
        return train_on_states(
            self.shared.backbone, head_options, rows, seed, **self.shared.training_options, **budget
        )

    def judge(self, trainer: Trainer) -> dict[str, Metrics]:
        """Return the metrics of a trained head by reported split."""
        return {split: trainer.evaluate(rows) for split, rows in self.rows[1].items()}


def run_panels(
    store: CellStore, panels: Sequence[Panel], variants: Variants, budgets: list[Budget], seeds: list[int]
) -> list[dict[str, list[Cell]]]:
    """
    Train on every panel every variant, except for what `store` holds already; show a progress bar.

    Args:
        store ([`CellStore`]): holds what is finished, and takes the rest.
        budgets (`list[Budget]`): one, or several to choose from, for each variant on each panel anew.
        seeds (`list[int]`): one head each.

    Returns:
        `list[dict]`: for each panel the final cells of each variant by its name, one a seed.
    """
    num_searched = len(seeds) + (len(budgets) if len(budgets) > 1 else 0)
    linear = [_is_linear(panel, panel.head_options(options)) for panel in panels for options in variants.values()]
    found = []
    with logging.tqdm(total=sum(1 if one else num_searched for one in linear), desc="Training heads") as progress:

        def cell(name: str, run: Callable[[], Cell]) -> Cell:
            finished = store.get(name, run)
            progress.update()
            return finished

        for panel in panels:
            found.append({name: _final_cells(panel, name, variants[name], budgets, seeds, cell) for name in variants})
            vars(panel).pop("rows", None)  # states may fill the memory
    return found


def _final_cells(
    panel: Panel,
    variant: str,
    options: dict[str, Any],
    budgets: list[Budget],
    seeds: list[int],
    cell: Callable[[str, Callable[[], Cell]], Cell],
) -> list[Cell]:
    """Return the final cells of a variant, one a seed; `cell` finds a cell by its name, or runs it."""
    folder = f"{panel.folder}/{variant.replace(':', '+')}"  # file names cannot hold a colon everywhere
    options = panel.head_options(options)

    def select(budget: Budget) -> Cell:
        started, metrics = time.monotonic(), []
        for train, held_out in panel.parts(panel.rows[0]):
            trainer = panel.train(options, train, SELECTION_SEED, **budget.training_options)
            metrics.append(trainer.evaluate(held_out))
        return panel.selection_cell(
            variant, budget, metrics, {"training_rows": len(train), "seconds": _since(started)}
        )

    def train(budget: Budget, seed: int) -> Cell:
        started = time.monotonic()
        trainer = panel.train(options, panel.rows[0], seed, **budget.training_options)
        return finish(trainer, str(budget), seed, started)

    def fit() -> Cell:
        started = time.monotonic()
        trainer, fitted = fit_on_states(panel.shared.backbone, options, panel.rows[0], panel.selection_metric)
        return finish(trainer, str(fitted), None, started)

    def finish(trainer: Trainer, chosen: str, seed: int | None, started: float) -> Cell:
        model: Any = trainer.model
        metrics, parameters = panel.judge(trainer), count_parameters(model).head
        found = {"chosen": chosen, "seed": seed, "head_parameters": parameters, "seconds": _since(started)}
        return panel.final_cell(variant, metrics, found)

    def scores(budget: Budget) -> list[float | None]:
        return cell(f"{folder}/{panel.selection_name}-{budget.file_name}", lambda: select(budget))[panel.scores_name]

    if _is_linear(panel, options):
        fitted = cell(f"{folder}/{panel.final_name}-linear", fit)
        return [fitted | {"seed": seed} for seed in seeds]  # they would all find the same
    budget = choose_budget(budgets, scores)
    prefix = "-".join(filter(None, (panel.final_name, budget.file_name)))
    return [cell(f"{folder}/{prefix}-seed{seed}", lambda seed=seed: train(budget, seed)) for seed in seeds]


def _is_linear(panel: Panel, head_options: dict[str, Any]) -> bool:
    return panel.can_be_fitted and is_linear_on(panel.shared.backbone, head_options)


def _since(started: float) -> float:
    return round(time.monotonic() - started, 1)
