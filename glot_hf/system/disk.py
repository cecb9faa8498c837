# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Room on a disk, asked for before long work."""

import os
import shutil

from tqdm import tqdm

from .errors import InputError


def format_bytes(count: int) -> str:
    """Return a size such as 40.4MB, in powers of 1,000."""
    return f"{tqdm.format_sizeof(count)}B"


def require_room(folder: str | os.PathLike, needed: int, what: str, hint: str) -> None:
    """
    Args:
        folder: one that exists, on the disk that is to be written.
        needed (`int`): bytes.
        what (`str`): what takes them, in the plural.
        hint (`str`): what to do where there are fewer.

    Raises:
        InputError: there is less room.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        sizes = format_bytes(needed), format_bytes(free)
        raise InputError(f"{what} take about {sizes[0]}, but {os.fspath(folder)!r} has {sizes[1]} free: {hint}")
