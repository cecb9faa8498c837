import pytest


pytest.importorskip("sentence_transformers", reason='pip install "glot-hf[benchmark]"')


def test_both_sides_encode_the_same_texts(benchmark, minilm_path, tmp_path):
    (tmp_path / "texts.txt").write_text("a text\nanother text\n\na text\na third\n", encoding="utf-8")
    tiny = ["--texts", tmp_path / "texts.txt", "--num_texts", 3, "--repeats", 2, "--batch_sizes", 2]
    record = benchmark("embed", "--backbone", minilm_path, *tiny)
    assert record["shapes"]["texts"] == 3  # duplicates and empty lines are left out
    names = ["glot_hf, GLOT", "sentence-transformers, mean", "sentence-transformers, mean, batch 2"]
    assert list(record["seconds"]) == names and all(len(times) == 2 for times in record["seconds"].values())
    assert record["best"] in names[1:]
    assert record["ratios"]["to default"] >= record["ratios"]["to best"] > 0
