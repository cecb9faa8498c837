"""The record beside vectors: what it may say, whoever wrote it."""

import json

import pytest

from glot_hf.embeddings.record import EmbeddingRecord
from glot_hf.system.errors import InputError


GOOD = {
    "key": {"texts": "0f", "weights": "1e", "truncate_dim": None},
    "encoder": {"model": "head", "max_length": 8},
    "files": {"paths": ["texts.txt"], "text_column": "text"},
    "file_sizes": [3],
    "vectors": "2d",
}


def read(folder, stored):
    (folder / "vectors.npy.json").write_text(json.dumps(stored))
    return EmbeddingRecord.read(folder / "vectors.npy")


def test_a_good_one(tmp_path):
    assert read(tmp_path, GOOD).encoder["model"] == "head"
    assert read(tmp_path, GOOD | {"vectors": None, "encoder": {"backbone": "x"}}).vectors is None


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("key",), "x", "key, encoder and files are not all mappings"),
        (("key",), {"weights": "1e"}, "of which texts and weights"),
        (("key", "truncate_dim"), "3", "truncate_dim is '3'"),
        (("encoder", "model"), ["x"], "model is ['x']"),
        (("encoder", "max_length"), 1.5, "max_length is 1.5"),
        (("files", "paths"), True, "paths is True"),
        (("files", "text_template"), [[]], "text_template is [[]]"),
        (("file_sizes",), [], "file_sizes is []"),
        (("vectors",), 3, "vectors is 3"),
    ],
)
def test_what_is_of_another_kind(tmp_path, path, value, said):
    stored = json.loads(json.dumps(GOOD))
    place = stored
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    with pytest.raises(InputError) as error:
        read(tmp_path, stored)
    assert "vectors.npy.json' is damaged" in str(error.value) and said in str(error.value)
