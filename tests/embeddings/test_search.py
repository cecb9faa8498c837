"""The nearest rows, against all cosines at once."""

import os

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from glot_hf.embeddings.search import nearest_rows, nearest_rows_by_index
from glot_hf.embeddings.vector_files import hash_file
from glot_hf.system.errors import InputError


@pytest.fixture
def vectors(tmp_path, monkeypatch):
    monkeypatch.setattr("glot_hf.embeddings.vector_files._ROWS_A_BLOCK", 16)
    np.save(tmp_path / "vectors.npy", np.random.default_rng(0).normal(size=(100, 8)).astype(np.float32))
    return tmp_path / "vectors.npy"


def by_index(vectors, queries, top_k, factory):
    return nearest_rows_by_index(vectors, queries, top_k, factory, hash_file(vectors))


@pytest.mark.parametrize("top_k", [1, 20, 500])
def test_exact(vectors, top_k):
    queries = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    cosines = F.cosine_similarity(queries[:, None], torch.from_numpy(np.load(vectors))[None], dim=-1)
    expected = cosines.topk(min(top_k, 100))
    for scores, rows in (
        nearest_rows(vectors, queries, top_k),
        (found[:, :100] for found in by_index(vectors, queries, top_k, "Flat")),
    ):
        torch.testing.assert_close(scores, expected.values)
        assert torch.equal(rows, expected.indices)


def test_zeros_are_never_found(vectors):
    stored = np.load(vectors)
    stored[16:32] = stored[[3, 50]] = 0  # a whole block, and some
    np.save(vectors, stored)
    for scores, rows in (
        nearest_rows(vectors, torch.ones(2, 8), 100),
        (found[:, :82] for found in by_index(vectors, torch.ones(2, 8), 100, "Flat")),
    ):
        kept = np.setdiff1d(np.arange(100), [3, 50, *range(16, 32)])
        assert [sorted(found) for found in rows.tolist()] == [kept.tolist()] * 2
        assert scores[:, 50:].max() < 0  # zeros would come before these


def test_an_index_is_made_again_when_the_vectors_change(vectors):
    """However old the file of the new ones is; that of the others goes."""
    query = torch.from_numpy(np.load(vectors)[:1])
    assert by_index(vectors, query, 1, "HNSW32")[1].item() == 0
    (before,) = vectors.parent.glob("*.faiss")
    np.save(vectors, np.load(vectors)[::-1])
    os.utime(vectors, (0, 0))
    assert by_index(vectors, query, 1, "HNSW32")[1].item() == 99
    (after,) = vectors.parent.glob("*.faiss")
    assert after != before


def test_memory_does_not_grow_with_the_queries(vectors, monkeypatch):
    compared, topk = [], torch.Tensor.topk

    def watched(scores, *arguments):
        compared.append(scores.numel())
        return topk(scores, *arguments)

    monkeypatch.setattr(torch.Tensor, "topk", watched)
    queries = torch.from_numpy(np.load(vectors)).repeat(10, 1)
    assert nearest_rows(vectors, queries, 1)[1].flatten().tolist() == [*range(100)] * 10
    assert max(compared) <= 256 * 16


def test_mistakes(vectors):
    with pytest.raises(InputError, match="holds vectors of width 8, but the query's has 5"):
        nearest_rows(vectors, torch.ones(1, 5), 1)
    with pytest.raises(InputError, match="faiss cannot make or read an index 'nonsense'"):
        by_index(vectors, torch.ones(1, 8), 1, "nonsense")
