"""
Heads that commit 75c2785 saved load with the package of today, and give the numbers that they gave then.

`expected.safetensors` holds a batch's inputs and its outputs, computed by that commit.
"""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForSequenceClassification

from glot_hf.model import modeling_glot


SAVED = Path(__file__).parent / "saved_heads"
AUTO_CLASSES = {
    "classifier_with_backbone": AutoModelForSequenceClassification,  # GAT of two heads, "cat", its BERT beside it
    "vectors_of_states": AutoModel,  # GIN, "max", a mix of two layers, statistics of the input, a projection
}


@pytest.fixture(params=AUTO_CLASSES)
def head(request, tmp_path):
    """A folder as it was saved, without the code that lay in it."""
    return shutil.copytree(SAVED / request.param, tmp_path / request.param)


def test_the_same_numbers(head):
    model = AUTO_CLASSES[head.name].from_pretrained(head)
    assert type(model).__module__ == modeling_glot.__name__
    inputs = load_file(head / "expected.safetensors")
    expected = inputs.pop("expected")
    with torch.no_grad():
        found = model(**inputs)[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_what_is_saved_again_has_the_code_of_today(head, tmp_path):
    AUTO_CLASSES[head.name].from_pretrained(head).save_pretrained(tmp_path / "again")
    saved = (tmp_path / "again" / "modeling_glot.py").read_bytes()
    assert saved == Path(modeling_glot.__file__).read_bytes()
