# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Files that are there whole or not at all, whatever dies or runs at the same time."""

import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import psutil


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """
    Lets `write` fill a file beside `path`, puts it on the disk, and then gives it its name.

    Processes that write the same file at once each write their own; the last one stays.
    """
    part = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.part")
    try:
        write(part)
        _flush(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    if os.name == "posix":  # elsewhere folders cannot be opened
        _flush(path.parent)


def discard_leftovers(folder: Path) -> None:
    """Deletes what processes of this machine left half-written in `folder` when they died."""
    for part in folder.glob(".*.part"):
        owner = re.fullmatch(rf"\..+\.{re.escape(socket.gethostname())}\.(\d+)\.part", part.name)
        if owner and not psutil.pid_exists(int(owner[1])):
            part.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
