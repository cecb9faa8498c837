# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What a command tells its user in one line, without a traceback."""

import errno
import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError  # nosec B403 # the error alone
from typing import Any


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
# What safetensors, torch, numpy and SQLite say of a full disk without its number.
_SAYS_FULL = ("No space left on device", "PytorchStreamWriter failed", "requested and 0 written", "disk is full")


class InputError(ValueError):
    """Something that was typed or passed is wrong. The message names the value, what is valid, and a hint."""


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


@contextmanager
def user_errors(*more: type[Exception]) -> Iterator[None]:
    """Raise what libraries raise for an argument of the user (a missing backbone, a misfit head) as an InputError."""
    try:
        yield
    except InputError:
        raise
    except UnpicklingError as error:
        raise InputError(
            "a file of weights is a pickle that holds more than tensors, which is not opened because it could run "
            "code: get the model as .safetensors"
        ) from error
    except (ImportError, OSError, ValueError, *more) as error:
        raise InputError(full_disk(error) or str(error)) from error


def full_disk(error: BaseException) -> str | None:
    """
    Return a line for an error that says that a disk is full or cannot be written, whichever library raised it; None
    for others.
    """
    said, path = str(error), getattr(error, "filename", None)
    is_full = isinstance(error, OSError) and error.errno in _FULL
    if not is_full and not any(sign in said for sign in _SAYS_FULL):
        return None
    where = f" at {os.fspath(path)!r}" if isinstance(path, (str, os.PathLike)) else ""
    return (
        f"the disk is full, or cannot be written{where} ({' '.join(said.split())[:200]}): make room, or name another "
        "place, and run the same command again"
    )


def require_positive(value: int, flag: str) -> None:
    """
    Raises:
        InputError: the value is not positive.
    """
    if value < 1:
        raise InputError(f"{flag} {value} is not positive: give 1 or more")


def require_distinct(values: list[Any], flag: str) -> None:
    """
    Raises:
        InputError: a value is given twice, which would count it twice.
    """
    repeated = [value for value in values if values.count(value) > 1]
    if repeated:
        raise InputError(f"{flag} names {repeated[0]} twice: name each once")


def require_folder(path: str | None, flag: str) -> None:
    """
    Asked before the work, so that none is lost.

    Raises:
        InputError: there is something else than a folder, or none can be made there.
    """
    if path is None or os.path.isdir(path):
        return
    parents = (os.path.abspath(path), *map(str, Path(os.path.abspath(path)).parents))
    nearest = next(parent for parent in parents if os.path.exists(parent))
    if not os.path.isdir(nearest) or not os.access(nearest, os.W_OK):
        raise InputError(f"{flag} {path!r} cannot be written: name a folder, or one that can be made")


def require_writable(path: str | None, flag: str) -> None:
    """
    Asked before the work, so that none is lost.

    Raises:
        InputError: no file can be written there.
    """
    if path is not None and (os.path.isdir(path) or not os.path.isdir(os.path.dirname(path) or ".")):
        raise InputError(f"{flag} {path!r} cannot be written: name a file in a folder that exists")
