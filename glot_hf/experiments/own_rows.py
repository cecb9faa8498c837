# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The comparison on one's own rows, with a classifier of words beside the poolings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset

from ..data.labels import Labels
from .comparison import TaskPanel
from .panels import Cell
from .words import NAME, fit_words


@dataclass(frozen=True)
class OwnRows:
    """
    Rows of a user, in the place of a [`~glot_hf.data.tasks.Task`].

    Args:
        name (`str`): what they are called in tables.
        labels ([`Labels`]): what the labels are.
        metric (`str`): what heads are chosen and reported by.
        pair_mode (`str`, *optional*): how a head compares two texts; None where a row has one.
        rows (`dict[str, Dataset]`): "train" and "validation".
        max_length (`int`): tokens a text is cut at.
    """

    name: str
    labels: Labels
    metric: str
    pair_mode: str | None
    rows: dict[str, Dataset]
    max_length: int
    max_train_rows: None = None
    more_splits: tuple[str, ...] = ()

    @property
    def splits(self) -> dict[str, Dataset]:
        """The rows by split."""
        return self.rows

    def examples(self, split: str, _: str | None, max_rows: int | None) -> Dataset:
        """Return the rows of a split, of those to train on the first `max_rows`."""
        rows = self.rows[split]
        return rows if max_rows is None or split != "train" else rows.select(range(min(max_rows, len(rows))))


class OwnRowsPanel(TaskPanel):
    """The panel of one's own rows."""

    def fit_words(self) -> Cell:
        """Return the cell of TF-IDF and a linear model, which reads no hidden states."""
        examples: Any = self._examples
        found = fit_words(examples["train"], examples["validation"], self.task.labels, self.final_metric)
        return {
            "task": self.name,
            "variant": NAME,
            "metric": self.final_metric,
            "score": self.score(self.final_metric, found.metrics),
            "more_scores": {},
            "is_dead": False,
            "metrics": {"validation": found.metrics},
            "training_rows": len(examples["train"]),
            "chosen": found.chosen,
            "seed": None,
            "head_parameters": found.parameters,
            "seconds": round(found.seconds, 1),
        }


def name_of(path: str) -> str:
    """Return what rows of a file are called: the file without its suffix."""
    return Path(path).stem
