# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The folder that `glot-hf train` writes: what it may hold before, and what it holds after."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

from ..errors import InputError
from ..hub import training_of
from ..machine import name_of_hardware
from ..training import HeadTrainer, find_checkpoint, last_checkpoint
from ..training_record import TrainingRecord
from .arguments import user_errors


def open_folder(arguments: Any, backbone: str, backbone_in_checkpoint: bool) -> str | None:
    """
    Makes `arguments.output_dir`.

    Returns:
        `str`, *optional*: the checkpoint to go on from, where that was asked for.

    Raises:
        InputError: it is in use, cannot be written, has no checkpoint, or could not be pushed in the end.
    """
    checkpoint = find_checkpoint(arguments)
    if checkpoint is None and not arguments.overwrite_output_dir:
        _require_unused(arguments.output_dir)
    if arguments.push_to_hub and os.path.isdir(backbone) and not backbone_in_checkpoint:
        raise InputError(
            f"--push_to_hub: nobody else has the backbone {backbone!r}, a local folder; train without it, "
            f"then glot-hf publish {arguments.output_dir} REPO --backbone_id OWNER/NAME"
        )
    try:
        os.makedirs(arguments.output_dir, exist_ok=True)
    except OSError as error:
        raise InputError(f"--output_dir {arguments.output_dir!r} cannot be written: {error}") from error
    if checkpoint is not None:
        print(f"goes on from {checkpoint}")
    return checkpoint


@contextmanager
def resumable(folder: str) -> Iterator[None]:
    """Training that, interrupted, says how it goes on."""
    try:
        yield
    except KeyboardInterrupt as interruption:
        checkpoint = last_checkpoint(folder)
        how = "there is no checkpoint yet, so the same command begins anew"
        if checkpoint is not None:
            how = f"the same command with --resume_from_checkpoint goes on from {checkpoint}"
        raise KeyboardInterrupt(how) from interruption


def require_same_head(config: Any, checkpoint: str, folder: str) -> None:
    """
    Raises:
        InputError: the checkpoint, whose head's configuration is in `folder`, is of another head.
    """
    with user_errors():
        stored = type(config).from_pretrained(folder)
    inherited = {field.name for field in fields(PreTrainedConfig)} | {"backbone_config"}
    names = [field.name for field in fields(config) if field.name not in inherited]
    changed = [name for name in (*names, "num_labels") if getattr(config, name) != getattr(stored, name)]
    if changed:
        raise InputError(
            f"{checkpoint!r} is of a head with another {changed[0]} ({getattr(stored, changed[0])}, not "
            f"{getattr(config, changed[0])}): resume with the options it was trained with"
        )


def save_results(trainer: HeadTrainer, results: dict[str, float], **training: Any) -> None:
    """
    Writes the tokenizer, training_record.json and all_results.json, and prints what the last holds.

    Args:
        training: fields of [`TrainingRecord`] that the Trainer does not know.
    """
    arguments, folder = trainer.args, trainer.args.output_dir
    trainer.processing_class.save_pretrained(folder)
    record = TrainingRecord(seed=arguments.seed, hardware=name_of_hardware(arguments.device), **training)
    record.save(folder)
    trainer.log_metrics("all", results)
    trainer.save_metrics("all", results, combined=False)


def push_folder(trainer: HeadTrainer) -> None:
    """
    Publishes the head, with a card of what the folder says; says the commit.

    Raises:
        InputError: the Hub refuses, or fails.
    """
    with user_errors():
        training = training_of(trainer.args.output_dir, trainer.model.config.backbone_name_or_path)
        commit = trainer.push_to_hub(training=training)
    if commit is not None:
        print(f"\n{commit.repo_url} is at commit {commit.oid}")


def size_of_head(folder: str) -> str:
    """Of the weights in the folder."""
    return f"{sum(path.stat().st_size for path in Path(folder).glob('*model*.safetensors')) / 1024:,.0f} KiB"


def _require_unused(folder: str) -> None:
    names = os.listdir(folder) if os.path.isdir(folder) else []
    saved = ("config.json", "adapter_config.json")
    found = next((name for name in sorted(names) if name in saved or name.startswith("checkpoint-")), None)
    if found is not None:
        raise InputError(
            f"{folder!r} already holds {found!r}: go on with --resume_from_checkpoint, start anew with "
            "--overwrite_output_dir, or name another --output_dir"
        )
