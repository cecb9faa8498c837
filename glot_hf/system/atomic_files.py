# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Files that are there whole or not at all, whatever dies or runs at the same time."""

import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """
    Let `write` make a file of this name in a folder beside `path`, put it on the disk, and move it to `path`. Who
    may read it is up to the umask, as of any new file.

    Processes that write the same file at once each write their own; the last one stays.
    """
    # A folder: safetensors writes temporary files of its own, whose names nobody knows, beside what it is to write.
    part = _part_beside(path)
    try:
        part.mkdir(exist_ok=True)
        write(part / path.name)
        # The folder's mode is by the umask; that of a file which safetensors writes is not.
        (part / path.name).chmod(part.stat().st_mode & 0o666)
        _flush(part / path.name)
        (part / path.name).replace(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    _flush(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write text in UTF-8 to a file, which is there whole or as it was."""
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


@contextmanager
def replacing_files(folder: Path, stale: tuple[str, ...] = ()) -> Iterator[Path]:
    """
    Give a folder to write new files to. When all are written and on the disk, they are moved into `folder`, which is
    made if there is none, and files there are deleted that match a pattern of `stale` and are not among the new ones.
    If the writing fails, what `folder` holds stays as it was.
    """
    folder.mkdir(parents=True, exist_ok=True)
    discard_leftovers(folder)
    part = _part_beside(folder / "new")
    try:
        part.mkdir(exist_ok=True)
        yield part
        new = list(part.iterdir())
        for path in part.rglob("*"):
            _flush(path)
        names = {path.name for path in new}
        old = [path for pattern in stale for path in folder.glob(pattern) if path.name not in names]
        for path in new:
            if path.is_dir() and (folder / path.name).is_dir():  # which nothing can be moved onto
                (folder / path.name).rename(part / f"{path.name}.old")
            path.replace(folder / path.name)
        for path in old:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    finally:
        shutil.rmtree(part, ignore_errors=True)
    _flush(folder)


@contextmanager
def marked_as_written(folder: Path) -> Iterator[None]:
    """Let [`is_being_written`] say so of a folder while this process makes files in it, one after the other."""
    mark = _part_beside(folder / "writing")
    mark.mkdir(exist_ok=True)
    try:
        yield
    finally:
        shutil.rmtree(mark, ignore_errors=True)


def is_being_written(folder: Path) -> bool:
    """Return whether a process makes files in `folder`, or may: those of other machines cannot be seen."""
    return any(not _is_left_over(part) for part in folder.glob(".*.part"))


def discard_leftovers(folder: Path) -> None:
    """Delete what processes of this machine left half-written in `folder` when they died."""
    for part in filter(_is_left_over, folder.glob(".*.part")):
        shutil.rmtree(part, ignore_errors=True)


def _is_left_over(part: Path) -> bool:
    owner = re.fullmatch(rf"\..+\.{re.escape(socket.gethostname())}\.(\d+)\.part", part.name)
    return owner is not None and not psutil.pid_exists(int(owner[1]))


def _part_beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.part")


def _flush(path: Path) -> None:
    if path.is_dir() and os.name != "posix":
        return  # elsewhere folders cannot be opened
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
