import pytest

from glot_hf.published import published_scores


@pytest.mark.parametrize("name", ["bert-base-uncased", "google-bert/bert-base-uncased", "/models/bert-base-uncased/"])
def test_the_same_backbone(name):
    scores = published_scores(name)
    assert scores["glot"]["cola"] == 47.49 and scores["cls"]["wnli"] == 45.07 and scores["glot"]["imdb"] == 86.9


@pytest.mark.parametrize("name", ["bert-large-uncased", "someone/bert", "all-MiniLM-L6-v2", ""])
def test_another_backbone(name):
    assert published_scores(name) == {}
