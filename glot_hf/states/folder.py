# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Hidden-state caches as folders on the disk: find them, check them, delete them."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..system.errors import InputError
from .manifest import FILE_NAME, Manifest
from .shard import is_shard, verify_shard


def find_caches(folder: Path) -> list[Path]:
    """
    The folder itself if it is a cache, or else the caches in it, by name.

    Raises:
        InputError: there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {str(folder)!r}: check the path")
    return [folder] if _is_cache(folder) else sorted(child for child in folder.iterdir() if _is_cache(child))


def _is_cache(folder: Path) -> bool:
    """
    Return whether a folder is a cache of whatever format, damaged or not: all of them can be deleted.

    Not every manifest.json is ours: what is left of it says so, or else a shard beside it does.
    """
    try:
        manifest = (folder / FILE_NAME).read_text(encoding="utf-8", errors="replace")
    except OSError:
        manifest = ""
    return '"key": {"format_version": ' in manifest or any(map(is_shard, _shards(folder)))


def finished_shards(folder: Path, manifest: Manifest) -> int:
    """Count the manifest's shards that are on the disk; nothing of them is read."""
    return sum((folder / shard.file).is_file() for shard in manifest.shards)


def num_bytes(folder: Path) -> int:
    """Return the bytes of all files of a cache."""
    return sum(file.stat().st_size for path in _own(folder) for file in (path, *path.glob("*")) if file.is_file())


class Times(NamedTuple):
    """When a cache was begun, and when it was last written or opened, in seconds since the epoch."""

    begun: float
    last_used: float


def times_of(folder: Path) -> Times:
    """Return the times of a cache: every file of it has the time of its making, and [`touch`] moves the manifest's."""
    found = [path.stat().st_mtime for path in (*_shards(folder), folder / FILE_NAME) if path.exists()]
    return Times(min(found), max(found))


def touch(folder: Path) -> None:
    """Note that a cache is used now; not in one of somebody else, which may only be read."""
    with contextlib.suppress(OSError):
        os.utime(folder / FILE_NAME)


def damages(folder: Path, manifest: Manifest) -> Iterator[tuple[str, str | None]]:
    """Read every shard; yield its file name, and what is wrong with it, or None."""
    for shard in manifest.shards:
        try:
            verify_shard(folder, shard, manifest)
            yield shard.file, None
        except ValueError as error:
            yield shard.file, str(error)


def clear(folder: Path) -> int:
    """Delete the files of a cache, and the folder if nothing else is in it; return the bytes that were freed."""
    freed = num_bytes(folder)
    for path in _own(folder):  # the manifest last: what is interrupted is still a cache, and can be cleared again
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()
    return freed


def _own(folder: Path) -> list[Path]:
    """Shards, what was left half-written, the manifest."""
    return [*_shards(folder), *folder.glob(".*.part"), folder / FILE_NAME]


def _shards(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.safetensors") if path.stem.isdecimal()]
