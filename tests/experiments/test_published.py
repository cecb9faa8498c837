import pytest

from glot_hf.experiments.published import published_scores


@pytest.mark.parametrize("name", ["bert-base-uncased", "google-bert/bert-base-uncased", "/models/bert-base-uncased/"])
def test_the_same_backbone(name):
    scores = published_scores(name)
    assert scores["glot"]["cola"] == 47.49 and scores["cls"]["wnli"] == 45.07 and scores["glot"]["imdb"] == 86.9


@pytest.mark.parametrize(
    ("name", "cls_on_imdb", "glot_on_cola"),
    [
        ("FacebookAI/roberta-base", 82.0, 56.08),
        ("mistralai/Mistral-7B-v0.1", 84.9, 54.30),
        ("meta-llama/Llama-3.2-3B", None, 55.13),
        ("TinyLlama/TinyLlama-1.1B-Chat-v1.0", None, 17.61),
    ],
)
def test_the_other_backbones(name, cls_on_imdb, glot_on_cola):
    """Of some, a pooling was measured on IMDb alone."""
    scores = published_scores(name)
    assert scores["glot"]["cola"] == glot_on_cola and scores.get("cls", {}).get("imdb") == cls_on_imdb


@pytest.mark.parametrize("name", ["bert-large-uncased", "someone/bert", "all-MiniLM-L6-v2", ""])
def test_another_backbone(name):
    assert published_scores(name) == {}
