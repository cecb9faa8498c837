from pathlib import Path

import pytest

from glot_hf.benchmark.finetune import FULL, LORA, Arguments, build, side_names
from glot_hf.system.errors import InputError


@pytest.fixture
def backbone(tiny_bert, tmp_path):
    tiny_bert.save_pretrained(tmp_path / "backbone")
    return str(tmp_path / "backbone")


def test_every_side_is_measured(benchmark, same_process, backbone, tmp_path):
    tiny = ["--batch_size", 2, "--length", 6, "--repeats", 2, "--lora_rank", 2, "--gnn_hidden_sizes", 4, 8]
    record = benchmark("finetune", "--backbone", backbone, *tiny)
    assert list(record["sides"]) == side_names(Arguments(gnn_hidden_sizes=[4, 8]))
    for side in record["sides"].values():
        assert len(side["seconds"]) == 2
        assert side["times_less_than_lora"].keys() == {"parameters", "memory", "time"}
    assert record["sides"][LORA]["times_less_than_lora"]["parameters"] == 1


def test_a_backbone_without_its_weights(backbone):
    Path(backbone, "model.safetensors").unlink()
    with pytest.raises(InputError, match="cannot be loaded.*name a repository or a folder"):
        build(FULL, Arguments(backbone=backbone, device="cpu"))


def test_what_each_side_trains(backbone, tiny_bert):
    arguments = Arguments(backbone=backbone, batch_size=2, length=6, lora_rank=2, gnn_hidden_sizes=[8], device="cpu")
    trained = {name: build(name, arguments).trained_parameters for name in side_names(arguments)}
    backbone_size, classifier = sum(p.numel() for p in tiny_bert.parameters()), 2 * 32 + 2
    assert trained.pop(FULL) == backbone_size + classifier
    # A and B of each linear layer: 4 of the attention, 2 of the MLP in each of 2 layers, and the pooler.
    assert trained.pop(LORA) == 2 * (2 * (4 * (32 + 32) + 2 * (32 + 37)) + 32 + 32) + classifier
    width = 32 + 2 * 8
    layers = sum(size * 8 + 5 * 8 for size in (32, 8))  # weight; two attention vectors, two of the edge, bias
    head = layers + (width + 1) * 128 + 128 + 1 + 2 * width + 2
    assert set(trained.values()) == {head} and len(trained) == 3
