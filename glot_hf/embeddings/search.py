# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The rows of a file of vectors that are most like a query: exactly, or by a faiss index that is kept beside it."""

import glob
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..system.atomic_files import write_atomically
from ..system.errors import InputError, require_extra
from .vector_files import read_blocks


_QUERIES_AT_ONCE = 256  # with a block of vectors, whose cosines are then 64 MB


def nearest_rows(vectors: Path, queries: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """
    Compare the queries with every row, some thousands at a time. Zeros, which are the vectors of blank texts, are
    never found.

    Args:
        vectors (`Path`): a file that `glot-hf embed` wrote.
        queries (`Tensor` of shape `(Q, D)`, float32).
        top_k (`int`): rows for each query; fewer where there are not so many.

    Returns:
        Cosines and numbers of the rows, `(Q, k)` each, the most alike first.
    """
    queries = F.normalize(queries, dim=-1)
    scores, rows = torch.empty(len(queries), 0), torch.empty(len(queries), 0, dtype=torch.long)
    for numbers, block in _unit_blocks(vectors, queries.shape[1]):
        found = [(part @ block.T).topk(min(top_k, len(block))) for part in queries.split(_QUERIES_AT_ONCE)]
        values, indices = (torch.cat(parts) for parts in zip(*found))  # (Q, k)
        scores, rows = torch.cat([scores, values], dim=1), torch.cat([rows, numbers[indices]], dim=1)
        scores, order = scores.sort(dim=1, descending=True, stable=True)
        scores, rows = scores[:, :top_k], rows.gather(1, order)[:, :top_k]
    return scores, rows


def nearest_rows_by_index(
    vectors: Path, queries: Tensor, top_k: int, factory: str, digest: str
) -> tuple[Tensor, Tensor]:
    """
    Do the same as [`nearest_rows`] by a faiss index: approximate, as its kind is, and quick.

    It is made at the first call, which reads all vectors into memory as far as its kind keeps them, and lies beside
    them as `VECTORS.FACTORY.HASH.faiss`, by the hash of the vectors that it was made of; one of other vectors that
    were there before is deleted.

    Args:
        factory (`str`): what faiss.index_factory makes, such as "HNSW32" or "IVF1024,PQ32".
        digest (`str`): [`~vector_files.hash_file`] of the vectors.

    Raises:
        InputError: faiss is not installed, or cannot make such an index.
    """
    require_extra("search", "faiss")
    import faiss

    name = f"{vectors.name}.{factory.replace('/', '_')}"
    path = vectors.with_name(f"{name}.{digest[:16]}.faiss")
    queries = F.normalize(queries, dim=-1)
    try:
        if not path.exists():
            index = _make_index(vectors, queries.shape[1], factory)
            write_atomically(path, lambda part: faiss.write_index(index, str(part)))
            for other in {*vectors.parent.glob(f"{glob.escape(name)}.*faiss")} - {path}:
                other.unlink()
        scores, rows = faiss.read_index(str(path)).search(queries.numpy(), top_k)
    except RuntimeError as error:
        raise InputError(f"faiss cannot make or read an index {factory!r} of {str(vectors)!r}: {error}") from error
    return torch.from_numpy(scores), torch.from_numpy(rows)


def _make_index(vectors: Path, width: int, factory: str):
    import faiss

    index = faiss.IndexIDMap(faiss.index_factory(width, factory, faiss.METRIC_INNER_PRODUCT))
    for numbers, block in _unit_blocks(vectors, width):
        if not index.is_trained:
            index.train(block.numpy())  # on the first rows
        index.add_with_ids(block.numpy(), numbers.numpy())
    return index


def _unit_blocks(vectors: Path, width: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Return the numbers `(n,)` of rows that are not zeros, and those rows as vectors of length 1, `(n, D)`."""
    start = 0
    for block in read_blocks(vectors):
        if block.shape[1] != width:
            raise InputError(f"{str(vectors)!r} holds vectors of width {block.shape[1]}, but the query's has {width}")
        (numbers,) = np.nonzero(block.any(axis=1))
        if len(numbers):
            yield torch.from_numpy(numbers + start), F.normalize(torch.from_numpy(block[numbers]), dim=-1)
        start += len(block)
