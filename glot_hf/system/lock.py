# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""A folder or file that one run at a time writes to."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from .errors import InputError


_NAME = ".glot_hf.lock"


@contextmanager
def locked_file(path: str | os.PathLike) -> Iterator[None]:
    """
    Keep other runs from writing to a file until this one ends, by a lock beside it.

    Raises:
        InputError: another run writes to it (says which, and since when), or nothing can be written there.
    """
    lock = Path(path).with_name(f".{Path(path).name}{_NAME}")
    try:
        _take(lock, os.fspath(path))
    except OSError as error:
        raise InputError(f"{os.fspath(path)!r} cannot be written: {error}") from error
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


@contextmanager
def locked(folder: str | os.PathLike) -> Iterator[None]:
    """
    Make a folder if there is none, and keep other runs from writing to it until this one ends.

    The lock of a run of this machine that has died is taken over. A folder that was made here and stayed empty is
    removed.

    Raises:
        InputError: another run writes to it (says which, and since when), or it cannot be written.
    """
    is_new = not os.path.isdir(folder)
    path = Path(folder, _NAME)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _take(path, os.fspath(path.parent))
    except OSError as error:
        raise InputError(f"--output_dir {os.fspath(folder)!r} cannot be written: {error}") from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        if is_new and not os.listdir(folder):
            os.rmdir(folder)


def _take(path: Path, target: str) -> None:
    owner = {"host": socket.gethostname(), "process": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
    while True:
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            _require_dead(path, target)
            path.unlink(missing_ok=True)
            continue
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(owner, file)
        return


def _require_dead(path: Path, target: str) -> None:
    """
    Raises:
        InputError: whoever took the lock may still run.
    """
    try:
        other = json.loads(path.read_text(encoding="utf-8"))
        host, process, since = other["host"], other["process"], other["since"]
    except (OSError, ValueError, KeyError, TypeError):  # it is being written, or was cut off
        host, process, since = "an unknown machine", "?", "a moment ago"
    if host == socket.gethostname() and not psutil.pid_exists(int(process)):
        return
    raise InputError(
        f"{target!r} is being written by another run (process {process} on {host}, since {since}): name another place "
        f"to write to, or wait for it; if it no longer runs, delete {str(path)!r}"
    )
