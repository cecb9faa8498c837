# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""How a dataclass declares an option of the command line."""

import dataclasses
from typing import Any


REQUIRED = dataclasses.MISSING


def option(default: Any, help: str, **more: Any) -> Any:
    """
    Return a dataclass field that is an option of the command line, by its name.

    Args:
        default: the value where the option is not given; `REQUIRED` where it must be. A list is copied.
        help (`str`): what `--help` says of it.
        more: further arguments of `argparse`'s `add_argument`; `aliases`, a list of other names; and `off`, what
            `--help` says of `--no_NAME`, for a switch that is on by default.
    """
    metadata = {"help": help, **more}
    if isinstance(default, list):
        return dataclasses.field(default_factory=lambda: list(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)
