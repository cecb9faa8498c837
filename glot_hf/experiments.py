# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Heads trained on hidden states that were computed once: what the demo, the stress test and `reproduce` share."""

import tempfile
from dataclasses import dataclass
from typing import Any

from transformers import PrinterCallback, Trainer, set_seed

from .data.hidden_states import HiddenStateCollator
from .metrics import metrics_for
from .modeling_glot import GlotForSequenceClassification
from .training import GlotTrainingArguments


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
    rows: list[dict[str, Any]],
    seed: int,
    evaluation_rows: list[dict[str, Any]] | None = None,
    **training_options,
) -> Trainer:
    """
    Trains one head, silently and without writing anything.

    Args:
        backbone (`PreTrainedModel`): the frozen backbone that the states are of; it is not run.
        head_options (`dict`): of [`GlotConfig`], the problem type and the classes among them.
        rows (`list[dict]`): as [`~glot_hf.data.hidden_states.state_rows`] makes them.
        seed (`int`): of the head's first weights and of the order of the rows.
        evaluation_rows (`list[dict]`, *optional*): judged after every epoch, for `trainer.state.log_history`.
        training_options: of [`GlotTrainingArguments`].

    Returns:
        `Trainer`: with the trained `model`; `trainer.evaluate(rows)` judges it.
    """
    set_seed(seed)
    model = GlotForSequenceClassification.from_backbone(backbone, **head_options)
    with tempfile.TemporaryDirectory() as scratch:
        arguments = GlotTrainingArguments(
            output_dir=scratch,
            seed=seed,
            eval_strategy="no" if evaluation_rows is None else "epoch",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            **training_options,
        )
        trainer = Trainer(
            model=model,
            args=arguments,
            train_dataset=rows,
            eval_dataset=evaluation_rows,
            data_collator=HiddenStateCollator(),
            compute_metrics=metrics_for(model.config.problem_type),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return trainer
