# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The training options that `--help` shows, with their defaults here; transformers need not be imported for them."""

from dataclasses import dataclass

from ..system.options import option


@dataclass
class TrainingOptions:
    """Options of `TrainingArguments` that matter most for a head. `--help_all` lists the others."""

    output_dir: str | None = option(None, "Folder that the head is written to.")
    overwrite_output_dir: bool = option(False, "Train anew in an output_dir that already holds a head or checkpoints.")
    resume_from_checkpoint: str | None = option(
        None,
        "Go on from this checkpoint folder, or from the last one in output_dir where none is named.",
        nargs="?",
        const="last",
    )
    seed: int = option(42, "Decides the head's first weights, the order of the rows and which are held out.")
    learning_rate: float = option(2e-4, "The learning rate of the head.")
    num_train_epochs: float = option(3.0, "How often all rows are trained on.")
    max_steps: int = option(-1, "How many steps to train, whatever num_train_epochs is; -1: as many as it says.")
    per_device_train_batch_size: int = option(32, "The training batch size per device.")
    per_device_eval_batch_size: int = option(64, "The evaluation batch size per device.")
    eval_strategy: str = option("epoch", "When to evaluate: no, steps or epoch.")
    save_strategy: str = option("epoch", "When to write a checkpoint: no, steps or epoch.")
    save_total_limit: int | None = option(2, "How many checkpoints to keep.")
    load_best_model_at_end: bool = option(False, "Keep the head of the best evaluation and not of the last step.")
    metric_for_best_model: str | None = option(
        None, "The metric that heads are compared by, such as accuracy; default: as usual for the labels."
    )
    report_to: str = option("none", "Where to report logs, such as tensorboard.")
    push_to_hub: bool = option(False, "Publish the head when it is trained.")
    hub_model_id: str | None = option(None, "Where to publish it, OWNER/NAME; default: by the name of output_dir.")
