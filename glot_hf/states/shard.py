# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""One file of a hidden-state cache: the states of many texts, one after the other, with a checksum."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..system.atomic_files import write_atomically
from ..system.errors import InputError
from .key import hash_tensor
from .manifest import Manifest, Shard


_NAME, _RECORD = "hidden_states", "glot_hf"  # of the tensor; of its metadata


def write_shard(states: Tensor, folder: Path, shard: Shard, manifest: Manifest) -> None:
    """
    Args:
        states (`Tensor` of shape `(T, d)` or `(T, n, d)`): of all T tokens, contiguous, on the CPU.

    Raises:
        InputError: the file cannot be written, such as for want of room; nothing of it is left.
    """
    record = json.dumps({"cache": manifest.digest, "sha256": hash_tensor(states)})
    # One entry: safetensors writes several in any order, and equal states should make equal files.
    try:
        write_atomically(folder / shard.file, lambda part: save_file({_NAME: states}, part, {_RECORD: record}))
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{shard.file} cannot be written to {str(folder)!r} ({error}): make room there, or name another folder; "
            "what is finished is kept, and the next build goes on from there"
        ) from error


def open_shard(folder: Path, shard: Shard, manifest: Manifest) -> Tensor:
    """
    The states `(T, d)` or `(T, n, d)`, mapped into memory: what is not read stays on the disk. Keeps no file open.

    Raises:
        ValueError: the file is missing, cut off, of another cache, or of another shape; says which.
    """
    return _open(folder, shard, manifest)[0]


def is_shard(path: Path) -> bool:
    """Return whether a file says of itself that it belongs to a hidden-state cache."""
    try:
        with safe_open(path, "pt") as file:
            return _RECORD in (file.metadata() or {})
    except (OSError, SafetensorError):
        return False


def verify_shard(folder: Path, shard: Shard, manifest: Manifest) -> None:
    """
    Raises:
        ValueError: as [`open_shard`], or the checksum is not that of the states.
    """
    states, checksum = _open(folder, shard, manifest)
    if hash_tensor(states) != checksum:
        raise ValueError("its states are not those that were written")


def _open(folder: Path, shard: Shard, manifest: Manifest) -> tuple[Tensor, str]:
    try:
        with safe_open(folder / shard.file, "pt") as file:
            record, states = json.loads(file.metadata()[_RECORD]), file.get_tensor(_NAME)
        cache, checksum = record["cache"], record["sha256"]
    except FileNotFoundError as error:
        raise ValueError("it is missing") from error
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"it cannot be read: {error}") from error
    if cache != manifest.digest:
        raise ValueError("it is of another cache")
    if len(states) != shard.num_tokens or str(states.dtype) != f"torch.{manifest.key['stored_dtype']}":
        raise ValueError(
            f"it holds {len(states)} tokens in {states.dtype}, not {shard.num_tokens} in "
            f"{manifest.key['stored_dtype']}"
        )
    return states, checksum
