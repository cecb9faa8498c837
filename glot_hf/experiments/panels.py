# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
Panels of pooling heads: on the same frozen states every pooling is trained, searched alike, over seeds.

A pooling with parameters has one cell for each budget to choose from, and then one for each seed; one without, where
the head is a linear layer on fixed vectors, has a single cell.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, NamedTuple

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
from .variant import Variant


Cell = dict[str, Any]  # what is kept of one training, as JSON values
Metrics = dict[str, float]


@dataclass
class Shared:
    """
    What all heads of an experiment share.

    Args:
        backbone (`PreTrainedModel`): computes the states that are pooled; it stays as it is.
        tokenizer (`PreTrainedTokenizerBase`): the backbone's.
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


class CellNames(NamedTuple):
    """How a panel names its cells on the disk, and in the first kind of them the scores that choose the budget."""

    selection: str
    final: str
    scores: str


class TrainedHead(NamedTuple):
    """
    What is known of a head that was trained on all training rows.

    Args:
        chosen (`str`): its budget, or the penalty of a linear fit.
        seed (`int`, *optional*): None for a linear fit, which every seed has in common.
        metrics (`dict`): the metrics by reported split.
        parameters (`int`): how many were trained.
        training_rows (`int`): how many rows it was trained on.
        seconds (`float`): how long it took, with the states if they were not there yet.
    """

    chosen: str
    seed: int | None
    metrics: dict[str, Metrics]
    parameters: int
    training_rows: int
    seconds: float


class Panel(ABC):
    """
    The rows that every pooling is trained and judged on, such as a task's, and what is kept of each training.

    Args:
        shared ([`Shared`]): the backbone and what else all panels have in common.
    """

    names: CellNames
    selection_metric: str  # what the penalty of a linear fit is chosen by

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
    def selection_cell(
        self, variant: Variant, budget: Budget, metrics: list[Metrics], training_rows: int, seconds: float
    ) -> Cell:
        """Return what is kept of a budget that was tried, from its metrics on each part that was held out."""

    @abstractmethod
    def final_cell(self, variant: Variant, head: TrainedHead) -> Cell:
        """Return what is kept of a head that is reported."""

    @cached_property
    def rows(self) -> tuple[Rows, dict[str, Rows]]:
        """What [`load_rows`] returns, which is called when a cell first needs states."""
        return self.load_rows()

    def head_options(self, variant: Variant) -> dict[str, Any]:
        """Return all options of a variant's head, those that the labels ask for among them."""
        return {**self.shared.head_options, **variant.options}

    def is_linear(self, variant: Variant) -> bool:
        """Return whether the head of a variant is one linear layer on fixed vectors, to be fitted to convergence."""
        return is_linear_on(self.shared.backbone, self.head_options(variant))

    def parts(self, rows: Rows) -> list[tuple[Rows, Rows]]:
        """Divide the training rows into parts to train on and to choose a budget by."""
        return held_out_parts(rows)

    def train_head(self, variant: Variant, rows: Rows, seed: int, **training_options) -> Trainer:
        """Train one head; see [`~glot_hf.training.on_states.train_on_states`]."""
        options = self.shared.training_options | training_options
        return train_on_states(self.shared.backbone, self.head_options(variant), rows, seed, **options)

    def train_and_judge(self, variant: Variant, budget: Budget, seed: int) -> tuple[Trainer, dict[str, Metrics]]:
        """Train one head on all training rows; return it with its metrics by reported split."""
        train, reported = self.rows
        trainer = self.train_head(variant, train, seed, **budget.training_options)
        return trainer, _judge(trainer, reported)

    def select(self, variant: Variant, budget: Budget) -> Cell:
        """Judge a budget on training rows that are held out."""
        started, metrics = time.monotonic(), []
        for train, held_out in self.parts(self.rows[0]):
            trainer = self.train_head(variant, train, SELECTION_SEED, **budget.training_options)
            metrics.append(trainer.evaluate(held_out))
        return self.selection_cell(variant, budget, metrics, len(train), _since(started))

    def train(self, variant: Variant, budget: Budget, seed: int) -> Cell:
        """Train a head that is reported."""
        started = time.monotonic()
        trainer, metrics = self.train_and_judge(variant, budget, seed)
        return self._final(variant, str(budget), seed, trainer, metrics, started)

    def fit(self, variant: Variant) -> Cell:
        """Fit a linear head, which is reported for every seed."""
        started, (train, reported) = time.monotonic(), self.rows
        trainer, found = fit_on_states(self.shared.backbone, self.head_options(variant), train, self.selection_metric)
        return self._final(variant, str(found), None, trainer, _judge(trainer, reported), started)

    def _final(
        self,
        variant: Variant,
        chosen: str,
        seed: int | None,
        trainer: Trainer,
        metrics: dict[str, Metrics],
        started: float,
    ) -> Cell:
        parameters, _ = count_parameters(trainer.model)
        head = TrainedHead(chosen, seed, metrics, parameters, len(self.rows[0]), _since(started))
        return self.final_cell(variant, head)


def run_panels(
    store: CellStore, panels: Sequence[Panel], variants: list[Variant], budgets: list[Budget], seeds: list[int]
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
    found = []
    num_searched = len(seeds) + (len(budgets) if len(budgets) > 1 else 0)
    total = sum(1 if panel.is_linear(variant) else num_searched for panel in panels for variant in variants)
    with logging.tqdm(total=total, desc="Training heads") as progress:
        for panel in panels:
            by_variant = {}
            for variant in variants:
                cell = partial(_cell, store, progress, f"{panel.folder}/{variant.file_name}")
                by_variant[variant.name] = _final_cells(panel, variant, budgets, seeds, cell)
            found.append(by_variant)
            vars(panel).pop("rows", None)  # states may fill the memory
    return found


def _cell(store: CellStore, progress: Any, folder: str, name: str, run: Callable[[], Cell]) -> Cell:
    found = store.get(f"{folder}/{name}", run)
    progress.update()
    return found


def _final_cells(
    panel: Panel,
    variant: Variant,
    budgets: list[Budget],
    seeds: list[int],
    cell: Callable[[str, Callable[[], Cell]], Cell],
) -> list[Cell]:
    """Return the final cells, one a seed; `cell` finds a cell by its name, or runs it."""
    selection, final, scores = panel.names
    if panel.is_linear(variant):
        fitted = cell(f"{final}-linear", lambda: panel.fit(variant))
        return [fitted | {"seed": seed} for seed in seeds]  # they would all find the same

    def scores_of(budget: Budget) -> list[float | None]:
        return cell(f"{selection}-{budget.file_name}", lambda: panel.select(variant, budget))[scores]

    budget = choose_budget(budgets, scores_of)
    prefix = "-".join(filter(None, (final, budget.file_name)))
    return [cell(f"{prefix}-seed{seed}", lambda seed=seed: panel.train(variant, budget, seed)) for seed in seeds]


def _judge(trainer: Trainer, reported: dict[str, Rows]) -> dict[str, Metrics]:
    return {split: trainer.evaluate(rows) for split, rows in reported.items()}


def _since(started: float) -> float:
    return round(time.monotonic() - started, 1)
