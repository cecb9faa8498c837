# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What all caches under one folder take together, and which of them have not been used for long."""

from collections.abc import Iterable
from pathlib import Path

from ..system.atomic_files import is_being_written
from ..system.disk import format_bytes
from .folder import find_caches, num_bytes, times_of


MUCH = 10 * 1000**3  # bytes: more is said, as nobody looks into a folder of caches


def notice_of_size(root: Path) -> str | None:
    """Return a line where the caches in `root` take more than 10 GB together, else None."""
    caches = find_caches(root) if root.is_dir() else []
    total = sum(map(num_bytes, caches))
    if total <= MUCH:
        return None
    return (
        f"the {len(caches)} caches in {root} take {format_bytes(total)} together: "
        "`glot-hf cache prune --older_than 30d` deletes those that are no longer used"
    )


def unused(caches: Iterable[Path], before: float | None = None, max_bytes: float | None = None) -> list[Path]:
    """
    Choose caches to delete, the least recently used first; never one that is being built.

    Args:
        before (`float`, *optional*): those last used before this time, in seconds since the epoch.
        max_bytes (`float`, *optional*): as many as leave no more than this to all caches together.
    """
    by_use = sorted((times_of(folder).last_used, folder) for folder in caches)
    left, going = sum(num_bytes(folder) for _, folder in by_use), []
    for last_used, folder in by_use:
        is_old = before is not None and last_used < before
        is_too_much = max_bytes is not None and left > max_bytes
        if (is_old or is_too_much) and not is_being_written(folder):
            going.append(folder)
            left -= num_bytes(folder)
    return going
