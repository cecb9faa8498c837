# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Sentence vectors on the disk: .npy, .safetensors, or Parquet with ids and texts; written and read piece by piece."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open

from ..system.errors import InputError
from .text_files import TextRow


if TYPE_CHECKING:
    import pyarrow

TENSOR_NAME = "embeddings"  # in a safetensors file
_ROWS_A_BLOCK = 65_536


def write_npy(
    path: Path, shape: tuple[int, int], dtype: np.dtype, parts: Iterable[np.ndarray], chunks: Iterable[list[TextRow]]
) -> None:
    with path.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            file.write(part.data)


def write_safetensors(
    path: Path, shape: tuple[int, int], dtype: np.dtype, parts: Iterable[np.ndarray], chunks: Iterable[list[TextRow]]
) -> None:
    # By hand: the library wants the whole tensor at once.
    num_bytes = shape[0] * shape[1] * dtype.itemsize
    tensor = {"dtype": f"F{8 * dtype.itemsize}", "shape": shape, "data_offsets": [0, num_bytes]}
    header = json.dumps({TENSOR_NAME: tensor}, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # the numbers are aligned
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for part in parts:
            file.write(part.data)


def write_parquet(
    path: Path, shape: tuple[int, int], dtype: np.dtype, parts: Iterable[np.ndarray], chunks: Iterable[list[TextRow]]
) -> None:
    from pyarrow.parquet import ParquetWriter

    writer = None
    try:
        for part, chunk in zip(parts, chunks, strict=True):
            table = vector_table(chunk, part)
            writer = writer or ParquetWriter(path, table.schema, use_dictionary=False)
            writer.write_table(table)  # a row group
    finally:
        if writer is not None:
            writer.close()


def vector_table(rows: list[TextRow], vectors: np.ndarray) -> "pyarrow.Table":
    """Return rows and their vectors `(n, D)` as columns `id`, `text` and `embedding`."""
    import pyarrow

    ids, texts = (pyarrow.array(column) for column in zip(*rows))
    embeddings = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(vectors.reshape(-1)), vectors.shape[1])
    return pyarrow.table({"id": ids, "text": texts, "embedding": embeddings})


# Each takes the path, the shape (N, D) and dtype of all vectors, the vectors and their rows in pieces of equal number.
WRITERS: dict[str, Callable] = {".npy": write_npy, ".safetensors": write_safetensors, ".parquet": write_parquet}


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_blocks(path: Path) -> Iterator[np.ndarray]:
    """
    The vectors of a file, some thousands at a time: `(n, D)` each, in float32.

    Raises:
        InputError: the file is damaged.
    """
    try:
        for block in _READERS[path.suffix](path):
            if block.ndim != 2:
                raise ValueError(f"holds an array of shape {block.shape}, and not a vector in each row")
            yield np.array(block, dtype=np.float32)  # a copy: what is mapped cannot be written to, as torch warns
    except (OSError, SafetensorError, ValueError) as error:  # those of pyarrow are ValueErrors
        raise InputError(f"{str(path)!r} cannot be read: {error}") from error


def read_rows(path: Path, numbers: Iterable[int]) -> dict[int, TextRow]:
    """Return the ids and texts of some rows of a Parquet file, by their number; reads only their row groups."""
    from pyarrow.parquet import ParquetFile

    found, start, wanted = {}, 0, sorted(set(numbers))
    with ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            end = start + file.metadata.row_group(group).num_rows
            here = [number for number in wanted if start <= number < end]
            if here:
                columns = file.read_row_group(group, columns=["id", "text"]).take([number - start for number in here])
                rows = zip(columns["id"].to_pylist(), columns["text"].to_pylist())
                found |= {number: TextRow(*row) for number, row in zip(here, rows)}
            start = end
    return found


def _read_npy(path: Path) -> Iterator[np.ndarray]:
    try:
        vectors = np.atleast_1d(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError):
        raise
    except Exception as error:  # of many kinds: NumPy reads the header as Python
        raise ValueError(f"it is no .npy file ({error})") from error
    for start in range(0, len(vectors), _ROWS_A_BLOCK):
        yield vectors[start : start + _ROWS_A_BLOCK]


def _read_safetensors(path: Path) -> Iterator[np.ndarray]:
    with safe_open(path, "numpy") as file:
        vectors = file.get_slice(TENSOR_NAME)
        count = vectors.get_shape()[0]
        for start in range(0, count, _ROWS_A_BLOCK):
            yield vectors[start : min(start + _ROWS_A_BLOCK, count)]


def _read_parquet(path: Path) -> Iterator[np.ndarray]:
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_ROWS_A_BLOCK, columns=["embedding"]):
            yield batch["embedding"].flatten().to_numpy().reshape(len(batch), -1)


_READERS = {".npy": _read_npy, ".safetensors": _read_safetensors, ".parquet": _read_parquet}
