# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Where a file is not UTF-8: readers decode it in blocks, and could not say the line."""

import os

from ..system.errors import InputError


def require_utf8(path: str | os.PathLike) -> None:
    """
    Raises:
        InputError: a line is not UTF-8; names the first, counted from 1.
    """
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{os.fspath(path)!r} is not UTF-8 text: line {number} holds {line[error.start : error.end]!r}; "
                    "save it as UTF-8"
                ) from error


def require_typed_text(flag: str, texts: list[str]) -> None:
    """
    Raises:
        InputError: a text of the command line has bytes that are not UTF-8, as in a terminal of another encoding.
    """
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"{flag} {text!r} is not UTF-8 text: set the terminal to UTF-8, or name a file"
            ) from error
