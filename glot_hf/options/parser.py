# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The parser of every command: help in groups with examples, complaints of one line, no option it does not know."""

import copy
import dataclasses
from argparse import SUPPRESS, Action, ArgumentDefaultsHelpFormatter, ArgumentParser
from collections.abc import Iterable
from typing import Any

from transformers import HfArgumentParser

from ..model.options_glot import ALIASES, HeadOptions
from ..system.errors import InputError, user_errors
from .arguments import typed_options
from .suggestions import suggest_option


_OF_THE_HEAD = {field.name for field in dataclasses.fields(HeadOptions)} - {"backbone_revision"}


def asks_for_help(argv: Iterable[str]) -> bool:
    """Return whether a command line asks for help alone, for which nothing heavy is imported."""
    return bool({"-h", "--help"} & set(argv))


class _HelpFormatter(ArgumentDefaultsHelpFormatter):
    """Leaves out a default of None, as the help says what is done then, and keeps the lines of the examples."""

    def _get_help_string(self, action: Action) -> str | None:
        return action.help if action.default in (None, SUPPRESS) else super()._get_help_string(action)

    def _format_action_invocation(self, action: Action) -> str:
        shown = copy.copy(action)  # --train-file is --train_file, and is understood without being shown
        shown.option_strings = [option for option in action.option_strings if "-" not in option[2:]]
        return super()._format_action_invocation(shown)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("examples:"):
            return "".join(indent + line for line in text.splitlines(keepends=True))
        return super()._fill_text(text, width, indent)


class CommandParser(HfArgumentParser):
    """
    `HfArgumentParser` whose help has common options first, then those of the head, then the others.

    Args:
        dataclass_types: their fields are the options.
        common (`list[str]`): the options that are shown first.
        examples (`list[str]`): whole command lines, shown at the end.
    """

    def __init__(self, *dataclass_types: Any, common: Iterable[str] = (), examples: Iterable[str] = (), **kwargs):
        self._common, self._groups = set(common), {}
        self.examples = list(examples)
        if self.examples:
            kwargs["epilog"] = "\n  ".join(["examples:", *self.examples])
        super().__init__(dataclass_types, allow_abbrev=False, formatter_class=_HelpFormatter, **kwargs)
        if self._common:
            group = self._group_of("config")
            group.add_argument("--config", metavar="FILE", default=SUPPRESS, help="Read options from a YAML file too.")

    def _parse_dataclass_field(self, parser: ArgumentParser, field: dataclasses.Field) -> None:
        before = len(self._actions)
        shown: Any = copy.copy(field)
        shown.metadata = dict(field.metadata)
        off = shown.metadata.pop("off", f"Switch --{field.name} off.")
        super()._parse_dataclass_field(self._group_of(field.name), shown)
        for action in self._actions[before:]:
            if action.option_strings[0] == f"--no_{field.name}":
                action.help, action.default = off, SUPPRESS

    def _group_of(self, name: str) -> Any:
        if not self._common:
            return self
        title = "common options" if name in self._common else "more options"
        if name in _OF_THE_HEAD and name not in self._common:
            title = "options of the head"
        if not self._groups:
            for each in ("common options", "options of the head", "more options"):
                self._groups[each] = self.add_argument_group(each)
        return self._groups[title]

    def format_help(self) -> str:
        """Return the help, whose usage is one line."""
        positional = [action.dest.upper() for action in self._actions if not action.option_strings]
        self.usage = " ".join(["%(prog)s", *positional, "[options]"])
        return super().format_help()

    def error(self, message: str) -> None:
        raise InputError(f"{message} (--help lists the options)")

    def parse(self, argv: list[str]) -> tuple:
        """
        Return one instance for each dataclass, then a namespace if there are arguments of another origin.

        Raises:
            InputError: an unknown option or a value that its option does not take.
        """
        with user_errors():
            *parsed, rest = self.parse_args_into_dataclasses(
                argv, return_remaining_strings=True, look_for_args_file=False
            )
        if rest:
            options = [option for action in self._actions for option in action.option_strings]
            meant = suggest_option(rest[0], options)
            hint = f"did you mean {meant}?" if meant is not None else "--help lists the options"
            raise InputError(f"there is no option {rest[0]!r}: {hint}")
        for alias, name in ALIASES.items():
            if {alias, name} <= typed_options(argv):
                raise InputError(f"--{alias} and --{name} are two names of one option: give one of them")
        return tuple(parsed)
