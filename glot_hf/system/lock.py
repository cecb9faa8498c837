# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""A folder or file that one run at a time writes to."""

import errno
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError


try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_NAME = ".glot_hf.lock"
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}  # said by file systems that have none


@contextmanager
def locked_file(path: str | os.PathLike) -> Iterator[None]:
    """
    Keep other runs from writing to a file, or to a folder that is moved there whole, until this one ends, by a lock
    beside it.

    Raises:
        InputError: another run writes to it (says which, and since when), or nothing can be written there.
    """
    with _held(Path(path).with_name(f".{Path(path).name}{_NAME}"), os.fspath(path)):
        yield


@contextmanager
def locked(folder: str | os.PathLike) -> Iterator[None]:
    """
    Make a folder if there is none, and keep other runs from writing to it until this one ends.

    A folder that was made here and stayed empty is removed.

    Raises:
        InputError: another run writes to it (says which, and since when), or it cannot be written.
    """
    is_new = not os.path.isdir(folder)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise InputError(f"{os.fspath(folder)!r} cannot be written: {error}") from error
    try:
        with _held(Path(folder, _NAME), os.fspath(folder)):
            yield
    finally:
        if is_new and not os.listdir(folder):
            os.rmdir(folder)


@contextmanager
def _held(path: Path, target: str) -> Iterator[None]:
    """Hold a lock, which the system takes back when this process dies, and say in it whose it is."""
    try:
        descriptor = _take(path, target)
    except OSError as error:
        raise InputError(f"{target!r} cannot be written: {error}") from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # before it is given back: nobody else holds it
        os.close(descriptor)


def _take(path: Path, target: str) -> int:
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
        try:
            _lock(descriptor)
        except BlockingIOError:
            os.close(descriptor)
            raise InputError(
                f"{target!r} is being written by another run ({_owner(path)}): name another place to write to, or "
                "wait for it"
            ) from None
        except BaseException:
            os.close(descriptor)
            raise
        if _is_still_at(path, descriptor):
            break
        os.close(descriptor)  # its last owner has deleted it since it was opened
    owner = {"host": socket.gethostname(), "process": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
    os.ftruncate(descriptor, 0)
    os.write(descriptor, json.dumps(owner).encode())
    return descriptor


def _lock(descriptor: int) -> None:
    if fcntl is None:
        return  # as where the file system has no locks: writing goes on, unguarded
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        print("this file system has no locks: see that no other run writes to the same place", file=sys.stderr)


def _is_still_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _owner(path: Path) -> str:
    for _ in range(20):  # it is written right after the lock is taken
        try:
            owner = json.loads(path.read_text(encoding="utf-8"))
            return f"process {owner['process']} on {owner['host']}, since {owner['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            time.sleep(0.05)
    return "which is not known"
