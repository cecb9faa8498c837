# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Heads trained on hidden states that were computed once: what the stress test and `reproduce` share."""

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Dataset, Subset
from transformers import PrinterCallback, Trainer, set_seed

from .data.hidden_states import HiddenStateCollator
from .metrics import metrics_for
from .modeling_glot import GlotForSequenceClassification
from .training import GlotTrainingArguments


HELD_OUT_SHARE = 0.1
SELECTION_SEED = 0  # of the heads that a learning rate is chosen by

# Of `{"hidden_states": (L, d), ["hidden_states_b": (L', d)], "labels"}`: a list, or a cache on the disk.
Rows = Sequence[dict[str, Any]] | Dataset


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
    Trains one head, silently and without writing anything.

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
        model = GlotForSequenceClassification.from_backbone(backbone, **head_options)
        return Trainer(
            model=model,
            args=arguments,
            train_dataset=rows,
            eval_dataset=evaluation_rows,
            data_collator=HiddenStateCollator(),
            compute_metrics=metrics_for(model.config.problem_type),
        )

    return train_silently(make_trainer, seed, evaluate=evaluation_rows is not None, **training_options)


def train_silently(
    make_trainer: Callable[[GlotTrainingArguments], Trainer], seed: int, evaluate: bool = False, **training_options
) -> Trainer:
    """
    Trains what `make_trainer` makes, which is called once the seed is set, and writes nothing.

    Args:
        evaluate (`bool`): after every epoch.
        training_options: of [`GlotTrainingArguments`].
    """
    set_seed(seed)
    with tempfile.TemporaryDirectory() as scratch:
        arguments = GlotTrainingArguments(
            output_dir=scratch,
            seed=seed,
            eval_strategy="epoch" if evaluate else "no",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            **training_options,
        )
        trainer = make_trainer(arguments)
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return trainer


def hold_out(rows: Rows) -> tuple[Subset, Subset]:
    """Training rows in two random parts, always the same: to train on, and to choose by."""
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0)).tolist()
    held_out = max(1, round(len(rows) * HELD_OUT_SHARE))
    return Subset(rows, order[held_out:]), Subset(rows, order[:held_out])


def choose_rate(rates: list[float], score: Callable[[float], float | None]) -> float:
    """
    The learning rate with the best score, the first of equals.

    Args:
        score: of a rate, on rows that are held out; None where the training diverged. Not asked if there is one rate.
    """
    if len(rates) == 1:
        return rates[0]
    scores = [score(rate) for rate in rates]
    return max(zip(rates, scores), key=lambda pair: -math.inf if pair[1] is None else pair[1])[0]


def is_dead(metrics: dict[str, float]) -> bool:
    """Whether a head gave every text the same answer, or its training diverged."""
    return metrics.get("eval_distinct_predictions") == 1 or not math.isfinite(metrics.get("eval_loss", 0.0))
