# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""A configuration file in place of typed options: `--config run.yaml`, and the run.yaml that trains a head again."""

import itertools
import json
import os
import re
from pathlib import Path
from typing import Any

import yaml

from ..model.version_glot import __version__
from ..system.errors import InputError
from .arguments import typed_options


FILE_NAME = "run.yaml"
# Where a head is written, and what opens the Hub: not of how it was trained.
_NOT_OF_THE_RUN = {
    "output_dir",
    "overwrite_output_dir",
    "resume_from_checkpoint",
    "push_to_hub",
    "run_name",
    "project",
    "trust_remote_code",
}


_NAMES_OF_PATHS = ("_file", "_dir", "backbone", "fsdp_config", "deepspeed", "accelerator_config")  # how they end


class _Loader(yaml.SafeLoader):
    """
    Reads YAML as people mean it: of words, true and false alone are no strings (a class may be called "no"), dates are
    strings, and a key that stands in a file twice is refused. So are aliases: a few lines of them make a value that
    takes all memory once it is written out.
    """

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] not in ("bool", "timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise InputError(f"*{self.peek_event().anchor} names another value: write it out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if doubled := [key for key in keys if keys.count(key) > 1]:
            raise InputError(f"the key {doubled[0]!r} is given twice")
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$", re.IGNORECASE), list("tTfF"))


def with_config(argv: list[str]) -> list[str]:
    """
    Return a command line in which the options of its `--config` file stand as if they had been typed. What is typed
    goes before what the file says.

    Raises:
        InputError: the file cannot be read, or holds no options by their names.
    """
    rest, names = [], []
    parts = iter(argv)
    for part in parts:
        if part == "--config":
            names.append(next(parts, None))
        elif part.startswith("--config="):
            names.append(part.removeprefix("--config="))
        else:
            rest.append(part)
    if not names:
        return argv
    if len(names) > 1 or names[0] is None or names[0].startswith("--"):
        raise InputError("--config takes one file, such as run.yaml: name it, once")
    typed = typed_options(rest)
    added = [_typed(name, value) for name, value in _read(names[0]).items() if name not in typed]
    return [*rest, *itertools.chain(*added)]


def write_config(folder: Path, command: list[str], **known: Any) -> None:
    """
    Write the options of a command line to run.yaml, so that `glot-hf train --config run.yaml` trains the same head.

    Args:
        command (`list[str]`): "glot-hf", the command, and what was typed. Secrets, and where the head was written, are
            left out; files are named by absolute paths.
        known: options that decide the head and may not have been typed, such as the seed.
    """
    options: dict[str, Any] = {}
    name = None
    for part in command[2:]:
        if part.startswith("--"):
            flag, equals, value = part.partition("=")
            name = flag.removeprefix("--").replace("-", "_")
            options[name] = [value] if equals else []
        elif name is not None:
            options[name].append(part)
    kept = {}
    for name, values in (options | {name: [value] for name, value in known.items() if value is not None}).items():
        if name in _NOT_OF_THE_RUN or name.startswith("hub_") or name.endswith("_token"):
            continue
        values = [_portable(name, value) for value in values]
        kept[name] = True if not values else values[0] if len(values) == 1 else values
    text = yaml.safe_dump(kept, sort_keys=True, allow_unicode=True)
    note = (
        f"# glot-hf {command[1]} --config {FILE_NAME} --output_dir NEW trains this head again. What is not named\n"
        f"# here is the default of glot_hf {__version__}.\n"
    )
    (folder / FILE_NAME).write_text(note + text, encoding="utf-8")


def _portable(name: str, value: Any) -> Any:
    """Return what was typed as YAML has it: a number, a path from the root, or the text."""
    if not isinstance(value, str):
        return value
    if name.endswith(_NAMES_OF_PATHS) and os.path.exists(value):  # a column may be called as a file is
        return os.path.abspath(value)
    try:
        number = yaml.load(value, _Loader) if value else value  # nosec B506 # a SafeLoader
    except (InputError, yaml.YAMLError):  # a text may be anything, such as "{title}: {body}"
        return value
    return number if isinstance(number, bool | int | float) and _text(number) == value else value


def _read(name: str) -> dict[str, Any]:
    try:
        text = Path(name).read_text(encoding="utf-8")
        found = yaml.load(text, _Loader)  # nosec B506 # a SafeLoader
    except OSError as error:
        raise InputError(f"--config {name!r} cannot be read: {error}") from error
    except (InputError, RecursionError, ValueError, yaml.YAMLError) as error:  # nested deep, or a number of any length
        raise InputError(f"--config {name!r} is not YAML: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise InputError(f"--config {name!r} holds no options by their names: write lines such as seed: 1")
    if "config" in found:
        raise InputError(f"--config {name!r} names another config: write its options into one file")
    return {key.replace("-", "_"): value for key, value in found.items()}


def _typed(name: str, value: Any) -> list[str]:
    """Return an option as it would be typed; none for a value of null, which is the default."""
    if value is None:
        return []
    if isinstance(value, list):
        return [f"--{name}", *map(_text, value)]
    return [f"--{name}={_text(value)}"]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, dict) else str(value)
