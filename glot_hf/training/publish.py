# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Publishing what `glot-hf train` wrote."""

import json
import os
import re
from pathlib import Path
from typing import Any

from huggingface_hub import CommitInfo
from transformers import AutoTokenizer

from ..loading.saved_head import saved_class
from ..model.configuration_glot import GlotConfig
from ..model.pretrained_glot import GlotPreTrainedModel
from ..publishing.card import Training, card_of
from ..publishing.findings import without_texts
from ..system.errors import InputError
from .record import FILE_NAME, TrainingRecord


# Options that take a path whatever it looks like, and never the name of a repository.
_PATH_OPTIONS = {"output_dir", "data_dir", "cache_dir", "logging_dir", "resume_from_checkpoint"}

# Of files that need not be there any more, from where a head is published: data, and configurations of Trainer's.
_SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".yaml")

# In the middle of a value, such as of JSON, whose strings may hold blanks; not what follows the host of an address.
_ABSOLUTE_PATH = re.compile(r"""(?<=")[~/][^"]*|(?<![\w.~:/"])[~/][^\s"',;]+""")


def publish(
    folder: str | os.PathLike, repo_id: str, license: str | None = None, trust_remote_code: bool = False, **options
) -> CommitInfo:
    """
    Publish the head in a folder, with a card that says how it was trained, where `glot-hf train` did.

    Args:
        folder (`str` or path): of a [`GlotModel`] or [`GlotForSequenceClassification`] and its tokenizer.
        repo_id (`str`): "owner/name"; made if there is none.
        license (`str`, *optional*): the Hub's name of one; default: the backbone's.
        trust_remote_code (`bool`): run the code that the tokenizer in the folder brings.
        options: of [`~GlotPreTrainedModel.push_to_hub`].

    Raises:
        InputError: the folder holds no head, or LoRA adapters, or a damaged record of its training.
        OSError, ValueError, HfHubHTTPError: see `push_to_hub`.
    """
    folder = os.fspath(folder)
    if os.path.isfile(os.path.join(folder, "adapter_config.json")):
        raise InputError(
            f"{folder!r} holds LoRA adapters: train with --lora_merge, which saves a whole model, to publish"
        )
    if not os.path.isfile(os.path.join(folder, "config.json")):
        raise InputError(f"{folder!r} holds no head: name a folder that `glot-hf train` or save_pretrained wrote")
    config = GlotConfig.from_pretrained(folder)
    options_of_loading: dict[str, Any] = {} if config.backbone_in_checkpoint else {"load_backbone": False}
    model = saved_class(config, folder).from_pretrained(folder, **options_of_loading)
    has_tokenizer = os.path.isfile(os.path.join(folder, "tokenizer_config.json"))
    tokenizer = None
    if has_tokenizer:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
    training = training_of(folder, options.get("backbone_id") or config.backbone_name_or_path)
    return model.push_to_hub(repo_id, tokenizer=tokenizer, license=license, training=training, **options)


def training_of(folder: str | os.PathLike, backbone: str | None) -> Training:
    """
    What a folder's training_record.json, all_results.json and report.json say; nothing, where they are not there.

    Raises:
        InputError: one of them is damaged.
    """
    if not os.path.isfile(os.path.join(folder, FILE_NAME)):
        return Training()
    record = TrainingRecord.find(folder)
    from ..data.tasks import TASKS  # needs the extra `train`, as the folder did

    command = shareable_command(record.command, backbone)
    dataset = _data_of(record.command)
    if record.task in TASKS:
        name, *config = TASKS[record.task].hub or ("nyu-mll/glue", record.task)
        dataset = {"dataset": record.task, "dataset_id": name, "dataset_config": next(iter(config), None)}
    return Training(
        command=command,
        seed=record.seed,
        max_length=record.max_length,
        hardware=record.hardware,
        versions=record.versions,
        results=_read_json(Path(folder, "all_results.json")),
        report=without_texts(_read_json(Path(folder, "report.json"))),
        class_weight=record.class_weight,
        **dataset,
    )


def write_card(model: GlotPreTrainedModel, folder: str | os.PathLike, home: str) -> None:
    """
    Write the model card of a head that was just trained: for its owner, as nothing is published.

    Args:
        folder (`str` or path): holds what `glot-hf train` wrote.
        home (`str`): the folder that the files will be moved to.
    """
    training = training_of(folder, model.config.backbone_name_or_path)
    name = os.path.basename(os.path.abspath(home))
    card_of(model, model.config, name, training, api=None, license=None).save(Path(folder, "README.md"))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise InputError(f"{str(path)!r} is damaged ({error}): restore it, or delete it to go without") from error


def _data_of(command: list[str]) -> dict[str, str | None]:
    """Return the name of what a head was judged on, and the Hub's dataset that it was trained on, if any."""
    train, validation = (_value_of(command, option) for option in ("train_file", "validation_file"))
    source = validation or train
    if source is None:
        return {}
    is_on_the_hub = validation is None and not _is_path("train_file", source)
    return {"dataset": _without_folders("train_file", source, None), "dataset_id": train if is_on_the_hub else None}


def shareable_command(command: list[str], backbone: str | None) -> list[str]:
    """Return a command line without paths of this machine, and with the backbone's published name."""
    shared, option = [], None
    for part in command:
        name, equals, value = part.partition("=")
        if part.startswith("--"):
            option = name.removeprefix("--").replace("-", "_")
            shared.append(f"{name}={_without_folders(option, value, backbone)}" if equals else part)
        else:
            shared.append(_without_folders(option, part, backbone))
    return shared


def _without_folders(option: str | None, value: str, backbone: str | None) -> str:
    if option == "backbone":
        if backbone is None:
            return os.path.basename(os.path.normpath(value))
        value = backbone
    if value and _is_path(option, value):
        return os.path.basename(os.path.normpath(value))
    return _ABSOLUTE_PATH.sub(lambda found: os.path.basename(os.path.normpath(found[0])), value)


def _is_path(option: str | None, value: str) -> bool:
    if option in _PATH_OPTIONS or value.startswith(("~", ".", "file:")) or value.lower().endswith(_SUFFIXES):
        return True
    return os.path.isabs(value) or os.path.exists(value)


def _value_of(command: list[str], option: str) -> str | None:
    for position, part in enumerate(command):
        name, equals, value = part.partition("=")
        if name.removeprefix("--").replace("-", "_") == option:
            return value if equals else command[position + 1]
    return None
