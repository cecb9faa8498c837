import pytest
import torch

from glot_hf.benchmark.cache import RELEASED, ReleasedLayout


def test_layouts_are_compared(benchmark, minilm_path):
    tiny = ["--num_texts", 12, "--released_rows", 5, "--repeats", 2, "--gnn_hidden_size", 8, "--max_length", 32]
    record = benchmark("cache", "--backbone", minilm_path, *tiny)
    caches = ["cache, float32", "cache, float16"]
    assert list(record["bytes"]) == list(record["tokens_per_second"]) == [*caches, RELEASED]
    assert record["shapes"]["rows_read"] == 5
    states = record["shapes"]["tokens"] * 384
    assert 4 * states < record["bytes"][caches[0]] < 4 * states + 100_000
    padded = 12 * (32 * 384 * 4 + 32 * 8 + 8)
    assert padded < record["bytes"][RELEASED] < padded + 10_000
    assert all(len(times) == 2 for times in record["training_seconds"].values())
    assert list(record["disk_to_memory"]) == caches


@pytest.mark.parametrize("num_rows", [33, 100])
def test_the_released_layout_gives_back_its_rows(tmp_path, num_rows):
    rows = [{"hidden_states": torch.randn(1 + i % 5, 4).half(), "labels": i % 2} for i in range(70)]
    layout = ReleasedLayout.write(rows, tmp_path / "released", max_length=6, num_rows=num_rows)
    assert len(layout) == min(num_rows, 70)
    for expected, row in zip(rows, layout):
        length = len(expected["hidden_states"])
        assert row["hidden_states"].shape == (6, 4) and row["hidden_states"].dtype == torch.float32
        assert torch.equal(row["hidden_states"][:length], expected["hidden_states"].float())
        assert not row["hidden_states"][length:].any()
        assert row["attention_mask"].sum() == length and row["labels"] == expected["labels"]
