"""What is written piece by piece is what the libraries write at once, and read back."""

import numpy as np
import pytest
from datasets import load_dataset
from safetensors.numpy import load_file

from glot_hf.embeddings.text_files import TextRow
from glot_hf.embeddings.vector_files import TENSOR_NAME, WRITERS, read_blocks, read_rows
from glot_hf.system.errors import InputError


@pytest.fixture(params=["float32", "float16"])
def vectors(request):
    return np.random.default_rng(0).normal(size=(7, 5)).astype(request.param)


@pytest.fixture
def write(vectors, tmp_path):
    rows = [TextRow(f"k{number}", f"text {number}") for number in range(len(vectors))]

    def run(suffix):
        path = tmp_path / f"vectors{suffix}"
        pieces = [slice(0, 3), slice(3, 6), slice(6, 7)]
        parts, chunks = [vectors[piece] for piece in pieces], [rows[piece] for piece in pieces]
        WRITERS[suffix](path, vectors.shape, vectors.dtype, parts, chunks)
        return path

    return run


def test_npy(vectors, write, tmp_path):
    path = write(".npy")
    np.save(tmp_path / "expected.npy", vectors)
    assert path.read_bytes() == (tmp_path / "expected.npy").read_bytes()


def test_safetensors(vectors, write):
    loaded = load_file(write(".safetensors"))
    assert loaded.keys() == {TENSOR_NAME} and loaded[TENSOR_NAME].dtype == vectors.dtype
    assert np.array_equal(loaded[TENSOR_NAME], vectors)


def test_parquet(vectors, write, tmp_path):
    path = write(".parquet")
    table = load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(tmp_path)).with_format("numpy")
    assert table["id"][:].tolist() == [f"k{number}" for number in range(7)]
    assert np.array_equal(table["embedding"][:], vectors)
    assert read_rows(path, [6, 1, 2]) == {number: (f"k{number}", f"text {number}") for number in (6, 1, 2)}


@pytest.mark.parametrize("suffix", WRITERS)
def test_blocks(vectors, write, suffix, monkeypatch):
    monkeypatch.setattr("glot_hf.embeddings.vector_files._ROWS_A_BLOCK", 2)
    blocks = list(read_blocks(write(suffix)))
    assert len(blocks) >= 4 and all(block.dtype == np.float32 for block in blocks)
    assert np.array_equal(np.concatenate(blocks), vectors.astype(np.float32))


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (",
        "{'descr': '<f4', 'fortran_order': False, 'shape': ()}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 4)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1, 4)}",
    ],
)
def test_a_damaged_header_is_said(header, tmp_path):
    described = header.encode() + b"\n"
    data = b"\x93NUMPY\x01\x00" + len(described).to_bytes(2, "little") + described + bytes(16)
    (tmp_path / "vectors.npy").write_bytes(data)
    with pytest.raises(InputError, match="vectors.npy' cannot be read: "):
        list(read_blocks(tmp_path / "vectors.npy"))
