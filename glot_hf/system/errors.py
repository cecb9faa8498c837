# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What a command tells its user in one line, without a traceback."""

import importlib


class InputError(ValueError):
    """Something that was typed or passed is wrong. The message names the value, what is valid, and the mend."""


def require_extra(extra: str, *modules: str) -> None:
    """
    Raises:
        InputError: one of the `modules` is not installed; names the extra that brings it.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise InputError(f'this needs {module}: run `pip install "glot-hf[{extra}]"`') from error
