# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Options of Trainer's that would do nothing, or fail when the work is done: refused before it begins."""

import sys
from typing import Any

from ..system.errors import InputError


# What they are about is the training of the backbone's own layers.
_OF_A_TRAINED_BACKBONE = ("activation_checkpointing", "gradient_checkpointing", "neftune_noise_alpha")
_OF_NO_HEAD = {
    "use_liger_kernel": "its kernels are for whole language models, and there is none for a head",
    "batch_eval_metrics": "the metrics need all answers at once",
    "prediction_loss_only": "the metrics need the answers",
}
# What a head needs that is trained step by step.
OF_STEPS = {
    "gradient_accumulation_steps",
    "label_smoothing_factor",
    "learning_rate",
    "load_best_model_at_end",
    "lr_scheduler_kwargs",
    "lr_scheduler_type",
    "max_grad_norm",
    "max_steps",
    "num_train_epochs",
    "optim",
    "per_device_train_batch_size",
    "warmup_ratio",
    "warmup_steps",
    "weight_decay",
}


def warn_of_steps(typed: set[str]) -> None:
    """Say which of the options that were typed do nothing for a head that is fitted to convergence."""
    if unused := sorted(typed & OF_STEPS):
        print(
            "there are no steps to take, as the fit goes to convergence, so this does nothing: "
            f"{', '.join(f'--{name}' for name in unused)}",
            file=sys.stderr,
        )


def require_effective(arguments: Any, trains_backbone: bool, problem_type: str | None) -> None:
    """
    Args:
        arguments ([`GlotTrainingArguments`]): of the training.
        problem_type (`str`, *optional*): of the labels; None where vectors are trained by contrast.

    Raises:
        InputError: an option would have no effect on this training, or break its evaluation.
    """
    from transformers.trainer_utils import HubStrategy

    for name in _OF_A_TRAINED_BACKBONE:
        if getattr(arguments, name, False) and not trains_backbone:  # older versions of transformers have not all
            raise InputError(
                f"--{name} changes how a backbone is trained, and this one is frozen: leave it out, or train the "
                "backbone too, with --lora_r or --full_finetuning"
            )
    for name, reason in _OF_NO_HEAD.items():
        if getattr(arguments, name):
            raise InputError(f"--{name} is not supported: {reason}; leave it out")
    if arguments.hub_strategy in (HubStrategy.CHECKPOINT, HubStrategy.ALL_CHECKPOINTS):
        raise InputError("--hub_strategy: a head is published when it is trained, and no checkpoint is: leave it out")
    if not arguments.eval_do_concat_batches:
        raise InputError("--eval_do_concat_batches false is not supported: the metrics need all answers at once")
    if arguments.label_smoothing_factor and problem_type != "single_label_classification":
        what = "vectors have no classes" if problem_type is None else f"these labels are {problem_type}"
        raise InputError(f"--label_smoothing_factor is for one class a row, but {what}: leave it out")


def require_metric(arguments: Any, names: list[str]) -> None:
    """
    Args:
        arguments ([`GlotTrainingArguments`]): of the training.
        names (`list[str]`): of the metrics that its evaluations give.

    Raises:
        InputError: the best head is to be chosen by another metric, or by none.
    """
    from transformers.trainer_utils import SaveStrategy

    name = arguments.metric_for_best_model
    if name is None:
        if arguments.save_strategy == SaveStrategy.BEST:
            raise InputError(f"--save_strategy best needs a --metric_for_best_model: valid are {', '.join(names)}")
    elif name.removeprefix("eval_") not in names:
        raise InputError(
            f"--metric_for_best_model {name} is not a metric of these labels: valid are {', '.join(names)}"
        )
