# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The folder that `glot-hf train` writes: what it may hold before, and what it holds after."""

import itertools
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from transformers import PreTrainedConfig

from ..loading.saved_head import WEIGHTS
from ..model.pretrained_glot import GlotPreTrainedModel
from ..model.sentence_files_glot import SENTENCE_FILES
from ..system.atomic_files import replacing_files
from ..system.disk import format_bytes
from ..system.errors import InputError, user_errors
from ..system.lock import locked
from .publish import training_of
from .record import COLUMNS, FILE_NAME, TrainingRecord
from .trainer import HeadTrainer, checkpoints_in, find_checkpoint, last_checkpoint


# What lies beside a head and is never published: it holds texts or paths of the user.
PRIVATE_FILES = (
    "report.json",
    "report.md",
    "report.html",
    "confusion.png",
    "calibration.png",
    "predicted.png",
    "ranks.png",
    "curve.png",
    "run.yaml",
)
# Folders beside an earlier run's head, with its checkpoints, until there is a new head.
_PREVIOUS = "previous_checkpoints"


def open_folder(arguments: Any, backbone: str, backbone_in_checkpoint: bool) -> str | None:
    """
    Make `arguments.output_dir`.

    Returns:
        `str`, *optional*: the checkpoint to go on from, where that was asked for.

    Raises:
        InputError: it is in use, cannot be written, has no checkpoint, or could not be pushed in the end.
    """
    checkpoint = find_checkpoint(arguments)
    if not _is_in(checkpoint, arguments.output_dir) and not arguments.overwrite_output_dir:
        _require_unused(arguments.output_dir, checkpoint)
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


def alone_in(arguments: Any) -> AbstractContextManager[None]:
    """
    Return a context in which no other run writes to `arguments.output_dir`; the first of several processes locks it.

    Raises:
        InputError: when it is entered: another run writes there.
    """
    return locked(arguments.output_dir) if arguments.process_index == 0 else nullcontext()


@contextmanager
def resumable(arguments: Any, checkpoint: str | None) -> Iterator[None]:
    """
    Training that, interrupted, says how it goes on. What an earlier run left in `arguments.output_dir` stays: its
    checkpoints, which a later --resume_from_checkpoint would take for this run's, are moved aside, and moved back if
    this run ends before it has one of its own.

    Args:
        checkpoint (`str`, *optional*): what the training goes on from, as from [`open_folder`].

    Raises:
        InputError: a file cannot be written.
    """
    folder, aside = arguments.output_dir, None
    if arguments.process_index == 0 and not _is_in(checkpoint, folder) and checkpoints_in(folder):
        names = (Path(folder, f"{_PREVIOUS}-{number}") for number in itertools.count(1))
        aside = next(path for path in names if not path.exists())
        _move_checkpoints(folder, aside)
    try:
        yield
    except BaseException as error:
        last = last_checkpoint(folder)
        if last is None and arguments.process_index == 0:
            for part in checkpoints_in(folder):  # one that was not written to its end: it would be in the way
                shutil.rmtree(part, ignore_errors=True)
            if aside is not None:
                _move_checkpoints(aside, folder)
                aside.rmdir()
        how = "there is no checkpoint yet, so the same command begins anew"
        if last is not None:
            how = f"the same command with --resume_from_checkpoint goes on from {last}"
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(how) from error
        if _is_of_the_disk(error):
            free = format_bytes(shutil.disk_usage(folder).free)
            raise InputError(
                f"the training stopped, as a file cannot be used ({error}; {folder!r} has {free} free): {how}"
            ) from error
        raise


def require_same_run(model: GlotPreTrainedModel, checkpoint: str, folder: str, record: TrainingRecord) -> None:
    """
    Args:
        checkpoint (`str`): what the training is to go on from.
        folder (`str`): the one with the configuration of the checkpoint's head.
        record ([`TrainingRecord`]): of this run.

    Raises:
        InputError: the checkpoint is of another head, of other labels, or of other texts.
    """
    with user_errors():
        stored = type(model.config).from_pretrained(folder)
    kind = type(model).__name__
    if stored.architectures and kind not in stored.architectures:
        raise InputError(f"{checkpoint!r} is of a {stored.architectures[0]}, and not of a {kind}: check the --task")
    inherited = {field.name for field in fields(PreTrainedConfig)} | {"backbone_config"}
    names = [field.name for field in fields(stored) if field.name not in inherited]
    pairs = [(name, getattr(stored, name), getattr(model.config, name)) for name in (*names, "num_labels")]
    pairs += [("problem_type", stored.problem_type, model.config.problem_type)]
    known = TrainingRecord()
    if os.path.isfile(os.path.join(checkpoint, FILE_NAME)):
        known = TrainingRecord.find(checkpoint)
        names = ("task", *COLUMNS, "max_length", "seed")
        pairs += [(name, getattr(known, name), getattr(record, name)) for name in names]
    for name, before, now in pairs:
        if before != now:
            raise InputError(
                f"{checkpoint!r} is of a head with another {name} ({before}, not {now}): resume with the options and "
                "the data it was trained with"
            )
    for index in range(stored.num_labels):
        before, now = stored.id2label[index], model.config.id2label[index]
        if before != now:
            raise InputError(
                f"{checkpoint!r} is of a head whose label {index} is {before!r}, not {now!r}: resume with the data it "
                "was trained with, or start anew"
            )
    if known.rows not in (None, record.rows):
        raise InputError(
            f"{checkpoint!r} is of a run on other texts or labels: resume with the rows it was trained with, or start "
            "anew"
        )


@contextmanager
def replaced_head(folder: str) -> Iterator[str]:
    """
    Give a folder to write all of a new head to, which replaces the one in `folder` when it is there; then the
    checkpoints of an earlier run are deleted.

    Raises:
        InputError: it cannot be written; the old head stays.
    """
    try:
        with replacing_files(Path(folder), stale=(*WEIGHTS, *SENTENCE_FILES, *PRIVATE_FILES)) as part:
            yield str(part)
    except Exception as error:
        if not _is_of_the_disk(error):
            raise
        last = last_checkpoint(folder)
        how = "make room and run the same command again"
        if last is not None:
            how = f"make room and run the same command with --resume_from_checkpoint, which goes on from {last}"
        raise InputError(f"the head cannot be written to {folder!r} ({error}), which is as it was: {how}") from error
    for path in Path(folder).glob(f"{_PREVIOUS}-*"):
        shutil.rmtree(path)


def save_results(trainer: HeadTrainer, results: dict[str, float], folder: str) -> None:
    """Write the tokenizer, training_record.json and all_results.json, and print what the last holds."""
    trainer.processing_class.save_pretrained(folder)
    if trainer.record is not None:
        trainer.record.save(folder)
    trainer.log_metrics("all", results)
    Path(folder, "all_results.json").write_text(json.dumps(results, indent=4, sort_keys=True), encoding="utf-8")


def push_folder(trainer: HeadTrainer) -> None:
    """
    Publish the head, with a card of what the folder says; say the commit.

    Raises:
        InputError: the Hub refuses, or fails.
    """
    with user_errors():
        training = training_of(trainer.args.output_dir or "", trainer.model.config.backbone_name_or_path)
        commit = trainer.push_to_hub(training=training)
    if commit is not None:
        print(f"\n{commit.repo_url} is at commit {commit.oid}")


def size_of_head(folder: str) -> str:
    """Return the size of the weights in a folder, such as "527 KiB"."""
    return f"{sum(path.stat().st_size for path in Path(folder).glob('*model*.safetensors')) / 1024:,.0f} KiB"


def _require_unused(folder: str, checkpoint: str | None) -> None:
    names = os.listdir(folder) if os.path.isdir(folder) else []
    saved, started = ("config.json", "adapter_config.json"), ("checkpoint-", _PREVIOUS)
    found = next((name for name in sorted(names) if name in saved or name.startswith(started)), None)
    if found is None:
        return
    if checkpoint is not None:
        raise InputError(
            f"{folder!r} already holds {found!r}, and {checkpoint!r} is of another folder: name that folder or a new "
            "one as --output_dir, or write over this one with --overwrite_output_dir"
        )
    raise InputError(
        f"{folder!r} already holds {found!r}: go on with --resume_from_checkpoint, start anew with "
        "--overwrite_output_dir, or name another --output_dir"
    )


def _is_of_the_disk(error: BaseException) -> bool:
    """Return whether a file could not be written, which tokenizers and torch tell by their message alone."""
    told = any(part in str(error) for part in ("(os error ", "inline_container"))
    return isinstance(error, (OSError, SafetensorError)) or told


def _is_in(checkpoint: str | None, folder: str) -> bool:
    return checkpoint is not None and os.path.realpath(folder) == os.path.dirname(os.path.realpath(checkpoint))


def _move_checkpoints(source: str | Path, target: str | Path) -> None:
    Path(target).mkdir(exist_ok=True)
    for path in checkpoints_in(source):
        path.rename(Path(target, path.name))
