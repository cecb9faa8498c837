import importlib.util

import pytest
import torch

from glot_hf.benchmark import head_sides
from glot_hf.benchmark.head_sides import CACHED, OURS, PYG, RELEASED


TINY = ["--batch_size", 3, "--length", 8, "--input_size", 16, "--gnn_hidden_size", 8, "--repeats", 2]
# A pooler as main.py of the released code has it, of our own, with imports that are not there.
RELEASED_CODE = """
import mteb, wandb
from torch_scatter import scatter_add
from glot_hf.benchmark.pyg_head import PerSentenceHead

class Model(mteb.EncoderProtocol):
    def encode(self, kind: mteb.types.PromptType | None = None): ...

class GLOT(PerSentenceHead):
    def __init__(self, in_dim, hidden_dim, num_layers, jk_mode, conv, tau):
        super().__init__(in_dim, hidden_dim, num_layers, tau)
        assert (jk_mode, conv) == ("cat", "gat")
"""


def test_every_side_computes_the_same_and_is_compared(benchmark, tmp_path, capsys, monkeypatch):
    pytest.importorskip("torch_geometric")
    find_spec, absent = importlib.util.find_spec, {"mteb", "torch_scatter", "wandb"}  # installed or not
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in absent else find_spec(name))
    (tmp_path / "main.py").write_text(RELEASED_CODE)
    record = benchmark("head", *TINY, "--released_repo", tmp_path, "--released_repeats", 1)
    sides = [OURS, CACHED, PYG, RELEASED]
    assert len(record["shapes"]) == 2
    for batch, shape in record["shapes"].items():
        assert set(shape["losses"]) == set(sides) and 0 < shape["edge_density"] < 1
        losses = torch.tensor(list(shape["losses"].values()))
        torch.testing.assert_close(losses, losses[:1].expand(4), rtol=1e-5, atol=1e-5)
        for kind in ("step", "forward"):
            measured = record["measurements"][f"{kind}, {batch}"]
            assert list(measured["sides"]) == sides
            assert [len(side["seconds"]) for side in measured["sides"].values()] == [10, 10, 2, 1]
            assert all(len(side["ratios"]) == 3 for side in measured["sides"].values())
            assert measured["roofline"] == pytest.approx(sum(p["seconds"] for p in measured["products"]))
            assert measured["roofline_graph_cached"] < measured["roofline"]
    output = capsys.readouterr().out
    assert "mteb" in output and "stand-ins" in output
    assert output.count("| roofline |") == 4


def test_what_is_missing_is_said(benchmark, capsys, monkeypatch):
    monkeypatch.setattr(head_sides.importlib.util, "find_spec", lambda name: None)
    record = benchmark("head", *TINY)
    assert all(list(measured["sides"]) == [OURS, CACHED] for measured in record["measurements"].values())
    output = capsys.readouterr().out
    assert "'PyG per sentence' is skipped: torch_geometric is not installed" in output
    assert "'released' is skipped: --released_repo names a clone" in output
