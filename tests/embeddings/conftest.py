"""A head on a tiny random BERT in a folder, with a tokenizer of single words."""

import pytest
from single_words import make_tokenizer
from small_encoders import make_bert

from glot_hf import GlotModel


@pytest.fixture(scope="module")
def head_path(tmp_path_factory):
    return str(save_head(tmp_path_factory.mktemp("model")))


def save_head(folder):
    make_bert().save_pretrained(folder / "backbone")
    model = GlotModel.from_backbone(folder / "backbone", gnn_hidden_size=8, readout_hidden_size=8)
    model.save_pretrained(folder / "head")
    make_tokenizer().save_pretrained(folder / "head")
    return folder / "head"
