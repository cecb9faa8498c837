# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What a head's folder says of how the head was trained, so that it is judged and used on the same footing."""

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.utils import cached_file, has_file

from ..model.version_glot import __version__
from ..system.errors import InputError


FILE_NAME = "training_record.json"
COLUMNS = ("text_column", "text_template", "text_pair_column", "label_column", "label_columns")  # of a record


@dataclass
class TrainingRecord:
    """
    Written beside the head as training_record.json. What is not known, as of a head that was not trained by `glot-hf
    train`, is None.

    Args:
        command (`list[str]`): the command line.
        seed (`int`): of Trainer.
        max_length (`int`): tokens a text was cut at.
        text_column, text_pair_column, label_column (`str`): of the training table; None where a task fixes them.
        text_template (`str`): what makes a text of several columns, in the place of a text column.
        label_columns (`list[str]`): where each class has one of its own.
        task (`str`): as in `--task`; None for the user's own data.
        rows (`str`): [`~glot_hf.states.key.hash_json`] of the texts and labels that were trained on.
        recipe (`dict`): what the default recipe chose, a [`~glot_hf.tuning.plan.Plan`]; None where it chose nothing.
        class_weight (`dict[str, float]`): what a training row of each class counted; None where all counted the same.
        hardware (`str`): accelerator, or CPU and its cores.
        versions (`dict[str, str]`): of the libraries that decide the result.
    """

    command: list[str] = dataclasses.field(default_factory=list)
    seed: int | None = None
    max_length: int | None = None
    text_column: str | None = None
    text_template: str | None = None
    text_pair_column: str | None = None
    label_column: str | None = None
    label_columns: list[str] | None = None
    task: str | None = None
    rows: str | None = None
    recipe: dict[str, Any] | None = None
    class_weight: dict[str, float] | None = None
    hardware: str | None = None
    versions: dict[str, str] = dataclasses.field(
        default_factory=lambda: {
            "glot_hf": __version__,
            "transformers": transformers.__version__,
            "torch": str(torch.__version__),
        }
    )

    def __post_init__(self):
        # The folder is made to be shared: what opens the hub to its owner must not be in it.
        for position, part in enumerate(self.command):
            name, equals, _ = part.partition("=")
            if name.startswith("--") and name.endswith(("_token", "-token")):
                if equals:
                    self.command[position] = f"{name}=<secret>"
                elif position + 1 < len(self.command):
                    self.command[position + 1] = "<secret>"

    def _require_kinds(self) -> None:
        """
        Raises:
            ValueError: a field is of another kind than it is written in.
        """
        of_kind = {
            int: ("seed", "max_length"),
            dict: ("recipe", "class_weight", "versions"),
            list: ("command", "label_columns"),
        }
        kinds: dict[str, type] = {name: kind for kind, names in of_kind.items() for name in names}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None and not isinstance(value, kinds.get(field.name, str)):
                raise ValueError(f"{field.name} is {value!r:.60}")
        if self.max_length is not None and self.max_length < 1:
            raise ValueError(f"max_length is {self.max_length}")

    def save(self, folder: str | os.PathLike) -> None:
        Path(folder, FILE_NAME).write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def find(cls, name: str | os.PathLike) -> "TrainingRecord":
        """
        Read the record of a head's folder or repository; where there is none, nothing of the training is known.

        Raises:
            InputError: it is damaged.
        """
        if not has_file(name, FILE_NAME):
            return cls(versions={})
        path: Any = cached_file(name, FILE_NAME)
        known = {field.name for field in dataclasses.fields(cls)}
        try:
            stored = json.loads(Path(path).read_text(encoding="utf-8"))
            record = cls(**{name: value for name, value in stored.items() if name in known})
            record._require_kinds()
            return record
        except (AttributeError, TypeError, ValueError) as error:
            raise InputError(f"{path!r} is damaged ({error}): restore the file, or delete it to go without") from error
